"""What one pass over samples tells of their values: how many there are, their moments and their ranges."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PART = 2**21
"""Values that are looked at at once in double precision."""


@dataclass(frozen=True)
class Facts:
    """Of the observed values, feature by feature."""

    count: Array
    mean: Array
    squares: Array
    """Sums of squares about `mean`."""
    low: Array
    high: Array
    missing: bool
    """Whether a value was missing."""
    infinite: Array
    """How many values are infinite; these count as missing above."""

    @classmethod
    def of(cls, rows: Array) -> Facts:
        """Return those of rows (n, features) of numbers."""
        if rows.dtype == np.uint8:
            return _of_bytes(rows)
        part = rows.astype(np.float64)
        total = part.sum(0)
        if math.isfinite(total.sum()):
            mean = total / max(len(part), 1)
            apart = part - mean
            mean = mean + apart.sum(0) / max(len(part), 1)  # a second pass: the first rounds at large offsets
            np.square(np.subtract(part, mean, out=apart), out=apart)
            low, high = rows.min(0).astype(np.float64), rows.max(0).astype(np.float64)
            count, none = np.full(part.shape[1], len(part)), np.zeros(part.shape[1], int)
            return cls(count, mean, apart.sum(0), low, high, False, none)
        infinite = np.isinf(part)
        there = ~np.isnan(part)
        count = there.sum(0)
        mean = np.where(there, part, 0.0).sum(0) / np.maximum(count, 1)
        mean = mean + np.where(there, part - mean, 0.0).sum(0) / np.maximum(count, 1)
        squares = np.square(np.where(there, part - mean, 0.0)).sum(0)
        low, high = np.where(there, part, np.inf).min(0), np.where(there, part, -np.inf).max(0)
        return cls(count, mean, squares, low, high, not there.all(), infinite.sum(0))

    def merge(self, other: Facts) -> Facts:
        """Return those of both (Chan et al. 1979)."""
        total = self.count + other.count
        apart = other.mean - self.mean
        return Facts(
            total,
            self.mean + apart * other.count / np.maximum(total, 1),
            self.squares + other.squares + apart**2 * self.count * other.count / np.maximum(total, 1),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.missing or other.missing,
            self.infinite + other.infinite,
        )

    def by_feature(self, shape: tuple[int, ...]) -> Facts:
        """Return those of the features of samples of a shape: of sequences over their steps, of images over pixels."""
        if len(shape) == 1:
            return self

        def values(each: Array) -> Array:
            return each.reshape(shape[0], -1) if len(shape) == 3 else each.reshape(shape).T

        count, mean = values(self.count), values(self.mean)
        total = count.sum(1)
        overall = (mean * count).sum(1) / np.maximum(total, 1)
        squares = values(self.squares).sum(1) + (count * (mean - overall[:, None]) ** 2).sum(1)
        low, high = values(self.low).min(1), values(self.high).max(1)
        return replace(
            self, count=total, mean=overall, squares=squares, low=low, high=high, infinite=values(self.infinite).sum(1)
        )


def _of_bytes(rows: Array) -> Facts:
    """Return those of uint8, by exact sums of whole numbers."""
    n = len(rows)
    total, squared = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for start in range(0, n, 2**16):  # sums of so many squares fit 32 bits
        part = rows[start : start + 2**16]
        total += part.sum(0, dtype=np.uint32)
        squared += np.square(part, dtype=np.uint16).sum(0, dtype=np.uint32)
    mean = total / max(n, 1)
    squares = np.maximum(squared - total * mean, 0.0)
    low, high = rows.min(0).astype(np.float64), rows.max(0).astype(np.float64)
    return Facts(np.full(len(mean), n), mean, squares, low, high, False, np.zeros(len(mean), int))


def _parts(X: Any, shape: tuple[int | None, ...]) -> Iterator[Array]:
    """Yield rows in double precision, a feature in each column: (n, features)."""
    if isinstance(X, list):
        for sequence in X:
            yield np.asarray(sequence, np.float64)
        return
    size = max(1, PART // max(1, math.prod(X.shape[1:])))
    for start in range(0, len(X), size):
        part = np.asarray(X[start : start + size]).astype(np.float64)
        yield (
            np.moveaxis(part, 1, -1).reshape(-1, part.shape[1]) if len(shape) == 3 else part.reshape(-1, part.shape[-1])
        )


@np.errstate(over="ignore", invalid="ignore")  # moments that overflow are refused where a scale is made of them
def facts_of(X: Any, shape: tuple[int | None, ...]) -> Facts:
    """Return moments and ranges by feature of samples (N, *shape) in memory, or of a list of sequences."""
    facts: Facts | None = None
    for part in _parts(X, shape):
        found = Facts.of(part)
        facts = found if facts is None else facts.merge(found)
    assert facts is not None  # X has at least one row
    return facts
