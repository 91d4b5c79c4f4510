"""`narrows serve` under load, on this machine alone: latency, throughput, overload, ends, mixing and memory.

    python benchmarks/serving.py                      # everything as it is meant to be measured: half an hour
    python benchmarks/serving.py --seconds 2 --soak 10 --ends 2 --requests 200     # a short trial
    python benchmarks/serving.py --only latency,load

Each request asks a VAE of MNIST for the code of one digit. Server and clients share the cores of the machine. A model
is trained first, unless --run names one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from load import Client, closed_loop, infer_request, open_loop, percentile, post

CLIENTS = 64


class Server:
    """`narrows serve` in a process of its own, on a free port."""

    def __init__(self, run: Path, *flags: str) -> None:
        command = [sys.executable, "-m", "narrows", "serve", str(run), "--port", "0", *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(3)]
        found = re.search(r":(\d+)$", lines[0].strip())
        assert found is not None, lines
        self.port = int(found[1])

    @property
    def memory(self) -> float:
        """MB that it holds now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def cpu(self) -> float:
        """Seconds that it computed until now, on whatever core."""
        times = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> int:
        """End it by SIGTERM, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextlib.contextmanager
def served(run: Path, *flags: str) -> Iterator[Server]:
    """Serve a run while in here."""
    server = Server(run, *flags)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


class Digits:
    """Digits, and requests for their codes."""

    def __init__(self, run: Path, requests: int) -> None:
        from narrows import load, load_dataset

        self.model = f"{run.name}-encode"
        X = np.asarray(load_dataset("mnist-5k").train)[:requests]
        self.X, self.Z = X, load(run).transform(X)
        self.binary = [infer_request(self.model, x[None]) for x in X]
        self.json = [infer_request(self.model, x[None], binary=False) for x in X[:200]]
        self.png = [post("/encode", _png(x[0])) for x in X[:200]]

    def is_right(self, number: int, body: bytes) -> bool:
        """Return whether an answer to a binary request has the code of that digit."""
        codes = np.frombuffer(body[body.index(b"}]}") + 3 :], np.float32)
        return bool(np.allclose(codes, self.Z[number], atol=1e-4))


def _png(x: np.ndarray[Any, Any]) -> bytes:
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(x).save(written, "PNG")
    return written.getvalue()


def latency(run: Path, digits: Digits, asked: argparse.Namespace) -> dict[str, Any]:
    """One client, one digit after the other."""
    result = {}
    with served(run) as server:
        for name, requests in (("binary", digits.binary), ("json", digits.json), ("png", digits.png)):
            answers = asyncio.run(closed_loop(server.port, requests, 1, asked.seconds / 6))
            result[f"{name}_p50_ms"] = percentile(answers, 0.5)
            result[f"{name}_p99_ms"] = percentile(answers, 0.99)
    return result


def load(run: Path, digits: Digits, asked: argparse.Namespace) -> dict[str, Any]:
    """64 clients, each of which sends its next digit once the one before was answered; with batches and without."""
    result: dict[str, Any] = {}
    for name, flags in (("batched", ()), ("unbatched", ("--batch", "1"))):
        with served(run, *flags) as server:
            answers = asyncio.run(closed_loop(server.port, digits.binary, CLIENTS, asked.seconds))
        result[f"{name}_per_second"] = len(answers) / asked.seconds
        result[f"{name}_p50_ms"], result[f"{name}_p99_ms"] = (percentile(answers, share) for share in (0.5, 0.99))
        result[f"{name}_errors"] = sum(answer.status != 200 for answer in answers)
    result["times_unbatched"] = result["batched_per_second"] / result["unbatched_per_second"]
    return result


def overload(run: Path, digits: Digits, asked: argparse.Namespace) -> dict[str, Any]:
    """Requests at four times the rate that 64 clients reach, whatever becomes of them.

    What an answer and a refusal cost the server in seconds of a core holds on a busy machine as well. Those who ask
    take from the same cores: `asking_cores` says how much, and `goodput_share_per_cpu_second` what share of the
    server's own work went into answers.
    """
    half = asked.seconds / 2
    with served(run, "--waiting", str(asked.waiting)) as server:
        asyncio.run(closed_loop(server.port, digits.binary, CLIENTS, 1))
        begun = server.cpu
        answers = asyncio.run(closed_loop(server.port, digits.binary, CLIENTS, half))
        middle = server.cpu
        peak = sum(answer.status == 200 for answer in answers) / half
        cost = (middle - begun) / len(answers)
        asking = time.process_time()
        answers, unsent = open_loop(server.port, digits.binary, 4 * peak, asked.seconds, 8 * CLIENTS)
        spent, asking = server.cpu - middle, time.process_time() - asking
    statuses = Counter(answer.status for answer in answers)
    refused = statuses[503]
    return {
        "peak_per_second": peak, "offered_per_second": len(answers) / asked.seconds, "unsent": unsent,
        "goodput_share_of_peak": statuses[200] / asked.seconds / peak, "statuses": dict(statuses),
        "answered_cpu_us": 1e6 * cost,
        "refused_cpu_us": 1e6 * (spent - cost * statuses[200]) / refused if refused else None,
        "goodput_share_per_cpu_second": statuses[200] * cost / spent, "serving_cores": spent / asked.seconds,
        "asking_cores": asking / asked.seconds, "asking_cpu_us": 1e6 * asking / len(answers),
        "refused_p50_ms": percentile(answers, 0.5, lambda answer: answer.status == 503),
        "refused_p99_ms": percentile(answers, 0.99, lambda answer: answer.status == 503),
        "answered_p99_ms": percentile(answers, 0.99, lambda answer: answer.status == 200),
    }  # fmt: skip


def ends(run: Path, digits: Digits, asked: argparse.Namespace) -> dict[str, Any]:
    """SIGTERM under load: requests on connections that were made, and not answered."""
    lost, answered, codes = 0, 0, Counter[int]()
    for _ in range(asked.ends):
        with served(run) as server:
            one_lost, one_answered = asyncio.run(_until_refused(server, digits))
            codes[server.process.wait(60)] += 1
        lost, answered = lost + one_lost, answered + one_answered
    return {"ends": asked.ends, "answered": answered, "lost": lost, "exit_codes": dict(codes)}


async def _until_refused(server: Server, digits: Digits) -> tuple[int, int]:
    lost = answered = 0

    async def one(number: int) -> None:
        nonlocal lost, answered
        while True:
            try:
                client = await Client.connect(server.port)
            except OSError:
                return
            while client.open:
                answer = await client.ask(digits.binary[number])
                right = answer.status == 200 and digits.is_right(number, answer.body)
                lost, answered = lost + (not right), answered + right
            await client.close()

    clients = asyncio.gather(*map(one, range(CLIENTS)))
    await asyncio.sleep(1)
    server.process.send_signal(signal.SIGTERM)
    await clients
    return lost, answered


def mixing(run: Path, digits: Digits, asked: argparse.Namespace) -> dict[str, Any]:
    """Different digits at once, each on a connection of its own: codes that belong to another one."""

    async def work(port: int) -> int:
        clients = [await Client.connect(port) for _ in digits.binary]
        answers = await asyncio.gather(*(c.ask(r) for c, r in zip(clients, digits.binary, strict=True)))
        for client in clients:
            await client.close()
        return sum(not (a.status == 200 and digits.is_right(i, a.body)) for i, a in enumerate(answers))

    with served(run) as server:
        return {"requests": len(digits.binary), "mixed_up": asyncio.run(work(server.port))}


def memory(run: Path, digits: Digits, asked: argparse.Namespace) -> dict[str, Any]:
    """The server's memory after a tenth of the time under load, and at its end."""
    requests = [*digits.binary[:200], *digits.json, *digits.png]
    with served(run) as server:
        asyncio.run(closed_loop(server.port, requests, CLIENTS, asked.soak / 10))
        first = server.memory
        asyncio.run(closed_loop(server.port, requests, CLIENTS, asked.soak * 9 / 10))
        last = server.memory
    return {"seconds": asked.soak, "first_mb": first, "last_mb": last, "growth": last / first - 1}


PARTS = {"latency": latency, "load": load, "overload": overload, "ends": ends, "mixing": mixing, "memory": memory}


def main() -> None:
    """Measure, and print each part as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="a run of mnist-5k; else one is trained")
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--seconds", type=float, default=60, help="of load and of overload")
    parser.add_argument("--soak", type=float, default=600, help="seconds over which memory is watched")
    parser.add_argument("--ends", type=int, default=20, help="times that the server is ended under load")
    parser.add_argument("--requests", type=int, default=1000, help="different digits")
    parser.add_argument("--waiting", type=int, default=128, help="rows that wait, at most, under overload")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = asked.run
        if run is None:
            command = [sys.executable, "-m", "narrows", "train", "vae", "--name", "digits", "--epochs", "3"]
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
            run = Path(folder) / "runs" / "digits"
        digits = Digits(run, asked.requests)
        for name in asked.only.split(","):
            result = PARTS[name](run, digits, asked)
            busy = os.getloadavg()[0]
            print(json.dumps({"part": name, **result, "load_average": busy}), flush=True)


if __name__ == "__main__":
    main()
