"""A table as it was read, and what becomes of each of its columns: a feature, the labels, the rows' ids, or nothing."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from narrows.data.arrays import Array
from narrows.data.dataset import Dataset, RowIds, as_read
from narrows.data.readers.arrays import as_labels, as_samples
from narrows.data.readers.columns import Column, times_of
from narrows.data.readers.division import divided
from narrows.data.readers.remarks import dates, listed, sentinel, shortened, unusable_columns
from narrows.data.readers.typed import is_typed, mixed_columns
from narrows.errors import ConfigError, DataError, did_you_mean

INDEX = re.compile(r"|index|Unnamed: 0(\.\d+)?|__index_level_\d+__")
"""Names that programs give to the numbers of rows."""
Selection = str | int | Sequence[str | int] | None
"""Columns by name or number, one or several."""


class Use(NamedTuple):
    """What becomes of a column."""

    column: Column
    role: str
    """feature, label, id, split, left out, or unusable."""
    why: str = ""


@dataclass
class Table:
    """Columns of a file, all of the same length."""

    path: Path
    columns: list[Column]
    named: bool = True
    """Whether the file names its columns."""
    notes: list[str] = field(default_factory=list)
    """What was decided in reading it, each in a phrase."""
    index: tuple[str, ...] = ()
    """Columns of which the file says that they are its index."""
    rows: RowIds | None = None
    """What tells the rows apart where no column does; None for their numbers."""

    def __post_init__(self) -> None:
        """Give columns of one name different ones, as pandas does."""
        seen: dict[str, int] = {}
        self.written = [column.name for column in self.columns]
        for column in self.columns:
            count = seen.get(column.name, 0)
            seen[column.name] = count + 1
            if count and column.name:
                self.notes.append(f"more than one column is called {column.name!r}: one is now {column.name}.{count}")
                column.name = f"{column.name}.{count}"

    def uses(
        self, *, label: Selection = None, drop: Selection = None, id: Selection = None, columns: Selection = None,
        split_column: Selection = None,
    ) -> list[Use]:  # fmt: skip
        """Return what becomes of every column, in the order of the file.

        Parameters
        ----------
        label, id, split_column
            A column by name or number.
        drop, columns
            Columns by name or number, in a sequence or separated by commas.

        Raises
        ------
        ConfigError
            There is no such column, or one is asked for twice.
        """
        roles: dict[int, tuple[str, str]] = {}
        for option, selection, role in (
            ("drop", drop, "left out"), ("label", label, "label"), ("id", id, "id"),
            ("split_column", split_column, "split"),
        ):  # fmt: skip
            for position in self._positions(option, selection, one=option != "drop"):
                if position in roles and role != roles[position][0]:
                    raise ConfigError(
                        f"load_dataset: {option} must be a column that no other option takes; got {selection!r}, which "
                        f"is {roles[position][0]}."
                    )
                roles[position] = (role, f"by {option}")
        wanted = None if columns is None else self._positions("columns", columns)
        for i, column in enumerate(self.columns):
            if i in roles:
                continue
            if wanted is not None:
                roles[i] = ("left out", "not among columns") if i not in wanted else _feature(column, keep=True)
            elif self._is_index(i, taken=any(role == "id" for role, _ in roles.values())):
                taken = any(role == "id" for role, _ in roles.values())
                roles[i] = ("left out", "an index") if taken else ("id", "an index")
            else:
                roles[i] = _feature(column)
        if not any(role == "id" for role, _ in roles.values()):
            # Times that only grow tell the rows apart, also where they are left out of the features.
            aside = (i for i, (role, _) in roles.items() if role in ("unusable", "left out"))
            series = next((i for i in sorted(aside) if _in_order(self.columns[i])), None)
            if series is not None:
                roles[series] = ("id", "times")
        for i, (role, _) in roles.items():
            if role == "unusable" and is_typed(self.columns[i]):
                roles[i] = ("feature", self.columns[i].kind)
        order = range(len(self.columns)) if wanted is None else [*wanted, *(set(roles) - set(wanted))]
        return [Use(self.columns[i], *roles[i]) for i in order]

    def dataset(
        self, *, label: Selection = None, drop: Selection = None, id: Selection = None, columns: Selection = None,
        split_column: Selection = None,
    ) -> Dataset:  # fmt: skip
        """Return the table as a data set; see `uses`.

        Raises
        ------
        DataError
            A column is no feature and no option says what it is: one message names all of these.
        """
        uses = self.uses(label=label, drop=drop, id=id, columns=columns, split_column=split_column)
        if unusable := [use.column for use in uses if use.role == "unusable"]:
            raise DataError(unusable_columns(self.path, unusable, len(self.columns)))
        features = [use.column for use in uses if use.role == "feature"]
        if not features:
            raise DataError(
                f"load_dataset: {str(self.path)!r} must have a column beside those left out; got "
                f"{shortened(', '.join(self.names))}."
            )
        by_role = {use.role: use.column for use in uses if use.role in ("label", "id", "split")}
        n = len(features[0].values)
        labels, label_names = None, None
        if (of := by_role.get("label")) is not None:
            labels, label_names = as_labels(of.values, n, f"column {of.name!r} of {self.path}")
        ids, ordered = self.rows or RowIds.numbered(n), False
        if (of := by_role.get("id")) is not None:
            ids, ordered = RowIds(of.name or "index", ids_of(of), np.arange(n)), _in_order(of)
        notes = [*self.notes, *self._notes(features), *(note for column in features for note in column.notes)]
        for use in uses:
            shown = repr(use.column.name) if use.column.name else "the first column"
            if use.role == "id" and use.why in ("an index", "times"):
                notes.append(f"{shown} ({use.why}) tells the rows apart and is no feature")
            elif use.role == "left out" and use.why in ("an index", "empty"):
                notes.append(f"{shown} left out: {use.why}")
        data = as_read(
            self._samples(features), train_labels=labels, label_names=label_names, source=str(self.path),
            columns=_feature_names(features) if self.named else None, row_ids={"train": ids}, notes=tuple(notes),
            ordered=ordered, other_columns={use.column.name: use.role for use in uses if use.role != "feature"},
        )  # fmt: skip
        return data if "split" not in by_role else divided(data, by_role["split"], self.path)

    @property
    def names(self) -> list[str]:
        """Names of the columns, each different; numbers where the file has none."""
        return [column.name for column in self.columns]

    def _listed(self) -> str:
        return shortened(", ".join(name or "(no name)" for name in self.names))

    def _samples(self, features: list[Column]) -> Any:
        """Return the features as an array, or as a `MixedTable` where some are text or times."""
        if len(features) == 1 and (features[0].values.dtype == object or features[0].values.ndim > 2):
            values = features[0].values
            return (
                values if values.dtype == object else as_samples(values, f"column {features[0].name!r} of {self.path}")
            )
        if deep := [column.name for column in features if column.values.dtype == object or column.values.ndim > 2]:
            raise DataError(
                f"load_dataset: {str(self.path)!r} must have one column of sequences and no other feature; got "
                f"{', '.join(map(repr, deep))} beside others. Choose one with columns={deep[0]!r}."
            )
        if any(is_typed(column) for column in features):
            return mixed_columns(features)
        return np.column_stack([column.values for column in features])

    def _is_index(self, position: int, *, taken: bool) -> bool:
        """Return whether a column numbers or names the rows: its file or its name says so, and no value comes twice."""
        column = self.columns[position]
        if column.name in self.index:
            return True
        if not self.named or not INDEX.fullmatch(column.name) or column.values.ndim > 1 or column.missing:
            return False
        if column.name == "index":  # a name that people give, too: only what counts the rows
            return column.kind == "numbers" and bool((column.values == np.arange(len(column.values))).all())
        return len(np.unique(column.values)) == len(column.values)

    def _positions(self, option: str, selection: Selection, *, one: bool = False) -> list[int]:
        if selection is None or selection == "":
            return []
        if isinstance(selection, str):
            # A name may hold a comma itself.
            whole = selection in self.written or selection in self.names or one
            parts: Iterable[Any] = [selection] if whole else next(csv.reader([selection], skipinitialspace=True))
        else:
            parts = [selection] if isinstance(selection, int | np.integer) else selection
        positions = [at for part in parts for at in self._find(option, part)]
        if one and len(positions) > 1:
            raise ConfigError(
                f"load_dataset: {option} must be one column; {selection!r} names {len(positions)}: "
                f"{', '.join(f'{self.names[at]!r} (number {at})' for at in positions)}. Give the number."
            )
        return positions

    def _find(self, option: str, name: Any) -> list[int]:
        count, text = len(self.columns), str(name).strip()
        if not isinstance(name, int | np.integer) or isinstance(name, bool):
            if at := [i for i in range(count) if text in (self.written[i], self.names[i])]:
                return at
        elif text in self.names:
            return [self.names.index(text)]
        unnamed = re.fullmatch(r"Unnamed: (\d+)", text)  # as pandas calls columns without a name
        if unnamed and int(unnamed[1]) < count and not self.names[int(unnamed[1])]:
            return [int(unnamed[1])]
        if re.fullmatch(r"-?\d+", text) and -count <= int(text) < count:
            return [int(text) % count]
        raise ConfigError(
            f"load_dataset: {option} must be a column of {str(self.path)!r} ({self._listed()}), or "
            f"its number from 0 to {count - 1}; got {name!r}.{did_you_mean(text, self.names)}"
        )

    def _notes(self, features: list[Column]) -> list[str]:
        """Return what is to be said of the features: what is missing, and values that may stand for missing ones."""
        notes, gaps = [], [column for column in features if column.missing]
        if gaps:
            codes = sorted({code or "empty" for column in gaps for code in column.codes})
            written = f", written as {shortened(', '.join(codes))}" if codes else ""
            notes.append(
                f"{sum(column.missing for column in gaps):,} values missing{written}: "
                f"{listed([f'{column.missing:,} in {column.name!r}' for column in gaps])}"
            )
        notes += [f"{column.name!r} holds {hint}" for column in features if (hint := sentinel(column) or dates(column))]
        return notes


def _feature(column: Column, *, keep: bool = False) -> tuple[str, str]:
    if column.kind == "numbers" and column.values.ndim == 1 and np.nanmin(column.values) == np.nanmax(column.values):
        return "feature", "constant"
    if column.usable or (keep and column.kind == "empty"):
        return "feature", ""
    return ("left out", "empty") if column.kind == "empty" else ("unusable", column.kind)


def _feature_names(features: list[Column]) -> tuple[str, ...] | None:
    if any(column.values.dtype == object or column.values.ndim > 2 for column in features):
        return None
    names: list[str] = []
    for column in features:
        flat = column.values.ndim == 1
        names += [column.name] if flat else [f"{column.name}[{i}]" for i in range(column.values.shape[1])]
    return tuple(names)


def ids_of(column: Column) -> Array:
    """Return a column as ids of rows: whole numbers, other numbers, or texts."""
    values = column.values
    if values.dtype.kind == "f" and np.isfinite(values).all() and (values == np.round(values)).all():
        return values.astype(np.int64) if np.abs(values).max() < 2**53 else values
    return values


def _in_order(column: Column) -> bool:
    """Return whether a column holds times, each later than the one before."""
    if column.kind != "times" or column.missing:
        return False
    times = times_of(column.values)
    return times is not None and len(times) > 1 and bool((np.diff(times) > np.timedelta64(0)).all())
