"""Data sets for `defaults.py`, as a user would give them: not scaled, the only change a bound on their size.

Those of scikit-learn are always there; the others lie in the folder NARROWS_DATA, and are left out where it lacks them.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import sklearn.datasets
from numpy.typing import NDArray

from narrows import load_dataset

ANOMALIES = ("18_Ionosphere", "19_landsat", "23_mammography", "26_optdigits", "28_pendigits", "29_Pima", "30_satellite",
             "38_thyroid", "43_WDBC", "6_cardio")  # fmt: skip
"""Files of ADBench."""
Array = NDArray[np.generic]


class MissingDataError(Exception):
    """A data set is not on this machine."""


class Source(NamedTuple):
    """Where a data set comes from."""

    load: Callable[[], Array]
    kind: str
    """table, series or images."""


def read(name: str, n: int, seed: int = 0) -> Array:
    """Return at most n samples of a data set, drawn with a seed. Raises: MissingDataError."""
    X = SOURCES[name].load()
    if len(X) > n:
        X = X[np.sort(np.random.default_rng(seed).choice(len(X), n, replace=False))]
    return np.ascontiguousarray(X)


def split(n: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows to train on, and the 30% that are held out."""
    order = np.random.default_rng([seed, n]).permutation(n)
    held = round(0.3 * n)
    return np.sort(order[held:]), np.sort(order[:held])


def _folder(*parts: str) -> Path:
    path = Path(os.environ.get("NARROWS_DATA", ""), *parts)
    if "NARROWS_DATA" not in os.environ or not path.exists():
        raise MissingDataError(f"NARROWS_DATA has no {'/'.join(parts)}")
    return path


def _linnerud() -> Array:
    found = sklearn.datasets.load_linnerud()
    return np.column_stack([found.data, found.target])


def _anomalies(name: str) -> Array:
    with np.load(_folder("adbench", name)) as found:
        return found["X"]


def _columns(path: Path, delimiter: str = ",") -> Array:
    """Return the numeric columns of a file, NaN for `?`; columns with other text are left out."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as stream:
        _, *rows = csv.reader(stream, delimiter=delimiter)
    columns = []
    for cells in zip(*rows, strict=True):
        try:
            columns.append([float("nan") if cell.strip() == "?" else float(cell) for cell in cells])
        except ValueError:
            continue
    return np.array(columns).T


def _table(name: str) -> Array:
    return _columns(_folder("tables", name))


def _sensors(pattern: str) -> Iterator[Array]:
    """Yield the eight sensors of each file of the water circulation test bed."""
    for path in sorted(_folder("series", "skab").glob(pattern)):
        yield _columns(path, ";")[:, :8]


def _windows(series: Iterator[Array], steps: int) -> Array:
    """Cut series (T, D) into windows that do not overlap: (N, steps, D)."""
    return np.concatenate([x[: len(x) // steps * steps].reshape(-1, steps, x.shape[1]) for x in series])


def _values(pattern: str) -> Iterator[Array]:
    """Yield the single series of files of the Numenta Anomaly Benchmark, (T, 1)."""
    for path in sorted(_folder("series", "nab").glob(pattern)):
        yield _columns(path)[:, :1]


def _patches(size: int = 16) -> Array:
    """Cut the two photographs of scikit-learn into squares in colour, (N, 3, size, size)."""
    parts = []
    for image in sklearn.datasets.load_sample_images().images:
        height, width = (n // size for n in image.shape[:2])
        cut = image[: height * size, : width * size].reshape(height, size, width, size, 3)
        parts.append(cut.transpose(0, 2, 4, 1, 3).reshape(-1, 3, size, size))
    return np.concatenate(parts)


def _images(name: str, **options: int) -> Array:
    _folder(name)
    return load_dataset(name, **options).train


def _faces(step: int) -> Array:
    with np.load(_folder("lfw", "lfw_gray_64x48.npz")) as found:
        images = found["images"]
    n, height, width = images.shape
    cells = images.reshape(n, height // step, step, width // step, step)
    return cells.mean((2, 4)).round().astype(np.uint8)[:, None] if step > 1 else images[:, None]


def _sources() -> dict[str, Source]:
    sources: dict[str, Source] = {
        "iris": Source(lambda: sklearn.datasets.load_iris().data, "table"),
        "wine": Source(lambda: sklearn.datasets.load_wine().data, "table"),
        "breast cancer": Source(lambda: sklearn.datasets.load_breast_cancer().data, "table"),
        "diabetes": Source(lambda: sklearn.datasets.load_diabetes(scaled=False).data, "table"),
        "linnerud": Source(_linnerud, "table"),
        "digits, a table": Source(lambda: sklearn.datasets.load_digits().data, "table"),
        "digits": Source(lambda: sklearn.datasets.load_digits().images[:, None], "images"),
        "photographs 16x16": Source(_patches, "images"),
    }
    for file in ANOMALIES:
        sources[file.partition("_")[2].lower()] = Source(lambda file=file: _anomalies(f"{file}.npz"), "table")
    for name, file in (
        ("abalone", "abalone.csv"), ("adult", "adult-train.csv.gz"), ("banknotes", "banknote_authentication.csv"),
        ("horse colic", "horse-colic.csv"), ("red wine", "winequality-red.csv"),
    ):  # fmt: skip
        sources[name] = Source(lambda file=file: _table(file), "table")
    sources |= {
        "sensors": Source(lambda: np.concatenate([*_sensors("anomaly-free*")]), "table"),
        "sensors, 50 steps": Source(lambda: _windows(_sensors("*"), 50), "series"),
        "sensors, 20 steps": Source(lambda: _windows(_sensors("valve1*"), 20), "series"),
        "taxis, a day": Source(lambda: _windows(_values("*nyc_taxi*"), 48), "series"),
        "servers, 3 hours": Source(lambda: _windows(_values("realAWS*"), 36), "series"),
        "MNIST": Source(lambda: _images("mnist"), "images"),
        "Fashion-MNIST": Source(lambda: _images("fashion-mnist"), "images"),
        "faces 32x24": Source(lambda: _faces(2), "images"),
        "faces 64x48": Source(lambda: _faces(1), "images"),
        "400 faces 64x48": Source(lambda: _faces(1)[:400], "images"),
        "CelebA 16x16": Source(lambda: _images("celeba", size=16), "images"),
        "CelebA 32x32": Source(lambda: _images("celeba", size=32), "images"),
        "CelebA 64x64": Source(lambda: _images("celeba", size=64), "images"),
    }
    return sources


SOURCES = _sources()
LIMITS = {"CelebA 64x64": 1000, "CelebA 32x32": 2000, "CelebA 16x16": 3000, "faces 64x48": 1500, "faces 32x24": 3000}
"""Samples at most, of those that take long; of the others 5,000."""
MOST = 5000
NETWORKS = {"table": ("mlp", "residual"), "series": ("mlp", "residual", "conv", "recurrent"),
            "images": ("mlp", "residual", "conv", "recurrent")}  # fmt: skip
"""The networks that take a kind of samples."""
