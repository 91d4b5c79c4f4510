"""Do the same work with narrows and with its rivals, in turns, and write what came out to a JSON file.

python benchmarks/run.py                      everything; sets up what is missing
python benchmarks/run.py --only vae,pca64     some of it
python benchmarks/run.py --quick              tiny sizes, and only environments that are there: does it all run?
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import environments
from measures import rotation
from process import Bare, ContenderError, Process, variables
from report import AGAIN, table
from works import CONTENDERS, GROWTH, GROWTH_AT, GROWTH_CONTENDERS, GROWTH_LONG, GROWTH_QUICK, STARTUP, WORKS

HERE = Path(__file__).resolve().parent
EXTRA = ("startup", "growth")


class Runner:
    """One run: what it uses, and what it has found so far."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.quick, self.rounds = asked.quick, asked.rounds
        self.data = environments.ROOT / ("data-quick" if asked.quick else "data")
        self.env = variables(asked.threads, self.data)
        self.bare = Bare(self.env)
        self.patience = 120.0 if asked.quick else 3600.0
        self.out = Path(asked.out or (environments.ROOT / "quick.json" if asked.quick else HERE / "results.json"))
        self.results: dict[str, Any] = {
            "command": "python benchmarks/run.py " + shlex.join(sys.argv[1:]),
            "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "quick": asked.quick, "source": source(), "machine": machine(asked.threads),
            "environments": {}, "works": {}, "startup": {}, "growth": [],
        }  # fmt: skip

    def prepare(self, needed: set[str]) -> None:
        """Set up environments and data; what cannot be had is noted, and left out."""
        for name in sorted(needed):
            if self.quick:
                problem = None if environments.python(name).exists() else "not set up: run without --quick"
            else:
                problem = environments.set_up(name)
            found = {"error": problem} if problem else {"packages": environments.packages(name)}
            self.results["environments"][name] = found
            if problem:
                print(f"{name} is left out: {problem}", file=sys.stderr)
        if not self.has("narrows"):
            sys.exit("without narrows there is nothing to compare")
        if not (self.data / "variance.json").exists():
            print("writing the data", file=sys.stderr)
            script = [environments.python("narrows"), HERE / "contenders" / "prepare_data.py", self.data]
            subprocess.run([*script, *(["--quick"] if self.quick else [])], check=True, env=self.env)

    def has(self, environment: str) -> bool:
        return "packages" in self.results["environments"].get(environment, {})

    def work(self, name: str) -> None:
        """Measure one work, round by round, everybody in each."""
        work = WORKS[name]
        rounds = 1 if self.quick else min(self.rounds, 3) if work.long else self.rounds
        settings = work.settings | (work.quick if self.quick else {})
        found: dict[str, dict[str, Any]] = {}
        entries = [(key, key, {}) for key in work.contenders]
        entries += [(work.reference + AGAIN, work.reference, {"seed": 1})] if work.reference else []
        if self.quick:  # the same code once
            entries = [entry for entry in entries if not entry[0].startswith("narrows_") and entry[0] == entry[1]]
        tasks = {}
        for label, key, seed in entries:
            contender = CONTENDERS[key]
            if not self.has(contender.environment):
                found[label] = {"error": self.results["environments"][contender.environment]["error"]}
                continue
            options = settings | contender.options | seed
            if work.call in ("train", "growth"):
                options["rounds"] = rounds + 1
            tasks[label] = (contender, {"do": "prepare", "work": work.call, "settings": options})
            found[label] = {"seconds": [], "bare": self.bare.of(contender)}
        (self._whole if work.whole else self._in_turns)(tasks, found, rounds)
        self.results["works"][name] = {"rounds": rounds, "settings": settings, "contenders": found}

    def _in_turns(self, tasks: dict[str, Any], found: dict[str, Any], rounds: int) -> None:
        """Everybody's process lives for the whole work; the first round warms up, and does not count."""
        with contextlib.ExitStack() as stack:
            alive: dict[str, Process] = {}
            for label, (contender, _) in tasks.items():
                alive[label] = stack.enter_context(Process(contender, self.env, self.patience))
            for label, (_, prepare) in tasks.items():
                with told(found[label]):
                    alive[label].ask(**prepare)
                    alive[label].ask(do="round")
            for round_ in range(rounds):
                for label in rotation(list(tasks), round_):
                    if "error" not in found[label]:
                        with told(found[label]):
                            found[label]["seconds"].append(alive[label].ask(do="round")["seconds"])
            for label, process in alive.items():
                if "error" not in found[label]:
                    with told(found[label]):
                        found[label] |= process.ask(do="result")

    def _whole(self, tasks: dict[str, Any], found: dict[str, Any], rounds: int) -> None:
        """A process per round, timed from its start to its end."""
        for round_ in range(rounds):
            for label in rotation(list(tasks), round_):
                contender, prepare = tasks[label]
                if "error" in found[label]:
                    continue
                with told(found[label]), Process(contender, self.env, self.patience) as process:
                    process.ask(**prepare)
                    process.ask(do="round")
                    found[label] |= process.ask(do="result")
                    found[label]["seconds"].append(process.finish())

    def startup(self) -> None:
        """Time commands from their start to their end."""
        rounds = 1 if self.quick else self.rounds + 1
        places = {"contenders": str(HERE / "contenders")}
        commands = {key: entry for key, entry in STARTUP.items() if self.has(entry[1])}
        found: dict[str, list[float]] = {key: [] for key in commands}
        for round_ in range(rounds):
            for key in rotation(list(commands), round_):
                _, environment, command, _ = commands[key]
                python = environments.python(environment)
                argv = [part.format(python=python, bin=python.parent, **places) for part in command]
                with tempfile.TemporaryDirectory() as folder:
                    start = time.perf_counter()
                    subprocess.run(argv, check=True, env=self.env, cwd=folder, capture_output=True)
                    found[key].append(time.perf_counter() - start)
        self.results["startup"] = {key: seconds[rounds > 1 :] for key, seconds in found.items()}  # the first warms up

    def growth(self) -> None:
        """One epoch after another, in turns, for every size."""
        there = [name for name in GROWTH_CONTENDERS if self.has(CONTENDERS[name].environment)]
        for axis, values in (GROWTH_QUICK if self.quick else GROWTH).items():
            for value in values:
                rounds = 1 if self.quick else 2 if value >= GROWTH_LONG else self.rounds
                settings = GROWTH_AT | {axis: value, "rounds": rounds + 1}
                tasks, found = {}, {}
                for name in there:
                    tasks[name] = (CONTENDERS[name], {"do": "prepare", "work": "growth", "settings": settings})
                    found[name] = {"axis": axis, "value": value, "contender": name, "seconds": []}
                    found[name]["bare"] = self.bare.of(CONTENDERS[name])
                self._in_turns(tasks, found, rounds)
                self.results["growth"] += found.values()

    def save(self) -> None:
        """Write what there is so far."""
        new = self.out.with_suffix(".new")
        new.write_text(json.dumps(self.results, indent=1) + "\n")
        new.replace(self.out)


@contextlib.contextmanager
def told(found: dict[str, Any]) -> Iterator[None]:
    """Note a contender's failure, and go on without it."""
    try:
        yield
    except ContenderError as error:
        found["error"] = str(error)


def source() -> str:
    """Return the commit that is measured, and whether files differ from it."""
    command = ["git", "-C", str(HERE), "describe", "--always", "--dirty", "--exclude=*"]
    found = subprocess.run(command, capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


def machine(threads: int) -> dict[str, Any]:
    """Return what the times depend on."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "native bf16": "avx512_bf16" in info, "cores": os.cpu_count(), "threads": threads,
        "system": platform.platform(terse=True), "python": platform.python_version(),
        "load at the start": round(os.getloadavg()[0], 2),
    }  # fmt: skip


def main() -> None:
    """Set up, measure, print a table per work, and write the file after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes and a single round, with what is set up")
    parser.add_argument("--only", default="", help=f"some of {', '.join((*WORKS, *EXTRA))}")
    parser.add_argument("--rounds", type=int, default=5, help="of short works; long ones have at most 3 (default 5)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for everybody (default: all cores)")
    parser.add_argument("--out", help="the file to write (default: results.json beside this script)")
    parser.add_argument("--set-up", action="store_true", help="only set up environments and data")
    asked = parser.parse_args()
    everything = [name for name, work in WORKS.items() if not (asked.quick and work.alike)] + [*EXTRA]
    chosen = asked.only.split(",") if asked.only else everything
    unknown = set(chosen) - {*WORKS, *EXTRA}
    if unknown or asked.rounds < 1 or asked.threads < 1:
        parser.error(f"--only knows no {', '.join(unknown)}" if unknown else "--rounds and --threads must be 1 or more")
    if sys.platform == "linux":  # JAX and others have as many threads as there are cores
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: asked.threads])
    runner = Runner(asked)
    runner.prepare({"narrows"} | {e for name in chosen for e in environments_of(name)})
    for name in () if asked.set_up else chosen:
        print(f"\n{WORKS[name].title if name in WORKS else name}", flush=True)
        {"startup": runner.startup, "growth": runner.growth}.get(name, lambda name=name: runner.work(name))()
        runner.save()
        print(table(name, runner.results), flush=True)


def environments_of(name: str) -> set[str]:
    """Return the environments that a work needs."""
    if name == "startup":
        return {entry[1] for entry in STARTUP.values()}
    contenders = GROWTH_CONTENDERS if name == "growth" else WORKS[name].contenders
    return {CONTENDERS[c].environment for c in contenders}


if __name__ == "__main__":
    main()
