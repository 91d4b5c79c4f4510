"""Training by several processes that ends before its time: by a checkpoint, a signal, or the death of one of them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the processes by /proc"),
]

TRAINING = """
import json, sys
import numpy as np, torch
import narrows
from narrows.training import Checkpoints
from narrows.training.distributed import joined
torch.set_num_threads(1)
X = np.random.default_rng(0).random((203, 20)).astype(np.float32)
folder, stop, file = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with joined() as ranks:
    model = narrows.VAE(latent_dim=4, batch_size=50, seed=3, network="mlp:32", epochs=6, corruption="masking:0.1")
    checkpoints = Checkpoints(folder, epochs=1) if ranks.rank == 0 else None
    reports = model.fit_iter(X, validation=X[:37], resume=checkpoints)
    for report in reports:
        if report.end_of_epoch and report.epoch == stop:
            reports.close()
            break
    if ranks.rank == 0:
        weights = torch.cat([p.detach().flatten() for p in model.module_.parameters()])
        json.dump([weights.tolist(), [each["validation"]["loss"] for each in model.history_]], open(file, "w"))
"""
COMMAND = ["-m", "narrows", "train", "vae", "--data", "digits", "--network", "mlp:16", "--checkpoint-every", "1 epoch"]


def torchrun(n, *command, restarts=0):
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n), "--max-restarts", str(restarts)]
    return [sys.executable, *(run if n > 1 else []), *command]


def children(parent):
    return [int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


@contextmanager
def started(command, **options):
    """Give a process that runs, and leave nothing of it behind: the end of a block with Popen waits without end."""
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                for pid in (*children(process.pid), process.pid):
                    os.kill(pid, signal.SIGKILL)


def ranks_of(agent):
    """Return the processes that torchrun has started, by their rank."""
    found = {}
    for pid in children(agent):
        variables = Path(f"/proc/{pid}/environ").read_text().replace("\0", "\n")
        if match := re.search(r"^RANK=(\d+)", variables, re.MULTILINE):
            found[int(match[1])] = pid
    return found


def until_a_checkpoint(folder, *processes):
    deadline = time.monotonic() + 240
    while not list((folder / "runs").glob("*/checkpoints/step-*.json")):
        assert time.monotonic() < deadline
        assert all(process.poll() is None for process in processes)
        time.sleep(0.1)


def record_of(folder):
    (file,) = (folder / "runs").glob("*/run.json")
    return json.loads(file.read_text())


def test_resumed_from_a_checkpoint_it_ends_as_if_it_had_not_stopped(tmp_path):
    """To the last bit with as many processes, and but for rounding with another number."""
    script = tmp_path / "training.py"
    script.write_text(TRAINING)

    def trained(n, folder, stop=0):
        file = tmp_path / "result.json"
        command = torchrun(n, str(script), str(tmp_path / folder), str(stop), str(file))
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return json.loads(file.read_text())

    whole = trained(2, "whole")
    for n in (2, 1, 3):
        assert len(trained(2, f"by {n}", stop=3)[1]) == 3
        weights, losses = trained(n, f"by {n}")
        if n == 2:
            assert [weights, losses] == whole
        np.testing.assert_allclose(weights, whole[0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(losses, whole[1], rtol=1e-5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_was_learned(tmp_path, number):
    command = [sys.executable, *COMMAND, "--epochs", "100000", "--processes", "2"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "cwd": tmp_path}
    with started(command, **options) as run:
        until_a_checkpoint(tmp_path, run)
        ranks = ranks_of(run.pid)
        run.send_signal(number)
        output, _ = run.communicate(timeout=120)
    assert run.returncode == 128 + number
    assert "its model is saved" in output
    assert "Traceback" not in output
    assert not [pid for pid in ranks.values() if Path(f"/proc/{pid}").exists()]
    record = record_of(tmp_path)
    assert (record["status"], record["epoch"] >= 1) == ("interrupted", True)
    done = subprocess.run(
        [sys.executable, "-m", "narrows", "show", "runs/vae-digits-1"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_processes_that_lose_one_leave_and_name_it(tmp_path):
    """Started by hand, so that nothing but the ranks themselves notices."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with ExitStack() as stack:
        runs = []
        for rank in range(2):
            variables = {
                "RANK": rank, "WORLD_SIZE": 2, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port
            }  # fmt: skip
            runs.append(stack.enter_context(started(
                [sys.executable, *COMMAND, "--epochs", "100000"], cwd=tmp_path,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                env=os.environ | {name: str(value) for name, value in variables.items()},
            )))  # fmt: skip
        until_a_checkpoint(tmp_path, *runs)
        runs[1].kill()
        killed = time.time()
        _, errors = runs[0].communicate(timeout=120)
    assert f"rank 1 (process {runs[1].pid} on " in errors
    assert "has ended" in errors
    assert runs[0].returncode == 2
    record = record_of(tmp_path)
    assert record["status"] == "failed"
    assert f"rank 1 (process {runs[1].pid}" in record["error"]
    noticed = max(file.stat().st_mtime for file in (tmp_path / "runs").glob("*/model/*.safetensors"))
    assert noticed - killed < 15
    assert list((tmp_path / "runs").glob("*/checkpoints/step-*.json"))


def test_torchrun_starts_it_again_and_it_resumes(tmp_path):
    command = torchrun(2, *COMMAND, "--epochs", "6", restarts=1)
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "cwd": tmp_path}
    with started(command, **options) as run:
        until_a_checkpoint(tmp_path, run)
        os.kill(ranks_of(run.pid)[1], signal.SIGKILL)
        output, _ = run.communicate(timeout=240)
    assert run.returncode == 0, output
    record = record_of(tmp_path)
    assert (record["status"], record["epoch"], len(record["resumed"])) == ("finished", 6, 1)
    assert record["resumed"][0]["step"] > 0
    assert "resuming runs/vae-digits-1" in output


def test_what_is_wrong_is_said_once(tmp_path):
    command = [
        sys.executable,
        "-m",
        "narrows",
        "train",
        "ae",
        "--data",
        "digits",
        "--code",
        "vq:16",
        "--processes",
        "2",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=240)
    assert done.returncode == 2
    assert done.stderr.count("processes must be 1 for a loss that depends on the whole batch") == 1
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "runs").glob("*"))
