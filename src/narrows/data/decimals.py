"""How many decimals values are written with, and values rounded to as many."""

from __future__ import annotations

from typing import Any

import numpy as np

from narrows.data.arrays import Array, on_disk

MOST = 6
"""Decimals; values with more count as real numbers, which have none."""
ROWS, FIRST = 100_000, 1000
"""Rows that are looked at, at most, evenly spaced; and those of them that are looked at first."""


def decimals_of(values: Array, *, single: bool = False) -> int | None:
    """Return the least number of decimals with which all values (N,) can be written, NaN aside; None beyond six.

    Of more than 100,000 values so many are looked at, evenly spaced. Values of single precision (`single`) must be told
    apart better than by one unit of the last decimal.

    Examples
    --------
    >>> decimals_of(np.array([1.5, 2.25, np.nan])), decimals_of(np.array([3.0, 4.0])), decimals_of(np.array([1 / 3]))
    (2, 0, None)
    """
    values = np.asarray(values[:: max(1, len(values) // ROWS)], np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    precision = 2e-7 if single else 1e-12
    tolerance = precision * (1 + float(np.abs(values).max()))
    least: int | None = 0
    for some in (values[:: max(1, len(values) // FIRST)], values):
        least = None if least is None else _least(some, least, tolerance)
    return least


def _least(values: Array, least: int, tolerance: float) -> int | None:
    for decimals in range(least, MOST + 1):
        if 10.0**-decimals < 20 * tolerance:
            return None
        if float(np.abs(values - np.round(values, decimals)).max()) <= tolerance:
            return decimals
    return None


def column_decimals(X: Any) -> tuple[int | None, ...]:
    """Return the same of every column of rows (N, D); of those on disk 1,000 rows are looked at, evenly spaced."""
    some = np.asarray(X[:: max(1, len(X) // (FIRST if on_disk(X) else ROWS))])
    if some.dtype.kind not in "f":
        return (0,) * some.shape[1]
    return tuple(decimals_of(column, single=some.dtype.itemsize < 8) for column in some.T)


def rounded(X: Array, decimals: tuple[int | None, ...] | None) -> Array:
    """Return rows (N, D) rounded to the decimals of each column; None leaves a column, or all, as they are."""
    if decimals is None:
        return X
    columns = [x if count is None else np.round(x, count) for x, count in zip(X.T, decimals, strict=True)]
    return np.stack(columns, 1)
