"""Two trainers, a full disk: what the command line says, and what is left."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from narrows.cli import main
from narrows.runs import Run
from narrows.training import Checkpoints
from safety.clock import killed, within
from safety.disk import Disk
from safety.test_signals import started

SLOW = pytest.mark.campaign
TRAIN = ["train", "vae", "--data", "cloud", "--latent-dim", "1", "--name", "x"]


@pytest.fixture
def holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], "subprocess.Popen[str]"]]:
    """Start a training in another process, and halt it at a moment; it stays there."""
    monkeypatch.chdir(tmp_path)
    begun: list[subprocess.Popen[str]] = []

    def start(moment: str) -> "subprocess.Popen[str]":
        process = started(tmp_path, moment)
        begun.append(process)
        process.send_signal(signal.SIGSTOP)
        return process

    yield start
    for process in begun:
        killed(process)


@pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be halted there")
@pytest.mark.parametrize(("moment", "command"), [
    ("checkpoint", TRAIN), pytest.param("checkpoint", ["resume", "x"], marks=SLOW),
    pytest.param("building", TRAIN, marks=SLOW), pytest.param("building", ["resume", "x"], marks=SLOW),
])  # fmt: skip
def test_who_comes_second_is_told_who_is_at_it(
    moment: str, command: list[str], holder: Callable[[str], "subprocess.Popen[str]"],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    process = holder(moment)
    before = {path: path.read_bytes() for path in Path("runs/x").rglob("*") if path.is_file()}
    with within(2):
        assert main(command) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"process {process.pid}" in told
    assert {path: path.read_bytes() for path in Path("runs/x").rglob("*") if path.is_file()} == before
    killed(process)
    with pytest.warns(match="no checkpoint yet"):
        assert main(["resume", "x"]) == 0  # a dead holder holds nothing
    assert Run("runs/x").status == "finished"


@pytest.mark.parametrize(("number", "advice"), [
    (errno.ENOSPC, "Make room, then go on: narrows resume runs/x"),
    pytest.param(errno.EDQUOT, "Make room, then go on: narrows resume runs/x", marks=SLOW),
    pytest.param(errno.EIO, "Mend that, then go on: narrows resume runs/x", marks=SLOW),
])  # fmt: skip
def test_a_disk_that_fails(
    number: int, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(Checkpoints.__init__.__kwdefaults__, "seconds", 0.0)
    folder = tmp_path / "runs" / "x" / "checkpoints"
    disk = Disk(Path("runs/x/checkpoints"), fail_at=30, error=OSError(number, os.strerror(number)))
    with disk.watched():
        assert main([*TRAIN, "--epochs", "3"]) == 1
    assert len(disk.names) >= 30
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert os.strerror(number) in told
    assert told.rstrip().endswith(advice)
    assert not list(folder.glob("*.tmp"))
    assert list(folder.glob("step-*.json"))
    assert main(["resume", "x"]) == 0
    run = Run("runs/x")
    assert (run.status, len(run.history)) == ("finished", 3)
