"""Samples as numpy arrays on the model's scale: what `Schema.encode` returns and `Batches` reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from narrows.data.stored import Chosen, StoredRows, stored
from narrows.errors import DataError

Array = NDArray[Any]


class Arrays(NamedTuple):
    """Samples and what goes with them, row by row."""

    x: Array
    """(N, *shape): floating point on the model's scale; or as given, uint8 or a memory map, and then it is scaled batch
    by batch."""
    mask: Array | None = None
    """(N, *shape), True where a value was observed; None where all were. What is masked is 0 in `x`."""
    lengths: Array | None = None
    """(N,), steps of padded sequences; None where all are of full length."""
    y: Array | None = None
    """(N,) integer classes or (N, n) numbers; None where the model takes no condition."""

    def rows(self, index: Any) -> Arrays:
        """Return the rows at an index or a slice; those on disk stay there, and are not on the model's scale yet."""
        return Arrays(*(part.at(index) if isinstance(part, StoredRows) else None if part is None else part[index]
                        for part in self))  # type: ignore[arg-type]  # fmt: skip

    def chosen(self, n: int, rows_at: Callable[[Any], Array], name: str) -> Arrays:
        """Return n rows, of which a function says where they are; those on disk stay there until they are needed."""

        def rows(part: Any) -> Any:
            if part is None:
                return None
            return Chosen(stored(part), n, rows_at, name) if on_disk(part) else part[rows_at(np.arange(n))]

        return Arrays(*map(rows, self))


def on_disk(array: Any) -> bool:
    """Return whether rows are stored ones, a memory map, or a view of one."""
    if isinstance(array, StoredRows):
        return True
    base: Any = array
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return isinstance(base, np.memmap)


def subset(n: int, limit: int | None, seed: int) -> Array:
    """Return the positions of at most `limit` of n rows, drawn with a seed and in ascending order."""
    if limit is None or n <= limit:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, limit, replace=False))


def as_type(X: Array, dtype: np.dtype[Any]) -> Array:
    """Return values in a type of numbers: rounded for whole ones, and those beyond its limits at them."""
    if dtype.kind == "b":
        X = X >= 0.5
    elif dtype.kind in "iu":
        limits = np.iinfo(dtype)
        X = np.rint(X.astype(np.float64))
        with np.errstate(invalid="ignore"):  # beyond the limits; 2^63 - 1 itself is not among double precision
            X = np.where(limits.max <= X, limits.max, np.where(limits.min >= X, limits.min, X.astype(dtype)))
    elif X.dtype.itemsize > dtype.itemsize:
        X = np.clip(X, np.finfo(dtype).min, np.finfo(dtype).max)
    return X.astype(dtype, copy=False)


def padded(
    sequences: Sequence[tuple[Array, Array | None]], shape: tuple[int, ...], dtype: np.dtype[Any], owner: str
) -> tuple[Array, Array | None, Array]:
    """Return sequences and their masks padded with 0 to `shape`: x, mask or None where nothing is masked, and lengths.

    Raises: DataError where a sequence is longer.
    """
    lengths = np.array([len(values) for values, _ in sequences])
    if lengths.max() > shape[0]:
        raise DataError(
            f"{owner}: X must have sequences of at most {shape[0]} steps, as in fit; got {lengths.max()}. Cut them, or "
            "fit to longer ones."
        )
    x = np.zeros((len(sequences), *shape), dtype)
    mask = np.zeros(x.shape, bool)
    for row, (values, observed) in enumerate(sequences):
        x[row, : len(values)] = values
        mask[row, : len(values)] = True if observed is None else observed
    return x, None if mask.all() else mask, lengths
