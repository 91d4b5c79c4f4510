"""Columns of files as tables of typed columns: text, times and numbers side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from narrows.data.readers.columns import Column, times_of
from narrows.data.types_table import MixedTable, Values, text_values

TYPED = ("text", "times")
"""Kinds of columns that are features of models of typed columns alone."""


def is_typed(column: Column) -> bool:
    """Return whether a column is a feature though it holds no numbers; one of numbers with a few other texts is not."""
    return column.kind in TYPED and not column.other


def mixed_columns(columns: Sequence[Column]) -> MixedTable:
    """Return columns of a file as a table of typed columns; of vectors there is one column for each number."""
    values: dict[str, Values] = {}
    for column in columns:
        if column.values.ndim == 2:
            values |= {f"{column.name}[{i}]": Values("number", part) for i, part in enumerate(column.values.T)}
        else:
            values[column.name] = values_of_column(column)
    return MixedTable(values)


def values_of_column(column: Column) -> Values:
    """Return the values of one column; texts that stand for missing values are missing."""
    if not is_typed(column):
        return Values("truth" if column.kind == "yes/no" else "number", column.values.astype(np.float64))
    gaps = np.isin(column.values, list(column.codes))
    if column.kind == "times" and not gaps.all():
        times = times_of(column.values[~gaps])
        if times is not None:
            seconds = np.full(len(gaps), np.nan)
            seconds[~gaps] = times.astype("M8[us]").astype(np.int64) / 1e6
            return Values("time", seconds)
    return text_values(column.values.tolist(), gaps=gaps)
