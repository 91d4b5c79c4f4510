"""Tables whose columns have types of their own, in memory: what lies between data frames and files, and a schema."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from narrows.data.arrays import Array

DAY = 86_400.0
"""Seconds."""
SINGLE = ("float32", "float", "float16", "halffloat")
"""Types of floating point of less than double precision, by the names of all libraries."""


PLURAL = {
    "number": "numbers", "truth": "truth values", "text": "text", "time": "times", "span": "spans of time",
}  # fmt: skip
"""What columns hold, in words."""


@dataclass(frozen=True, eq=False)
class Values:
    """The values of one column."""

    holds: str
    """number, truth (0 and 1), text (indices of levels), time (seconds since 1970 in UTC) or span (seconds)."""
    data: Array
    """(N,): float64, with nan where a value is missing; int64 for whole numbers that all are there; int32 for text, -1
    where it is missing."""
    levels: tuple[Any, ...] = ()
    """Of text: the values that the indices stand for."""
    dtype: str = ""
    """The type of the column in its frame, in words of the library that made it."""
    declared: bool = False
    """Whether levels are all categories of a categorical type, in its order, with those that never occur."""
    ordered: bool = False
    """Whether that order means something."""

    def __len__(self) -> int:
        return len(self.data)

    @property
    def missing(self) -> Array:
        """(N,), True where a value is missing."""
        if self.holds == "text":
            return self.data < 0
        return np.isnan(self.data) if self.data.dtype.kind == "f" else np.zeros(len(self.data), bool)

    def rows(self, index: Any) -> Values:
        """Return the values at an index or a slice."""
        return replace(self, data=self.data[index])

    def numbers(self) -> Array:
        """Return the values as numbers in double precision, nan where one is missing; of text its indices."""
        if self.holds == "text":
            return np.where(self.data < 0, np.nan, self.data.astype(np.float64))
        return self.data.astype(np.float64, copy=False)

    def filled(self, other: Values) -> Values:
        """Return these values, and those of `other`, of the same column, where they are missing."""
        gaps = self.missing
        if not gaps.any():
            return self
        if self.holds != "text":
            return replace(self, data=np.where(gaps, other.numbers(), self.numbers()))
        index = {level: i for i, level in enumerate(self.levels)}
        levels = [*self.levels, *(level for level in other.levels if level not in index)]
        index = {level: i for i, level in enumerate(levels)}
        place = np.array([index[level] for level in other.levels] + [-1], np.int32)
        return replace(self, data=np.where(gaps, place[other.data], self.data), levels=tuple(levels))

    def with_gaps(self, gaps: Array) -> Values:
        """Return the values, missing where `gaps` (N,) is True."""
        if not gaps.any():
            return self
        if self.holds == "text":
            return replace(self, data=np.where(gaps, np.int32(-1), self.data))
        return replace(self, data=np.where(gaps, np.nan, self.numbers()))

    def objects(self) -> list[Any]:
        """Return the values as Python's numbers, texts and truth values, None where one is missing."""
        if self.holds == "text":
            levels = [*self.levels, None]
            return [levels[i] for i in self.data.tolist()]
        gaps = self.missing.tolist()
        values = self.data.tolist()
        if self.holds == "truth":
            return [None if gap else bool(value) for value, gap in zip(values, gaps, strict=True)]
        return [None if gap else value for value, gap in zip(values, gaps, strict=True)]

    def cells(self) -> Array:
        """Return the values as files hold them: numbers, or texts, empty where one is missing; times as in ISO 8601."""
        if self.holds == "text":
            return np.array(["" if value is None else str(value) for value in self.objects()])
        if self.holds == "time":
            gaps = self.missing
            instants = np.rint(np.where(gaps, 0.0, self.data) * 1e6).astype(np.int64).astype("M8[us]")
            days = bool((self.data[~gaps] % DAY == 0).all())
            written = instants.astype("M8[D]" if days else "M8[s]").astype(str)
            return np.where(gaps, "", np.char.replace(written, "T", " "))
        whole = self.holds != "truth" and not self.missing.any() and bool((self.data == np.rint(self.data)).all())
        return self.data.astype(np.int64) if whole else self.data


def text_values(values: Iterable[Any], *, gaps: Array | None = None, **about: Any) -> Values:
    """Return texts, or other values that can be keys, as indices of the levels in order of first appearance.

    Missing is what `gaps` says, and None.
    """
    index: dict[Any, int] = {}
    data = np.array([-1 if v is None else index.setdefault(v, len(index)) for v in values], np.int32)
    if gaps is not None and gaps.any():
        data[gaps] = -1
        kept = np.unique(data[data >= 0])
        if len(kept) < len(index):  # a mark of what is missing is no level
            place = np.full(len(index) + 1, -1, np.int32)
            place[kept] = np.arange(len(kept))
            levels = list(index)
            return Values("text", place[data], tuple(levels[i] for i in kept.tolist()), **about)
    return Values("text", data, tuple(index), **about)


def level_values(holds: str, positions: Array, levels: Sequence[Any], about: Mapping[str, Any]) -> Values:
    """Return the levels at positions (N,) as values of a column."""
    if holds == "text":
        return Values("text", positions.astype(np.int32), tuple(levels), **about)
    table = np.array([float(level) for level in levels])
    numbers = table[positions]
    return Values(holds, within(numbers, str(about["dtype"])), **about)


def within(numbers: Array, dtype: str) -> Array:
    """Return numbers within the limits of a type of whole numbers or of floating point."""
    name = dtype.lower().partition("[")[0]
    if name.startswith(("int", "uint")) and name.removeprefix("u")[3:].isdigit():
        limits = np.iinfo(name)
        return np.clip(np.rint(numbers), float(limits.min), np.nextafter(float(limits.max), 0))
    if name in SINGLE:
        limit = np.finfo("float16" if "16" in name or name == "halffloat" else "float32").max
        return np.clip(numbers, -float(limit), float(limit))
    return numbers


class MixedTable:
    """Columns of one length by name: numbers, truth values, texts and times, with what is missing.

    It has the length, the shape and the rows of an array (N, D), so that data sets hold one as they hold arrays.
    """

    ndim = 2
    nbytes = 0
    rows: Any = None
    """The rows (N, D) as numbers, where they stay on disk; see `narrows.data.types_stored`."""

    def __init__(self, columns: Mapping[str, Values]) -> None:
        self.columns: Mapping[str, Values] = dict(columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self), len(self.columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64, for what asks an array: the types are those of `columns`."""
        return np.dtype(np.float64)

    def holds(self, name: str) -> str:
        """Return what a column holds."""
        return self.columns[name].holds

    @property
    def words(self) -> str:
        """What the columns hold, and how many values are missing, in words."""
        kinds = Counter(PLURAL[values.holds] for values in self.columns.values())
        missing = sum(int(values.missing.sum()) for values in self.columns.values())
        held = ", ".join(f"{count} of {kind}" for kind, count in kinds.items())
        return f"columns: {held}" + (f"; {missing:,} missing" if missing else "")

    def __getitem__(self, rows: Any) -> MixedTable:
        return MixedTable({name: values.rows(rows) for name, values in self.columns.items()})

    def chosen(self, names: Sequence[str]) -> MixedTable:
        """Return some of the columns, in the order of the names."""
        return MixedTable({name: self.columns[name] for name in names})

    def filled(self, other: MixedTable) -> MixedTable:
        """Return this table with the values of another one, of the same rows, where a value is missing."""
        return MixedTable(
            {
                name: values.filled(other.columns[name]) if name in other.columns else values
                for name, values in self.columns.items()
            }
        )

    def update(self, digest: hashlib._Hash) -> None:
        """Add names, types and values to a hash, which is then that of the same table anywhere."""
        for name, values in self.columns.items():
            digest.update(f"{name}|{values.holds}|{len(values)}|".encode())
            if values.holds == "text":
                for value in values.objects():
                    digest.update(repr(value).encode() + b"\0")
            else:
                digest.update(np.ascontiguousarray(values.numbers(), "<f8").tobytes())


def joined(tables: Sequence[MixedTable]) -> MixedTable:
    """Return tables with the same columns, one below the other."""
    columns: dict[str, Values] = {}
    for name, first in tables[0].columns.items():
        parts = [table.columns[name] for table in tables]
        if first.holds != "text":
            columns[name] = replace(first, data=np.concatenate([part.numbers() for part in parts]))
            continue
        levels = tuple(dict.fromkeys(level for part in parts for level in part.levels))
        index = {level: i for i, level in enumerate(levels)}
        places = [np.array([*(index[level] for level in part.levels), -1], np.int32) for part in parts]
        data = np.concatenate([place[part.data] for place, part in zip(places, parts, strict=True)])
        columns[name] = replace(first, data=data, levels=levels)
    return MixedTable(columns)
