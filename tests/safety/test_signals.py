"""Ctrl-C and SIGTERM at any moment of `narrows train`: no run at all, or one that can be resumed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from narrows.cli.app import main
from narrows.runs import Run
from narrows.storage.record import read_record
from safety.clock import ends_within, killed

CAMPAIGN = pytest.mark.campaign
CHILD = """
import importlib, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are started with it ignored
place, _, name = sys.argv.pop(1).rpartition(".")
if name:
    module, _, cls = place.partition(":")
    owner = importlib.import_module(module)
    owner = getattr(owner, cls) if cls else owner
    real, called = getattr(owner, name), []
    def slow(*arguments, **options):
        if not called:
            called.append(True)
            print("here", flush=True)
            time.sleep(0.7)
        return real(*arguments, **options)
    setattr(owner, name, slow)
else:
    print("here", flush=True)
from narrows.cli.app import main
sys.exit(main())
"""
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
MOMENTS = {
    "imports": "",
    "loading": "narrows.data.load_dataset",
    "checking": "narrows.estimators.base:Autoencoder._checked",
    "beginning": "narrows.runs.folder.write_json",
    "building": "narrows.estimators.base:NeuralAutoencoder._start",
    "evaluation": "narrows.training.loop.evaluate",
    "checkpoint": "narrows.training.checkpoints.write_record",
    "model": "narrows.estimators.base:Autoencoder.save",
    "pictures": "narrows.figures.latent_map",
    "summary": "narrows.runs.recording.summarise",
    "result": "narrows.cli.summary.results",
}
"""What is being done when the signal comes: the first call of a function, made slow."""
BEFORE = ("imports", "loading", "checking", "beginning")


def started(folder: Path, moment: str, epochs: int = 3) -> "subprocess.Popen[str]":
    flags = ["--data", "cloud", "--latent-dim", "1", "--epochs", str(epochs), "--name", "x"]
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, MOMENTS[moment], "train", "vae", *flags], cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        while (line := process.stdout.readline()) != "here\n":
            assert line, process.communicate()[1]
    except BaseException:
        killed(process)
        raise
    return process


def stopped(process: "subprocess.Popen[str]", number: signal.Signals) -> tuple[int, str]:
    """Send the signal, and return the exit code and what was printed; it must take less than 5 s."""
    process.send_signal(number)
    printed = ends_within(process, 5)
    return process.returncode, printed


@pytest.mark.parametrize(("number", "moment"), [
    pytest.param(number, moment, marks=pytest.mark.slow if (number, moment) in {
        (signal.SIGTERM, "loading"), (signal.SIGINT, "summary")} else CAMPAIGN)
    for moment in MOMENTS if moment != "imports" for number in CODES
])  # fmt: skip
def test_a_signal(number: signal.Signals, moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, printed = stopped(started(tmp_path, moment), number)
    assert code == CODES[number], printed
    assert printed.count("\n") == 1, printed
    if moment in BEFORE:
        assert printed == ("error: interrupted\n" if number == signal.SIGINT else "error: terminated\n")
        assert not list(tmp_path.rglob("x"))
        return
    run = Run("runs/x")
    if moment == "result":
        assert run.status == "finished"
        return
    assert run.record["status"] == "interrupted"
    assert printed.endswith("narrows resume runs/x\n")
    if moment in ("model", "pictures", "summary"):
        assert not list(run.folder.rglob("*.tmp"))
    with pytest.warns(match="had no checkpoint yet") if moment == "building" else monkeypatch.context():
        assert main(["resume", "x"]) == 0
    run = Run("runs/x")
    assert (run.status, len(run.history)) == ("finished", 3)
    assert run.load().latent_dim_ == 1


@CAMPAIGN
def test_signals_at_random_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first import to the last picture."""
    rng = random.Random(0)
    found: dict[str, int] = {}
    for number in range(40):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        process = started(folder, "imports", epochs=20)
        time.sleep(rng.uniform(0.4, 4.5))
        code, printed = stopped(process, rng.choice(list(CODES)))
        assert code in (0, *CODES.values()), printed
        assert printed.count("\n") == (code != 0), printed
        status = "none"
        if Path("runs/x").exists():
            run = Run("runs/x")
            status = run.status
            assert status in ("interrupted", "finished")
            for path in run.checkpoints_folder.glob("step-*.json"):
                read_record(path)
            if status == "interrupted":
                command = [sys.executable, "-c", CHILD, "", "resume", "x"]
                assert subprocess.run(command, capture_output=True, check=False).returncode == 0
            assert (Run("runs/x").status, len(Run("runs/x").history)) == ("finished", 20)
        found[status] = found.get(status, 0) + 1
    print(found)
    assert len(found) >= 2
