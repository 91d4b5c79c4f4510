"""Reconstructions and samples of every epoch, in the run's folder."""

import numpy as np
import pytest

from narrows import AE, VAE, figures, load_dataset
from narrows.errors import FormatError
from narrows.runs import Run, frames, record, resume
from narrows.runs.frames import Frames, Recorder
from narrows.runs.pictures import representative
from narrows.training import Report

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture
def every(monkeypatch):
    """Record frames however short the epochs are."""
    monkeypatch.setattr(frames, "PAUSE", 0.0)


@pytest.fixture(scope="module")
def cloud():
    return load_dataset("cloud", samples=100, validation=0.2)


def images(dtype=np.uint8):
    X = np.random.default_rng(0).integers(0, 256, (12, 1, 4, 5)).astype(np.uint8)
    return X if dtype is np.uint8 else X.astype(dtype) / 255


def report(epoch, epochs, seconds, note=""):
    return Report(epoch, epochs, epoch, epochs, {}, None, seconds, 1.0, 0.1, end_of_epoch=True, note=note)


def test_every_epoch_has_a_frame_of_what_the_model_made_then(every, cloud, tmp_path):
    vae = VAE(latent_dim=1, network="mlp:8", epochs=4)
    X = representative(cloud).X
    made = {r.epoch: (vae.reconstruct(X), vae.sample(len(X), seed=0)) for r in record(vae, cloud, tmp_path / "run")}
    kept = Run(tmp_path / "run").frames
    assert kept.epochs == [1, 2, 3, 4]
    np.testing.assert_array_equal(kept.originals["x"], X)
    for epoch, (reconstruction, samples) in made.items():
        np.testing.assert_array_equal(kept.read(epoch)["reconstruction"], reconstruction)
        np.testing.assert_array_equal(kept.read(epoch)["samples"], samples)


def test_frames_change_nothing_in_training(every, cloud, tmp_path):
    with_frames, alone = (VAE(latent_dim=1, network="mlp:8", epochs=3) for _ in range(2))
    list(record(with_frames, cloud, tmp_path / "with"))
    list(record(alone, cloud, tmp_path / "alone", pictures=False))
    assert not (tmp_path / "alone" / "frames").exists()
    for one, other in zip(with_frames.module_.parameters(), alone.module_.parameters(), strict=True):
        assert (one == other).all()


def test_resuming_takes_back_the_frames_of_epochs_that_are_trained_again(every, cloud, tmp_path):
    whole = AE(latent_dim=1, network="mlp:8", epochs=4)
    list(record(whole, cloud, tmp_path / "whole"))
    reports = record(AE(latent_dim=1, network="mlp:8", epochs=4), cloud, tmp_path / "run")
    while next(reports).epoch < 2:
        pass
    reports.close()
    run = Run(tmp_path / "run")
    run.frames.write(3, {"reconstruction": np.zeros((1, 3), np.float32)}, {})  # of a training that was killed later
    run.frames.path_of(2).unlink()  # as if the disk had been full
    resumed = resume(tmp_path / "run")
    next(resumed)
    assert run.frames.epochs == [1, 2, 3]
    list(resumed)
    assert run.frames.epochs == [1, 2, 3, 4]
    for epoch in run.frames.epochs:
        expected = Run(tmp_path / "whole").frames.read(epoch)["reconstruction"]
        np.testing.assert_array_equal(run.frames.read(epoch)["reconstruction"], expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_images_are_kept_as_they_are_drawn(dtype, tmp_path):
    X = images(dtype)
    recorder = Recorder(Frames(tmp_path / "frames"), X, np.arange(12))
    recorder.add(report(1, 1, 0.0), X, None, since=0.0)
    kept = recorder.frames.originals
    assert kept["x"].dtype == np.uint8
    assert kept["labels"].tolist() == list(range(12))
    np.testing.assert_array_equal(kept["x"], images()[:, 0])
    drawn = np.asarray(figures.compare({"": X}))[12, 12 : 12 + 19 * 5 : 19, 0]  # 19 pixels for each of the first image
    np.testing.assert_array_equal(kept["x"][0, 0], drawn)


def test_colours_large_images_and_sequences(tmp_path):
    X = np.random.default_rng(0).random((2, 3, 300, 4))
    assert Recorder(Frames(tmp_path), X, None).originals["x"].shape == (2, 150, 2, 3)
    ragged = np.empty(2, object)
    ragged[:] = [np.ones((3, 2)), np.ones((5, 2))]
    x = Recorder(Frames(tmp_path), ragged, None).originals["x"]
    assert (x.shape, x.dtype) == ((2, 5, 2), np.float32)
    assert np.isnan(x[0, 3:]).all()
    pixels = np.arange(8, dtype=np.uint8).reshape(2, 4)  # a table, in its own units
    np.testing.assert_array_equal(Recorder(Frames(tmp_path), pixels, None).originals["x"], pixels)


def due(epochs, seconds, X=None):
    recorder = Recorder(Frames(None), np.zeros((2, 3)) if X is None else X, None)
    taken = []
    for epoch in range(1, epochs + 1):
        each = report(epoch, epochs, epoch * seconds)
        if recorder.due(each):
            taken.append(epoch)
            recorder.last = each.seconds
    return taken


def test_frames_are_thinned_out_evenly():
    assert due(1000, 1.0) == list(range(1, 1001))
    assert due(2500, 1.0) == [1, *range(3, 2500, 3), 2500]
    assert due(20, 0.05) == [1, 5, 9, 13, 17, 20]
    assert due(8, 1.0, np.zeros((2**23, 1), np.float32)) == [1, 4, 8]  # 64 MB each


def test_slow_disks_get_fewer_frames():
    recorder = Recorder(Frames(None), np.zeros((2, 3)), None)
    recorder.spent = 0.5
    assert not recorder.due(report(7, 10, 20.0))
    assert recorder.due(report(7, 10, 30.0))
    assert recorder.due(report(7, 10, 20.0, note="stopped early"))


def test_frames_that_are_broken_are_named(tmp_path):
    kept = Frames(tmp_path / "frames")
    assert kept.epochs == []
    kept.write(1, {"reconstruction": np.zeros((1, 3), np.float32)}, {"x": np.zeros((1, 3), np.float32)})
    kept.path_of(2).write_bytes(kept.path_of(1).read_bytes()[:-4])
    with pytest.raises(FormatError, match="epoch_0002"):
        kept.read(2)
    kept.path_of(3).write_bytes((kept.folder / "originals.safetensors").read_bytes())
    with pytest.raises(FormatError, match="must hold a reconstruction"):
        kept.read(3)
