"""How near drawn rows lie to training rows, beside rows that the model has not seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist

from narrows.data.arrays import Array
from narrows.evaluation.synthesis.columns import MISSING, Column

CHUNK = 2**22
"""Distances in memory at once."""


def closest_distances(columns: Sequence[Column], rows: int, train: int) -> Array:
    """Return the distance of every row of one table from the closest row of another: (N,), in [0, 1].

    The mean over columns of 0 or 1 for categories, and for numbers and dates of the difference of their ranks among the
    training values (as Gower, 1971, with ranks instead of ranges, which one outlier would decide). A missing value is
    at distance 1 from one that is there, and 0 from another.
    """
    numbers = [column for column in columns if column.numeric]
    scaled = [_ranks(column.values[train], column.values[table]) for table in (rows, train) for column in numbers]
    a, b = np.array(scaled[: len(numbers)]).T, np.array(scaled[len(numbers) :]).T
    whole = bool(numbers) and not (np.isnan(a).any() or np.isnan(b).any())
    categories = [column for column in columns if not column.numeric]
    n, known = len(columns[0].values[rows]), len(columns[0].values[train])
    size = max(1, CHUNK // known)
    closest = np.empty(n)
    for start in range(0, n, size):
        part = slice(start, min(n, start + size))
        if whole:
            total = cdist(a[part], b, "cityblock")
        else:
            total = np.zeros((part.stop - start, known))
            for x, y in zip(a[part].T if numbers else (), b.T if numbers else (), strict=True):
                difference = np.abs(x[:, None] - y)
                unknown = np.isnan(x)[:, None] != np.isnan(y)
                total += np.where(unknown, 1.0, np.nan_to_num(difference))
        for column in categories:
            total += column.values[rows][part, None] != column.values[train]
        closest[part] = total.min(1) / len(columns)
    return closest


def _ranks(known: Array, values: Array) -> Array:
    """Return the mid-ranks of values among those of training, in [0, 1]; NaN where they are missing."""
    known = np.sort(known[~np.isnan(known)])
    below, above = (np.searchsorted(known, values, side=side) for side in ("left", "right"))
    return np.where(np.isnan(values), np.nan, (below + above) / (2 * max(1, len(known))))


def share_nearer(drawn: Array, held_out: Array) -> float:
    """Return the chance that a drawn row lies nearer to its closest training row than a held-out row does: in [0, 1].

    0.5 for rows that are as new as those held out, 1 for copies of training rows. Ties count one half.

    Parameters
    ----------
    drawn, held_out
        Distances of `closest_distances`.
    """
    held_out = np.sort(held_out)
    farther = len(held_out) - np.searchsorted(held_out, drawn, side="right")
    equal = np.searchsorted(held_out, drawn, side="right") - np.searchsorted(held_out, drawn, side="left")
    return float((farther + equal / 2).mean() / len(held_out))


def share_of_copies(columns: Sequence[Column], rows: int, train: int) -> float:
    """Return the share of the rows of a table that equal a row of another in every column."""
    known = _keys(columns, train)
    seen = set(known)
    return float(np.mean([key in seen for key in _keys(columns, rows)]))


def _keys(columns: Sequence[Column], table: int) -> list[bytes]:
    """Return what tells the rows of a table apart; missing values are equal."""
    values = [np.where(column.missing(table), MISSING - 1, column.values[table]) for column in columns]
    there = [column.missing(table) for column in columns if column.numeric]
    matrix = np.ascontiguousarray(np.stack([*values, *there], 1).astype(np.float64) + 0.0)  # -0 becomes 0
    return [row.tobytes() for row in matrix]
