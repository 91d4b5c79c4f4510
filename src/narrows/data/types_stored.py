"""Tables of typed columns whose rows stay on disk, as numbers: of texts their positions among the levels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows.data.arrays import Array
from narrows.data.derived import Joined
from narrows.data.stored import Chosen, StoredRows, stored
from narrows.data.types_table import MixedTable, Values

HELD = 2**27
"""Bytes of columns that are in memory at once where whole columns are looked at, and of rows that are picked."""


@dataclass(frozen=True)
class StoredColumn:
    """What the numbers of a column stand for."""

    name: str
    holds: str = "number"
    """number, truth, text, time or span; see `Values`."""
    levels: tuple[str, ...] = ()
    """Of text."""

    def values(self, numbers: Array) -> Values:
        """Return numbers (N,) in double precision as values; NaN is missing."""
        if self.holds != "text":
            return Values(self.holds, numbers)
        gaps = np.isnan(numbers)
        return Values("text", np.where(gaps, -1, np.where(gaps, 0, numbers)).astype(np.int32), self.levels)


class _Columns(Mapping[str, Values]):
    """Whole columns by name, read as they are asked for: some neighbours together, of which the last ones are kept."""

    def __init__(self, rows: StoredRows, form: Sequence[StoredColumn]) -> None:
        self._rows, self._form = rows, {column.name: (i, column) for i, column in enumerate(form)}
        self._together = max(1, HELD // max(1, 8 * len(rows)))
        self._kept: tuple[int, Array] | None = None

    def __getitem__(self, name: str) -> Values:
        position, column = self._form[name]
        first = position // self._together * self._together
        if self._kept is None or self._kept[0] != first:
            self._kept = None
            numbers = np.empty((min(self._together, len(self._form) - first), len(self._rows)))
            done = 0
            for part in self._rows.parts():
                numbers[:, done : done + len(part)] = part[:, first : first + len(numbers)].T
                done += len(part)
            self._kept = first, numbers
        return column.values(self._kept[1][position - first])

    def __iter__(self) -> Iterator[str]:
        return iter(self._form)

    def __len__(self) -> int:
        return len(self._form)


class StoredTable(MixedTable):
    """Such a table: slices of it stay on disk, rows by number are read.

    Parameters
    ----------
    rows
        (N, D), numbers.
    form
        What they stand for, column by column.
    """

    def __init__(self, rows: StoredRows, form: Sequence[StoredColumn]) -> None:
        self.rows, self.form = rows, tuple(form)
        self.columns: Mapping[str, Values] = _Columns(rows, self.form)

    @classmethod
    def of_numbers(cls, rows: StoredRows, names: Sequence[str]) -> StoredTable:
        """Return rows of numbers whose columns have these names."""
        return cls(rows, [StoredColumn(name) for name in names])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any) -> MixedTable:
        if isinstance(rows, slice) and rows.step in (1, None):
            return StoredTable(self.rows[rows], self.form)
        if isinstance(rows, slice) or np.size(rows) * self.rows.row_bytes <= HELD:
            return self.of(self.rows[rows])
        return StoredTable(self.rows.at(rows), self.form)

    def of(self, numbers: Array) -> MixedTable:
        """Return rows that have been read (n, D) as a table in memory."""
        double = np.asarray(numbers, np.float64)
        return MixedTable({column.name: column.values(double[:, i]) for i, column in enumerate(self.form)})

    def chosen_rows(self, n: int, rows_at: Callable[[Any], NDArray[np.int64]], name: str) -> StoredTable:
        """Return n rows, which a function finds by their positions, on disk."""
        return StoredTable(Chosen(self.rows, n, rows_at, name), self.form)

    def holds(self, name: str) -> str:
        """Return what a column holds."""
        return next(column.holds for column in self.form if column.name == name)

    @property
    def words(self) -> str:
        """What the columns hold, in words; what is missing is not counted."""
        return self.of(self.rows[:0].read(0, 0)).words

    @property
    def identity(self) -> str:
        """What the same table has alone."""
        return f"{self.rows.identity} of {hashlib.sha256(repr(self.form).encode()).hexdigest()}"

    def update(self, digest: hashlib._Hash) -> None:
        """Add the identity to a hash."""
        digest.update(self.identity.encode())


def chosen_rows(rows: Any, n: int, rows_at: Callable[[Any], NDArray[np.int64]], name: str) -> Any:
    """Return n rows of an array or a table on disk, which a function finds by their positions."""
    if isinstance(rows, StoredTable):
        return rows.chosen_rows(n, rows_at, name)
    return Chosen(stored(rows), n, rows_at, name)


def joined_tables(tables: Sequence[StoredTable], order: NDArray[np.int64]) -> StoredTable:
    """Return tables on disk of the same columns one below the other, in an order."""
    return StoredTable(Joined([table.rows for table in tables], order), tables[0].form)
