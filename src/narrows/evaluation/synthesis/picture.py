"""A page of pictures of drawn rows beside real ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from narrows import figures
from narrows.data.arrays import Array, subset
from narrows.evaluation.synthesis.columns import Column, columns_of
from narrows.evaluation.synthesis.distances import column_distance, pair_distances, rank_correlation

if TYPE_CHECKING:
    from PIL import Image

ROWS = 5000
"""Rows of each kind that are drawn at most."""


def picture_synthesis(
    real: Any, drawn: Any, *, categories: Sequence[str] = (), names: Sequence[str] | None = None, seed: int = 0
) -> Image.Image:
    """Return distributions of columns and pairs, least alike first, and correlations, real and drawn.

    Parameters
    ----------
    real, drawn
        Tables as `measure_synthesis` takes them.
    categories, names
        As there.
    seed
        Of the choice of 5,000 rows of each at most, and of pairs.
    """
    columns = columns_of(real, drawn, categories=categories, names=names, owner="picture_synthesis")
    kept = [subset(len(values), ROWS, seed) for values in columns[0].values]
    columns = [column.rows(*kept) for column in columns]
    distances = [column_distance(column) for column in columns]
    order = np.argsort(-np.array(distances), kind="stable")
    shown = [
        figures.RealAndDrawn(
            columns[i].name, *columns[i].values, _names(columns[i]), distances[i], columns[i].times
        ) for i in order
    ]  # fmt: skip
    pairs = sorted(pair_distances(columns, limit=500, seed=seed), key=lambda pair: -pair.distance)
    numbers = [column for column in columns if column.numeric][: figures.CORRELATED]
    matrices = [_matrix(numbers, table) for table in (0, 1)]
    return figures.synthesis(shown, pairs, ([column.name for column in numbers], matrices[0], matrices[1]))


def _names(column: Column) -> list[str] | None:
    return None if column.levels is None else [str(level) for level in column.levels]


def _matrix(columns: list[Column], table: int) -> Array:
    """Return Spearman's correlations of columns of numbers: (D, D)."""
    correlations = np.eye(len(columns))
    for i, a in enumerate(columns):
        for j, b in enumerate(columns[:i]):
            correlations[i, j] = correlations[j, i] = rank_correlation(a.values[table], b.values[table])
    return correlations
