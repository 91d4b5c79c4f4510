"""Tables of mixed types as arrays: numbers with NaN where they are missing, categories as positions among levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np

from narrows.data.arrays import Array
from narrows.data.frames import frame_of
from narrows.errors import ConfigError, DataError, did_you_mean

TIMES = ("Date", "Datetime", "Duration", "Time")
"""Types of narwhals that are numbers for every measure: seconds since 1970, or in all."""
EPOCH, SECOND = datetime(1970, 1, 1), timedelta(seconds=1)
MISSING = -1
"""The position that a missing category has."""


class Column(NamedTuple):
    """One column of several tables."""

    name: str
    levels: tuple[Any, ...] | None
    """The categories of all tables in order; None for numbers, dates and times."""
    values: tuple[Array, ...]
    """Of each table: (N,), float64 with NaN where missing, or positions among `levels` with -1 where missing."""
    types: tuple[str, ...]
    """Of each table, as narwhals or numpy names it."""
    times: bool = False
    """Whether the numbers stand for dates or times."""

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers, dates or times."""
        return self.levels is None

    def missing(self, table: int) -> Array:
        """Return which values of a table are missing: (N,), bool."""
        values = self.values[table]
        return np.isnan(values) if self.numeric else values == MISSING

    def rows(self, *rows: Any) -> Column:
        """Return the same column with some rows of each table, by positions or slice."""
        return self._replace(values=tuple(values[index] for values, index in zip(self.values, rows, strict=True)))


def columns_of(
    *tables: Any, categories: Sequence[str] = (), names: Sequence[str] | None = None, owner: str = "columns_of"
) -> list[Column]:
    """Return the columns of tables (N, D), in the order of the first, whose types say what each column is.

    Booleans, text, categoricals and objects are categories, all else are numbers.

    Parameters
    ----------
    tables
        Data frames of pandas, polars or pyarrow with the same columns, or arrays (N, D).
    categories
        Names of columns of numbers that stand for categories.
    names
        What the columns of arrays are called; None for value_1, value_2, ...
    owner
        Of the error messages.

    Raises
    ------
    ConfigError
        A name in `categories` is no column.
    DataError
        A table has other columns than the first, or is no table.
    """
    read = [_columns(table, names, owner) for table in tables]
    names = list(read[0])
    for other in read[1:]:
        if set(other) != set(names):
            lacks, has = [n for n in names if n not in other], [n for n in other if n not in names]
            raise DataError(
                f"{owner}: tables must have the same columns; got one without {lacks or 'none'} and with "
                f"{has or 'none'} beside them. Select the columns of the training rows."
            )
    if unknown := [name for name in categories if name not in names]:
        raise ConfigError(
            f"{owner}: categories must be columns of the table; got {unknown[0]!r}.{did_you_mean(unknown[0], names)}"
        )
    return [_column(name, [table[name] for table in read], name in categories) for name in names]


def _columns(table: Any, names: Sequence[str] | None, owner: str) -> dict[str, Any]:
    """Return the columns of a table by name: series of narwhals, or arrays."""
    frame = frame_of(table, owner)
    if frame is not None:
        return {name: frame[name] for name in frame.columns}
    array = np.asarray(table)
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise DataError(
            f"{owner}: tables must be data frames, or arrays of numbers (N, D); got shape {array.shape} of "
            f"{array.dtype}. Flatten samples, or use measure_generation."
        )
    if names is None:
        names = [f"value_{i + 1}" for i in range(array.shape[1])]
    return {name: array[:, i] for i, name in enumerate(names)}


def type_of(series: Any) -> str:
    """Return the type of a column as narwhals or numpy names it; that of categoricals without their categories."""
    return type(series.dtype).__name__ if isinstance(series, nw.Series) else str(series.dtype)


def _kind(series: Any) -> str:
    """Return what the values of a column are: number, time or category."""
    if isinstance(series, np.ndarray):
        return "category" if series.dtype.kind == "b" else "number"
    if series.dtype.is_numeric():
        return "number"
    if series.dtype != nw.Object:
        return "time" if type_of(series) in TIMES else "category"
    values = [value for value in _listed(series) if value is not None]  # pandas' columns of Python's values
    kinds: tuple[tuple[str, Any], ...] = (("time", (date, time, timedelta)), ("number", (int, float, Decimal)))
    for kind, types in kinds:
        if values and all(isinstance(value, types) and not isinstance(value, bool) for value in values):
            return kind
    return "category"


def _column(name: str, series: Sequence[Any], category: bool) -> Column:
    types, kind = tuple(map(type_of, series)), _kind(series[0])
    if kind != "category" and not category:
        return Column(name, None, tuple(map(_numbers, series)), types, kind == "time")
    listed = [_listed(one) for one in series]
    levels = sorted({value for values in listed for value in values if value is not None}, key=_order)
    positions: dict[Any, int] = {None: MISSING, **{level: i for i, level in enumerate(levels)}}
    coded = tuple(np.array([positions[value] for value in values], np.int64) for values in listed)
    return Column(name, tuple(levels), coded, types)


def _order(value: Any) -> tuple[bool, Any]:
    """Return what levels are sorted by: numbers by size, then text."""
    return (False, value) if isinstance(value, bool | int | float) else (True, str(value))


def _numbers(series: Any) -> Array:
    """Return numbers, dates or times as float64, NaN where they are missing."""
    if isinstance(series, np.ndarray):
        return series.astype(np.float64)
    if series.dtype.is_numeric():
        missing = series.is_null().to_numpy()
        return np.where(missing, np.nan, np.asarray(series.cast(nw.Float64).to_numpy(), np.float64))
    return np.array([_number(value) for value in _listed(series)], np.float64)


def _number(value: Any) -> float:
    """Return a number, and of dates and times their seconds; NaN for what is neither, and for None."""
    if isinstance(value, datetime):
        return (value.replace(tzinfo=None) - EPOCH) / SECOND if value.tzinfo is None else value.timestamp()
    if isinstance(value, date):
        return float(value.toordinal() - EPOCH.toordinal()) * 86_400
    if isinstance(value, time):
        return value.hour * 3600.0 + value.minute * 60 + value.second + value.microsecond / 1e6
    if isinstance(value, timedelta):
        return value / SECOND
    try:
        return math.nan if value is None else float(value)
    except (TypeError, ValueError):  # of another type than it should have
        return math.nan


def _listed(series: Any) -> list[Any]:
    """Return values of Python, None where they are missing."""
    if isinstance(series, np.ndarray):
        return [None if value != value else value for value in series.tolist()]
    missing = series.is_null().to_list()
    return [None if gone or value != value else value for value, gone in zip(series.to_list(), missing, strict=True)]


def taken(table: Any, rows: Array) -> Any:
    """Return a table whose value in row i of column j is that of row `rows[i, j]` (n, D) of another, in its types."""
    frame = frame_of(table)
    if frame is None:
        return np.take_along_axis(np.asarray(table), rows, 0)
    series = {name: frame[name][rows[:, j]] for j, name in enumerate(frame.columns)}
    native = nw.from_dict(series).to_native()
    if frame.implementation.is_pandas_like():
        native = native.reset_index(drop=True)
        native.columns = table.columns
    return native
