"""What is written for TensorBoard is read back with its own reader."""

import errno
import io
import json
import shutil
import sys
from functools import partial
from typing import Any

import numpy as np
import pytest
from PIL import Image

from narrows import AE, PCA, VAE, load_dataset
from narrows.cli.app import main
from narrows.errors import ConfigError
from narrows.runs import Run, record, resume
from narrows.runs.trackers import WRITERS, logged
from narrows.training import Checkpoints

OPTIONS: dict[str, Any] = {"validation": 0.2}


@pytest.fixture
def events():
    """Return what reads all event files of a run, as TensorBoard does."""
    reason = 'the files are read back by tensorboard: pip install -e ".[test]"'
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason=reason)
    return lambda run: reader.EventAccumulator(str(run.logs_folder), {"scalars": 0, "images": 0}).Reload()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Small images, whose pictures are made fast."""
    path = tmp_path_factory.mktemp("data") / "x.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (60, 1, 4, 4), dtype=np.uint8))
    return load_dataset(path, **OPTIONS)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Leave out the pictures of the finished model."""
    monkeypatch.setattr("narrows.runs.recording.draw_all", lambda *_: None)


def vae(**changed):
    return VAE(**{"latent_dim": 1, "network": "mlp:4", "epochs": 7, **changed})


def scalars(log):
    """Return tag -> [(step, value), ...]."""
    return {tag: [(event.step, event.value) for event in log.Scalars(tag)] for tag in log.Tags()["scalars"]}


def recorded(run):
    """Return the same from metrics.jsonl, in single precision."""
    series = {}
    for line in (run.folder / "metrics.jsonl").read_text().splitlines():
        epoch = json.loads(line)
        values = {name: epoch[name] for name in ("learning_rate", "samples_per_second")}
        for part in ("train", "validation"):
            values |= {f"{name}/{part}": value for name, value in (epoch[part] or {}).items()}
        for name, value in values.items():
            series.setdefault(name, []).append((epoch["epoch"], float(np.float32(value))))
    return series


def assert_same_pictures(run, log):
    """Assert that every picture in samples/ is there once, to the pixel."""
    written = [(event.step, event.encoded_image_string) for event in log.Images("reconstructions")]
    assert [run.sample_of(step) for step, _ in written] == run.samples
    for step, encoded in written:
        with Image.open(io.BytesIO(encoded)) as there, Image.open(run.sample_of(step)) as here:
            np.testing.assert_array_equal(np.asarray(there), np.asarray(here.convert("RGB")))


def test_scalars_are_those_of_metrics_jsonl_and_images_those_of_samples(events, data, tmp_path):
    reports = list(logged(record(vae(), data, tmp_path / "run"), tmp_path / "run"))
    run = Run(tmp_path / "run")
    log = events(run)
    assert scalars(log) == recorded(run)
    assert len(scalars(log)["kl/validation"]) == 7
    assert scalars(log)["loss/train"][-1] == (7, pytest.approx(reports[-1].train["loss"], rel=1e-6))
    assert [path.stem for path in run.samples] == [f"epoch_000{epoch}" for epoch in (1, 2, 5, 7)]
    assert_same_pictures(run, log)
    assert (run.status, run.summary["samples"]) == ("finished", 12)
    assert run.record["logged"] == {
        "to": "tensorboard", "folder": "logs", "scalars": sorted(recorded(run)), "images": ["reconstructions"],
        "epoch": 7,
    }  # fmt: skip


def test_nothing_but_the_log_is_added(events, data, tmp_path):
    for name in ("plain", "logged"):
        reports = record(vae(epochs=2), data, tmp_path / name)
        assert len(list(reports if name == "plain" else logged(reports, tmp_path / name))) == 2
    plain, other = Run(tmp_path / "plain"), Run(tmp_path / "logged")
    assert {p.name for p in other.folder.iterdir()} - {p.name for p in plain.folder.iterdir()} == {"logs"}
    assert other.record.keys() - plain.record.keys() == {"logged"}
    assert other.summary == plain.summary


@pytest.mark.slow
def test_a_run_that_is_left_and_resumed_has_every_step_once(events, data, tmp_path):
    reports = logged(record(vae(), data, tmp_path / "run"), tmp_path / "run")
    while next(reports).epoch < 3:
        pass
    assert Run(tmp_path / "run").record["logged"]["to"] == "tensorboard"
    reports.close()
    run = Run(tmp_path / "run")
    assert (run.status, run.record["logged"]["epoch"]) == ("interrupted", 3)
    list(logged(resume(run.folder), run.folder))
    run = Run(run.folder)
    log = events(run)
    assert len(list(run.logs_folder.iterdir())) == 2
    assert scalars(log) == recorded(run)
    assert [step for step, _ in scalars(log)["loss/train"]] == [1, 2, 3, 4, 5, 6, 7]
    assert_same_pictures(run, log)
    assert run.record["logged"]["epoch"] == 7


@pytest.mark.slow
def test_epochs_that_come_again_after_a_crash_replace_the_first_ones(events, data, tmp_path, monkeypatch):
    monkeypatch.setattr("narrows.runs.recording.Checkpoints", partial(Checkpoints, epochs=2))
    reports = logged(record(vae(), data, tmp_path / "run"), tmp_path / "run")
    while next(reports).epoch < 5:  # the last checkpoint is of the end of epoch 4
        pass
    shutil.copytree(tmp_path / "run", tmp_path / "crashed")
    reports.close()
    crashed = Run(tmp_path / "crashed")
    first = scalars(events(crashed))
    assert len(first["loss/train"]) == 5
    list(logged(resume(crashed.folder), crashed.folder))
    crashed = Run(crashed.folder)
    log = events(crashed)
    assert scalars(log) == recorded(crashed)
    assert scalars(log)["loss/train"][:5] == first["loss/train"]
    assert scalars(log)["samples_per_second"][4] != first["samples_per_second"][4]
    assert_same_pictures(crashed, log)


def test_a_log_that_begins_later_holds_what_came_before(events, data, tmp_path):
    reports = record(vae(), data, tmp_path / "run")
    while next(reports).epoch < 3:
        pass
    reports.close()
    list(logged(resume(tmp_path / "run"), tmp_path / "run"))
    run = Run(tmp_path / "run")
    log = events(run)
    assert scalars(log) == recorded(run)
    assert_same_pictures(run, log)


def test_a_model_that_is_fitted_in_one_step_is_logged_too(events, data, tmp_path):
    list(logged(record(PCA(latent_dim=1), data, tmp_path / "run"), tmp_path / "run"))
    run = Run(tmp_path / "run")
    assert scalars(events(run)) == recorded(run)
    assert set(recorded(run)) == {"loss/train", "reconstruction/train", "learning_rate", "samples_per_second"}


@pytest.mark.slow
def test_from_the_command_line_and_resumed(events, data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = ["--data", "cloud", "--data-option", "samples=60", "--epochs", "3", "--network", "mlp:4"]
    assert main(["train", "ae", *flags, "--log", "tensorboard"]) == 0
    assert "runs/ae-cloud-1/logs  tensorboard --logdir runs" in capsys.readouterr().out
    run = Run("runs/ae-cloud-1")
    assert scalars(events(run)) == recorded(run)
    reports = logged(record(AE(network="mlp:4", epochs=4), data, "runs/left"), "runs/left")
    next(reports)
    reports.close()
    assert main(["resume", "left"]) == 0
    assert scalars(events(Run("runs/left"))) == recorded(Run("runs/left"))


def test_a_missing_package_is_told_before_training_begins(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=r'tensorboard must be installed.*pip install "narrows\[track\]"'):
        logged(record(vae(), data, "run"), "run")
    assert main(["train", "vae", "--data", "none.npy", "--log", "tensorboard"]) == 2
    assert 'Run: pip install "narrows[track]".' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_names_that_nothing_is_written_for_are_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "vae", "--data", "cloud", "--log", "tensorbord"]) == 2
    message = "error: log must be one of tensorboard; got 'tensorbord'. Did you mean 'tensorboard'?\n"
    assert capsys.readouterr().err == message
    (tmp_path / "c.toml").write_text("log = 3")
    assert main(["train", "vae", "--data", "cloud", "--config", "c.toml"]) == 2
    assert "log must be a string; got 3" in capsys.readouterr().err


class FullDisk:
    """A writer whose disk takes two epochs."""

    def __init__(self, folder, purge_step):
        self.flushed = 0

    def add_scalar(self, *arguments):
        pass

    def add_image(self, *arguments, dataformats):
        pass

    def flush(self):
        self.flushed += 1
        if self.flushed == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    def close(self):
        pass


def test_a_log_that_cannot_be_written_leaves_a_run_to_go_on_with(data, tmp_path, monkeypatch):
    monkeypatch.setitem(WRITERS, "full", lambda: FullDisk)
    with pytest.raises(OSError, match="No space left"):
        list(logged(record(vae(), data, tmp_path / "run"), tmp_path / "run", to="full"))
    run = Run(tmp_path / "run")
    assert (run.status, run.record["epoch"], run.record["logged"]["epoch"]) == ("interrupted", 3, 3)
    assert [report.epoch for report in resume(run.folder)] == [4, 5, 6, 7]
    assert Run(run.folder).status == "finished"


def test_a_mistake_that_shows_before_training_leaves_no_folder(data, tmp_path, monkeypatch):
    monkeypatch.setitem(WRITERS, "full", lambda: FullDisk)
    with pytest.raises(ConfigError, match="epochs must be"):
        list(logged(record(vae(epochs=0), data, tmp_path / "run"), tmp_path / "run", to="full"))
    assert not (tmp_path / "run").exists()
