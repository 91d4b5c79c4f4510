"""Rows of a large text file, such as CSV, which are read some at a time, for the columns of a model."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from narrows.cli.arguments import Source
from narrows.cli.console import note
from narrows.cli.rows import Rows
from narrows.cli.samples import Samples
from narrows.data import RowIds
from narrows.data.alike import Choice, choice_of
from narrows.data.arrays import Array
from narrows.data.readers.arrays import as_labels
from narrows.data.readers.columns import MISSING, Column
from narrows.data.readers.long_text import OPTIONS, LongText, long_text
from narrows.data.readers.parts import TEXT
from narrows.data.readers.table import Table, ids_of
from narrows.data.readers.typed import values_of_column
from narrows.data.schema import Schema
from narrows.data.types import ColumnType
from narrows.data.types_table import MixedTable, Values, text_values
from narrows.errors import DataError
from narrows.runs import Run
from narrows.runs.dataset import class_numbers, form_of

LARGE = 2**26
"""Bytes from which on a file is read in parts; of packed ones, which hold more, a quarter."""
CHUNK = 2**12
"""Rows that are looked at together before the first part."""
LABELS = 10**5
"""Different labels at most; with more of them all of the file is read."""
_YEAR = re.compile(r"\d{4}[-/.]")


@dataclass
class TextRows(Rows):
    """Rows of a text file, whose columns are those of a model."""

    file: LongText | None = None
    choice: Choice = field(default_factory=lambda: Choice([], None, None))
    types: tuple[ColumnType, ...] | None = None
    """Of the columns that a model of typed columns takes; None for a model of numbers."""
    labels: Mapping[str, Any] = field(default_factory=dict)
    """The label that each text of the label's column stands for."""
    ids: np.dtype[Any] | None = None
    """The type of the ids, where there is a column of them."""

    def parts(self, start: int, size: int) -> Generator[Samples, None, None]:
        """Yield rows from `start` on; what stands before them is read, and passed over."""
        assert self.file is not None
        for rows in self.file.parts(start, size):
            yield self._samples(_columns(self.file, rows), len(rows), start)
            start += len(rows)

    def _samples(self, columns: dict[str, list[str]], n: int, first: int) -> Samples:
        assert self.file is not None
        y, rows = None, first + np.arange(n)
        if self.choice.label is not None:
            y = np.array([self.labels[value.strip()] for value in columns[self.choice.label]])
        ids = RowIds("row", rows, rows)
        if self.ids is not None and self.choice.id is not None:
            texts = columns[self.choice.id]
            values = np.array([value.strip() for value in texts], np.str_)
            if self.ids.kind != "U":
                values = ids_of(self.file.column(self.choice.id, texts)).astype(self.ids)
            ids = RowIds(self.choice.id or "index", values, rows)
        return Samples("", self._features(columns, first), y, ids)

    def _features(self, columns: dict[str, list[str]], first: int) -> Any:
        assert self.file is not None
        if self.types is not None:
            return MixedTable(
                {type_.name: _values(self.file, type_, columns[type_.name], first) for type_ in self.types}
            )
        features = [
            _numbers(self.file.column(name, columns[name]), self.file, first, columns[name])
            for name in self.choice.columns
        ]
        return np.column_stack([column.values for column in features])


def text_rows(run: Run, source: Source) -> TextRows | None:
    """Return the rows of a text file that is read in parts for a run; None where it is read as a whole.

    Read in parts are files from 64 MB on, packed by gzip or not. What separates fields, how decimals are written and
    which row names the columns is what the file's beginning says.

    Raises: DataError where a row has other fields than the others, or a label that the model does not take.
    """
    path, schema = Path(source.data or ""), run.schema
    packed = path.suffix.lower() == ".gz"
    bare = Path(path.stem) if packed else path
    if (
        source.data is None
        or bare.suffix.lower() not in TEXT
        or not path.is_file()
        or source.split not in (None, "all")
    ):
        return None
    options = {**form_of(run), **source.options}
    small = path.stat().st_size < (LARGE // 4 if packed else LARGE)
    if small or schema is None or schema.kind != "table" or options.keys() - OPTIONS:
        return None
    recorded = run.record["data"]
    columns = recorded.get("columns") or (None if schema.columns is None else list(schema.columns))
    try:
        opened = long_text(path, options)
        if opened is None:
            return None
        file, table = opened
        choice = choice_of(table, columns, recorded.get("other_columns") or {}, _width(schema))
    except DataError:
        return None  # read as a whole, it says what is wrong
    types = None if schema.types is None else tuple(type_ for type_ in schema.types if type_.modelled)
    if not _is_alike(file, table, choice, types):
        return None
    note(f"{path.name} is looked through once before, for its rows, classes and index.")
    scanned = _scanned(file, choice)
    if scanned is None:
        return None
    count, texts, ids = scanned
    labels, names = _labels(run, file, choice, sorted(texts))
    stamp = path.stat()
    identity = {
        "data": str(path.absolute()), "options": options, "rows": count, "columns": columns,
        "file": [stamp.st_size, stamp.st_mtime_ns],
    }  # fmt: skip
    return TextRows(
        count, identity, names, f"{count:,} samples", file=file, choice=choice, types=types, labels=labels, ids=ids
    )


def _width(schema: Schema) -> int:
    return schema.n_features if schema.types is None else len(schema.types)


def _columns(file: LongText, rows: list[list[str]]) -> dict[str, list[str]]:
    return {name: list(texts) for name, texts in zip(file.names, zip(*rows, strict=True), strict=True)}


def _is_alike(file: LongText, table: Table, choice: Choice, types: tuple[ColumnType, ...] | None) -> bool:
    """Return whether the beginning has what the model takes, and times whose parts stand in an order that is known."""
    found = {column.name: column for column in table.columns}
    if types is None:
        return all(found[name].kind in ("numbers", "yes/no", "empty") for name in choice.columns)
    if any(type_.name not in choice.columns for type_ in types):
        return False
    times = [found[type_.name] for type_ in types if type_.holds == "time"]
    return all(column.kind == "empty" or _begin_with_the_year(file, column.values.tolist()) for column in times)


def _begin_with_the_year(file: LongText, texts: list[Any]) -> bool:
    return all(_YEAR.match(text) or _is_missing(file, text) for text in map(str, texts))


def _is_missing(file: LongText, text: str) -> bool:
    return (bare := text.strip().lower()) in MISSING or bare in file.codes


def _numbers(column: Column, file: LongText, first: int, texts: list[str]) -> Column:
    """Return a column that holds numbers; DataError that names the first row whose field is none."""
    if column.kind in ("numbers", "yes/no", "empty"):
        return column
    at = next(i for i, each in enumerate(texts) if file.column(column.name, [each]).kind in ("text", "times"))
    raise DataError(
        f"encode: column {column.name!r} must hold numbers, as in training; got {texts[at][:40]!r} in row "
        f"{first + at:,} of {file.path.name}. Mend it, or say how a missing value is written: --missing."
    )


def _values(file: LongText, type_: ColumnType, texts: list[str], first: int) -> Values:
    """Return the values of a column that holds, in part as in whole, what it held in fit: texts stay texts."""
    if type_.holds == "text":
        gaps = np.array([_is_missing(file, text) for text in texts], bool)
        return text_values([text.strip() for text in texts], gaps=gaps)
    column = file.column(type_.name, texts)
    if type_.holds != "time":
        return values_of_column(_numbers(column, file, first, texts))
    if column.kind not in ("times", "empty") or not _begin_with_the_year(file, texts):
        raise DataError(
            f"encode: column {type_.name!r} must hold times that begin with the year, as the first rows of "
            f"{file.path.name} do; got another in rows {first:,} to {first + len(texts) - 1:,}. Write all in one way."
        )
    return values_of_column(column)


def _scanned(file: LongText, choice: Choice) -> tuple[int, set[str], np.dtype[Any] | None] | None:
    """Return how many rows there are, the texts of labels, and the type of ids; None where labels are too many."""
    count, labels, kinds = 0, set[str](), set[str]()
    label, id_ = (None if name is None else file.names.index(name) for name in (choice.label, choice.id))
    for rows in file.parts(0, CHUNK):
        count += len(rows)
        if label is not None:
            labels |= {row[label].strip() for row in rows}
            if len(labels) > LABELS:
                return None
        if id_ is not None:
            kinds.add(_id_kind(file, file.names[id_], [row[id_] for row in rows]))
    kind = next((kind for kind in "Ufi" if kind in kinds), None)
    return count, labels, None if kind is None else np.dtype({"U": np.str_, "f": np.float64, "i": np.int64}[kind])


def _id_kind(file: LongText, name: str, texts: list[str]) -> str:
    column = file.column(name, texts)
    return ids_of(column).dtype.kind if column.kind == "numbers" else "U"


def _labels(
    run: Run, file: LongText, choice: Choice, texts: list[str]
) -> tuple[dict[str, Any], tuple[str, ...] | None]:
    """Return the label of every text in the label's column, as of the whole file, and the names of classes."""
    if choice.label is None:
        return {}, None
    values: Array = file.column(choice.label, texts).values
    y, names = as_labels(values, len(texts), f"column {choice.label!r} of {file.path}")
    if names is not None:
        table, names = class_numbers(run, names, str(file.path))
        y = table[y]
    return dict(zip(texts, y.tolist(), strict=True)), names
