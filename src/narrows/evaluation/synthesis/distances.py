"""How far the columns of two tables, and pairs of columns, are from one another: 0 for equal, 1 for nothing shared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from narrows.data.arrays import Array
from narrows.evaluation.synthesis.columns import MISSING, Column


class Pair(NamedTuple):
    """Two columns and how far their relation differs between two tables."""

    first: str
    second: str
    distance: float


def column_distance(column: Column, real: int = 0, drawn: int = 1) -> float:
    """Return how far a column of one table is from that of another, in [0, 1].

    The greatest difference of the distribution functions (Kolmogorov & Smirnov) for numbers and dates, half the sum of
    the differences of the shares of levels (total variation) for categories. Missing values count as one more level,
    and as one value below all numbers.
    """
    a, b = column.values[real], column.values[drawn]
    if not column.numeric:
        return total_variation(a, b)
    a, b = (np.sort(np.where(np.isnan(values), -np.inf, values)) for values in (a, b))
    points = np.concatenate([a, b])
    steps = (np.searchsorted(values, points, side="right") / len(values) for values in (a, b))
    return float(np.abs(np.subtract(*steps)).max())


def total_variation(a: Array, b: Array) -> float:
    """Return half the sum of the differences of the shares that whole numbers have in two arrays: in [0, 1]."""
    levels, positions = np.unique(np.concatenate([a, b]), return_inverse=True)
    shares = (np.bincount(part, minlength=len(levels)) / len(part) for part in np.split(positions, [len(a)]))
    return float(np.abs(np.subtract(*shares)).sum() / 2)


def pair_distances(
    columns: list[Column], real: int = 0, drawn: int = 1, *, limit: int | None = 2000, seed: int = 0
) -> list[Pair]:
    """Return how far the relations of pairs of columns differ between two tables, each in [0, 1].

    Two numbers: half the difference of Spearman's rank correlations. Two categories: the total variation of their
    contingency tables. One of each: the difference of the correlation ratios, of the number's ranks by category, which
    is the root of the share of the variance between categories. Ranks are those within a table, over the rows where
    both values are there; missing categories are one more level.

    Parameters
    ----------
    columns
        At least two, of `columns_of`.
    real, drawn
        Which tables.
    limit
        Pairs at most, drawn with the seed; None for all.
    """
    first, second = np.triu_indices(len(columns), 1)
    if limit is not None and len(first) > limit:
        kept = np.sort(np.random.default_rng(seed).choice(len(first), limit, replace=False))
        first, second = first[kept], second[kept]
    pairs = [(columns[i], columns[j]) for i, j in zip(first, second, strict=True)]
    return [Pair(a.name, b.name, _distance(a, b, real, drawn)) for a, b in pairs]


def _distance(a: Column, b: Column, real: int, drawn: int) -> float:
    if a.numeric and b.numeric:
        return abs(_rank_correlation(a, b, real) - _rank_correlation(a, b, drawn)) / 2
    if not a.numeric and not b.numeric:
        assert b.levels is not None
        width = len(b.levels) + 1
        joint = [(a.values[t] - MISSING) * width + b.values[t] - MISSING for t in (real, drawn)]
        return total_variation(*joint)
    number, category = (a, b) if a.numeric else (b, a)
    return abs(_ratio(number, category, real) - _ratio(number, category, drawn))


def _rank_correlation(a: Column, b: Column, table: int) -> float:
    return rank_correlation(a.values[table], b.values[table])


def rank_correlation(a: Array, b: Array) -> float:
    """Return Spearman's correlation of two columns (N,) where both are there; 0 where one of them is constant."""
    both = ~(np.isnan(a) | np.isnan(b))
    if both.sum() < 2:
        return 0.0
    ranks = [rankdata(values[both]) for values in (a, b)]
    centred = [values - values.mean() for values in ranks]
    norms = [float(np.sqrt((values**2).sum())) for values in centred]
    return float(centred[0] @ centred[1] / (norms[0] * norms[1])) if min(norms) > 0 else 0.0


def _ratio(number: Column, category: Column, table: int) -> float:
    return correlation_ratio(number.values[table], category.values[table])


def correlation_ratio(values: Array, groups: Array) -> float:
    """Return the root of the share of the variance of ranks that lies between groups: (N,), whole numbers; in [0, 1].

    0 where all values are one.
    """
    there = ~np.isnan(values)
    if there.sum() < 2:
        return 0.0
    ranks = rankdata(values[there])
    ranks -= ranks.mean()
    total = float(ranks @ ranks)
    _, positions = np.unique(groups[there], return_inverse=True)
    sums, counts = np.bincount(positions, ranks), np.bincount(positions)
    return float(np.sqrt((sums**2 / counts).sum() / total)) if total > 0 else 0.0
