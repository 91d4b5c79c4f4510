"""The columns of a table with types of their own, as exported functions take and return them; it needs numpy alone.

Numbers are in one tensor, in the units of the data, NaN where a value is missing; times are seconds since 1970 in UTC.
Categories and ordinal columns are in another one, as positions among their levels, -1 where a value is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from narrows.data.arrays import Array
from narrows.data.types import ColumnType
from narrows.data.types_table import Values

NUMBERS, LEVELS = "numbers", "levels"
"""Names of the two tensors."""
AGAIN = {NUMBERS: "reconstructed_numbers", LEVELS: "reconstructed_levels"}
"""Their names where both enter and leave: those that leave."""


class Columns:
    """The columns that a model takes, divided into numbers and levels.

    Parameters
    ----------
    types
        Of all columns, in the order of the data.
    """

    def __init__(self, types: Sequence[ColumnType]) -> None:
        self.types = tuple(types)
        features = [column for column in self.types if column.modelled]
        self.numbers = tuple(column for column in features if not column.levels)
        self.levels = tuple(column for column in features if column.levels)
        place = {column.name: i for i, column in enumerate((*self.numbers, *self.levels))}
        self.order = [place[column.name] for column in features]
        """Where each feature of the model stands after numbers and levels are put side by side."""

    @property
    def names(self) -> dict[str, list[str]]:
        """The columns of each tensor; a tensor without columns is left out."""
        parts = {NUMBERS: self.numbers, LEVELS: self.levels}
        return {name: [column.name for column in columns] for name, columns in parts.items() if columns}

    def tensors(self, table: Mapping[str, Values]) -> tuple[dict[str, Array], dict[str, list[object]]]:
        """Return columns by name as tensors (N, columns), and by column the values that fit did not see."""
        strange: dict[str, list[object]] = {}
        tensors: dict[str, Array] = {}
        if self.numbers:
            for column in self.numbers:
                if bad := column.encode(table[column.name])[2]:
                    strange[column.name] = bad
            tensors[NUMBERS] = np.stack([table[column.name].numbers() for column in self.numbers], 1)
        if self.levels:
            found = []
            for column in self.levels:
                positions, unknown = column.positions(table[column.name])
                found.append(positions)
                if unknown:
                    strange[column.name] = unknown
            tensors[LEVELS] = np.stack(found, 1).astype(np.int64)
        return tensors, strange

    def values(self, tensors: Mapping[str, Array]) -> dict[str, Values]:
        """Return tensors as the values of columns, as they were in the data; numbers are rounded where those were."""
        values = {column.name: column.constant(_rows(tensors)) for column in self.types if column.kind == "constant"}
        for i, column in enumerate(self.numbers):
            values[column.name] = column.presented(tensors[NUMBERS][:, i])
        for i, column in enumerate(self.levels):
            positions = tensors[LEVELS][:, i]
            values[column.name] = column.at(np.maximum(positions, 0)).with_gaps(positions < 0)
        return {column.name: values[column.name] for column in self.types if column.name in values}

    def encoded(self, tensors: Mapping[str, Array]) -> tuple[Array, Array]:
        """Return tensors on the model's scale, and what is observed: (N, D) each."""
        pairs = [
            (*column.encode(Values(column.holds, np.asarray(tensors[NUMBERS][:, i], np.float64)))[:2],)
            for i, column in enumerate(self.numbers)
        ]
        for i, column in enumerate(self.levels):
            code = column.level_codes[tensors[LEVELS][:, i]]
            pairs.append((np.where(code >= 0, (code - column.offset) / column.factor, 0.0), code >= 0))
        x, observed = (np.stack(part, 1)[:, self.order] for part in zip(*pairs, strict=True))
        return x, observed

    def decoded(self, x: Array) -> dict[str, Array]:
        """Return values on the model's scale (N, D) as tensors; numbers are not rounded."""
        inverse = np.argsort(self.order)
        parts = np.asarray(x, np.float64)[:, inverse]
        n, tensors = len(self.numbers), {}
        if self.numbers:
            tensors[NUMBERS] = np.stack([c.in_units(parts[:, i]) for i, c in enumerate(self.numbers)], 1)
        if self.levels:
            found = []
            for i, column in enumerate(self.levels, n):
                code = np.clip(np.rint(parts[:, i] * column.factor + column.offset), 0, column.classes - 1)
                found.append(column.code_levels[code.astype(np.int64)])
            tensors[LEVELS] = np.stack(found, 1).astype(np.int64)
        return tensors

    def numbers_on_scale(self, numbers: Array) -> Array:
        """Return numbers (N, columns) on the model's scale, by which they are compared."""
        given = [Values(column.holds, np.asarray(numbers[:, i], np.float64)) for i, column in enumerate(self.numbers)]
        return np.stack([column.encode(v)[0] for column, v in zip(self.numbers, given, strict=True)], 1)


def _rows(tensors: Mapping[str, Array]) -> int:
    return len(next(iter(tensors.values())))
