"""Columns as people give them, as values of the columns of fit; it needs numpy alone, whatever made the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.columns import positions_of
from narrows.data.types import ColumnType
from narrows.data.types_table import PLURAL, Values, text_values
from narrows.errors import DataError

UNITS = {"time": "M8[us]", "span": "m8[us]"}


def table_of(X: Any, types: Sequence[ColumnType], owner: str) -> dict[str, Values]:
    """Return samples as the columns of fit, by name: a data frame, a mapping of columns, or an array in their order.

    Identifiers and constants may be left out. Raises: DataError where a column is missing, is not known, or holds
    something else than in fit.
    """
    names = getattr(X, "column_names", None)
    names = getattr(X, "columns", None) if names is None else names
    if isinstance(X, Mapping):
        names = list(X)
    if names is None:
        X = _from_rows(X, types, owner)
        names = list(X)
    native = {str(name): name for name in names}
    needed = [column.name for column in types if column.modelled or column.name in native]
    positions_of([str(name) for name in names], needed, owner, fillable=True)
    table = {c.name: _values(X[native[c.name]], c, owner) for c in types if c.name in native}
    if len({len(values) for values in table.values()}) != 1 or not len(next(iter(table.values()))):
        raise DataError(f"{owner}: X must have columns of one length, of one row at least; got others.")
    return table


def _from_rows(X: Any, types: Sequence[ColumnType], owner: str) -> dict[str, Any]:
    """Return the columns of an array (N, columns of fit)."""
    rows = np.asarray(X, dtype=object)
    if rows.ndim != 2 or rows.shape[1] != len(types):
        raise DataError(
            f"{owner}: X must be a data frame with the {len(types)} columns of fit; got an array of shape "
            f"{rows.shape}. Give a frame, or an array with these columns in order."
        )
    return {column.name: rows[:, i] for i, column in enumerate(types)}


def _values(given: Any, column: ColumnType, owner: str) -> Values:
    if column.holds in UNITS:
        return Values(column.holds, _seconds(given, column, owner), dtype=column.dtype)
    cells = np.asarray(given, dtype=object).tolist()
    gaps = np.array([_is_missing(cell) for cell in cells], bool)
    if column.holds == "text":
        known: dict[Any, Any] = {str(level): level for level in column.levels}
        texts = [None if gap else known.get(str(cell), cell) for cell, gap in zip(cells, gaps.tolist(), strict=True)]
        return text_values(texts, dtype=column.dtype)
    try:
        numbers = [np.nan if gap else float(cell) for cell, gap in zip(cells, gaps.tolist(), strict=True)]
    except (TypeError, ValueError) as error:
        raise _other(column, owner) from error
    if np.isinf(numbers).any():
        raise DataError(f"{owner}: X must hold finite numbers; got infinity in {column.name!r}. Replace it by NaN.")
    return Values(column.holds, np.array(numbers, np.float64), dtype=column.dtype)


def _seconds(given: Any, column: ColumnType, owner: str) -> Array:
    try:
        times = np.asarray(given, dtype=UNITS[column.holds])
    except (TypeError, ValueError) as error:
        raise _other(column, owner) from error
    return np.where(np.isnat(times), np.nan, times.astype(np.int64) / 1e6)


def _is_missing(cell: Any) -> bool:
    if cell is None:
        return True
    try:
        return bool(cell != cell)
    except TypeError:  # pandas.NA is neither
        return True


def _other(column: ColumnType, owner: str) -> DataError:
    return DataError(
        f"{owner}: X must have columns of the types of fit; got {column.name!r}, which held {PLURAL[column.holds]} in "
        "fit. Convert it."
    )


def arrays_of(table: Mapping[str, Values]) -> dict[str, Array]:
    """Return columns as arrays of numpy: text and truth values as objects where some are missing, times as datetime64.

    Whole numbers are int64 where all are there.
    """
    return {name: _array(values) for name, values in table.items()}


def _array(values: Values) -> Array:
    if values.holds in UNITS:
        micro = np.rint(np.where(values.missing, 0.0, values.numbers()) * 1e6).astype(np.int64)
        times = micro.astype(UNITS[values.holds])
        times[values.missing] = "NaT"
        return times
    if values.holds == "text" or (values.holds == "truth" and values.missing.any()):
        return np.array(values.objects(), dtype=object)
    if values.holds == "truth":
        return values.data.astype(bool)
    whole = values.dtype.lower().startswith(("int", "uint")) and not values.missing.any()
    return np.rint(values.data).astype(np.int64) if whole else values.data
