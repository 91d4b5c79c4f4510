"""A row of typed columns of which some values are given, as people write them, and the others are missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from narrows.data.types import ColumnType
from narrows.data.types_table import PLURAL, MixedTable, Values, text_values
from narrows.errors import ConfigError, did_you_mean


def given_row(given: Mapping[Any, Any], types: Sequence[ColumnType], owner: str) -> MixedTable:
    """Return one row with the values given by the names of columns.

    Raises: ConfigError for a column that is not one of the model's, and for a value that it cannot have.
    """
    names = [column.name for column in types if column.modelled]
    if unknown := [name for name in given if name not in names]:
        raise ConfigError(
            f"{owner}: given must have columns that the model takes: {', '.join(names)}; got {unknown[0]!r}."
            f"{did_you_mean(str(unknown[0]), names)}"
        )
    return MixedTable({column.name: _cell(column, given.get(column.name), owner) for column in types})


def _cell(column: ColumnType, value: Any, owner: str) -> Values:
    """Return one value of a column; None is missing."""
    if column.holds == "text":
        cell = text_values([value], dtype=column.dtype)
    else:
        cell = Values(column.holds, np.array([_number(column, value, owner)]), dtype=column.dtype)
    if value is not None and not column.encode(cell)[1].all():
        levels = f" among {', '.join(map(repr, column.levels[:8]))}" if column.levels else " that its likelihood has"
        raise ConfigError(
            f"{owner}: given must hold a value{levels} for {column.name!r}; got {value!r}."
            f"{did_you_mean(str(value), [str(level) for level in column.levels[:1000]])}"
        )
    return cell


def _number(column: ColumnType, value: Any, owner: str) -> float:
    if value is None:
        return math.nan
    try:
        if column.holds == "time":
            if isinstance(value, datetime) and value.tzinfo is not None:
                value = value.astimezone(UTC).replace(tzinfo=None)
            return float(np.datetime64(value, "us").astype(np.int64)) / 1e6
        if column.holds == "span":
            return float(np.timedelta64(value, "us").astype(np.int64)) / 1e6
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{owner}: given must hold {PLURAL[column.holds]} for {column.name!r}; got {value!r}."
        ) from error
    if not math.isfinite(number):
        raise ConfigError(f"{owner}: given must hold finite numbers; got {value!r} for column {column.name!r}.")
    return number
