"""Two trainers, a full disk: what the command line says, and what is left."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from narrows import VAE, load_dataset
from narrows.cli.app import main
from narrows.errors import ConfigError
from narrows.runs import Run, record
from narrows.training import interval
from safety.clock import killed, within
from safety.disk import Disk
from safety.test_signals import started

pytestmark = pytest.mark.usefixtures("blank_pictures")

CAMPAIGN = pytest.mark.campaign
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
    pytest.param("checkpoint", TRAIN, marks=pytest.mark.slow),
    pytest.param("checkpoint", ["resume", "x"], marks=CAMPAIGN),
    pytest.param("building", TRAIN, marks=CAMPAIGN), pytest.param("building", ["resume", "x"], marks=CAMPAIGN),
])  # fmt: skip
def test_who_comes_second_is_told_who_is_at_it(
    moment: str, command: list[str], holder: Callable[[str], "subprocess.Popen[str]"],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    process = holder(moment)
    before = {path: path.read_bytes() for path in Path("runs/x").rglob("*") if path.is_file()}
    with within(2):
        assert main(command) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert f"process {process.pid}" in printed
    assert {path: path.read_bytes() for path in Path("runs/x").rglob("*") if path.is_file()} == before
    killed(process)
    with pytest.warns(match="no checkpoint yet"):
        assert main(["resume", "x"]) == 0  # a dead holder holds nothing
    assert Run("runs/x").status == "finished"


@pytest.mark.parametrize(("number", "advice"), [
    pytest.param(errno.ENOSPC, "Make room, then: narrows resume runs/x", marks=pytest.mark.slow),
    pytest.param(errno.EDQUOT, "Make room, then: narrows resume runs/x", marks=CAMPAIGN),
    pytest.param(errno.EIO, "Mend that, then: narrows resume runs/x", marks=CAMPAIGN),
])  # fmt: skip
def test_a_disk_that_fails(
    number: int, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "x" / "checkpoints"
    disk = Disk(Path("runs/x/checkpoints"), fail_at=30, error=OSError(number, os.strerror(number)))
    with disk.watched():
        assert main([*TRAIN, "--epochs", "3", "--checkpoint-every", "0s"]) == 1
    assert len(disk.names) >= 30
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert os.strerror(number) in printed
    assert printed.rstrip().endswith(advice)
    assert not list(folder.glob("*.tmp"))
    assert list(folder.glob("step-*.json"))
    assert main(["resume", "x"]) == 0
    run = Run("runs/x")
    assert (run.status, len(run.history)) == ("finished", 3)


@pytest.mark.slow
def test_checkpoints_as_often_as_asked(tmp_path: Path) -> None:
    data = load_dataset("cloud", validation=0.2)
    for every in ("1h", "2 epochs", "0s"):
        folder = tmp_path / every
        reports = record(VAE(latent_dim=1, epochs=9), data, folder, checkpoint_every=every)
        for report in reports:
            if report.epoch == 5 and report.end_of_epoch:
                break
        found = sorted(int(path.stem[5:]) for path in (folder / "checkpoints").glob("step-*.json"))
        # Four steps an epoch; where saving takes more than its share of the time, it is done less often than asked.
        assert found == {"1h": [], "2 epochs": [8, 16]}.get(every, found or "some")
        reports.close()
        assert Run(folder).record["checkpoint_every"] == every
    assert main(["train", "vae", "--data", "cloud", "--checkpoint-every", "often"]) == 2


@pytest.mark.parametrize(
    "text", ["", "10", "s", "-1s", "0 epochs", "1.5 epochs", "1e3s", "nan s", "10 days", "1" * 99 + "s"]
)
def test_other_intervals_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="checkpoint_every must be a time or a number of epochs"):
        interval(text)


@pytest.mark.slow
def test_changed_data_are_resumed_with_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).normal(size=(50, 3))
    np.save("x.npy", X)
    reports = record(VAE(latent_dim=1, epochs=2, batch_size=8), load_dataset("x.npy"), "runs/x", checkpoint_every="0s")
    next(reports)
    reports.close()
    np.save("x.npy", X + 1)
    assert main(["resume", "x"]) == 2
    assert "data must not have changed; x.npy is not what the run was trained on" in capsys.readouterr().err
    assert Run("runs/x").status == "interrupted"
    with pytest.warns(match="the data have changed: x.npy is not"), pytest.warns(match="though it changed"):
        assert main(["resume", "x", "--force"]) == 0
    assert Run("runs/x").status == "finished"
