"""Tables of numbers: .csv and .parquet. A column that is not numeric is named; an empty field is NaN."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from narrows.data.arrays import Array
from narrows.data.dataset import Dataset, as_read
from narrows.data.readers.arrays import as_labels
from narrows.data.readers.checks import Readable, check_expansion, opened, reading, unsound
from narrows.errors import ConfigError, DataError, did_you_mean

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
_DELIMITERS = ",;\t|"


def read_csv(
    path: Path,
    *,
    label: str | None = None,
    drop: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
) -> Dataset:
    """Read a table of numbers from a text file (UTF-8, gzip or not).

    Parameters
    ----------
    path
        The file. Empty fields, NA, NaN, null, none and ? are missing values: NaN.
    label
        Column that holds the labels: its name, or its number from 0 where there is no header.
    drop
        Columns to leave out, separated by commas.
    header
        Whether the first line names the columns. None: it does if a field of it is not a number.
    delimiter
        What separates fields. None: comma, semicolon, tab or bar, whichever the first line has most of, else blanks.
    """
    with reading(path), opened(path) as stream:
        content = _read_text(stream, path)
    lines = content.splitlines()
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        raise unsound(path, "hold rows of numbers; got an empty file.")
    delimiter = delimiter or _delimiter_of(first)
    with reading(path):
        rows = [row for row in _records(content, delimiter) if any(map(str.strip, row))]
    named = (
        header if header is not None else any(not _is_number(f) and f.strip().lower() not in _MISSING for f in rows[0])
    )
    names = [field.strip() for field in rows[0]] if named else [str(i) for i in range(len(rows[0]))]
    body = rows[1:] if named else rows
    if not body:
        raise unsound(path, "hold rows of numbers; got only a header.")
    for number, row in enumerate(body, start=1):
        if len(row) != len(names):
            raise DataError(
                f"load_dataset: every row of {str(path)!r} must have {len(names)} fields; "
                f"got {len(row)} in row {number} after the header: {_short(delimiter.join(row))!r}."
            )
    label_at, kept = _columns(names, label, drop, str(path))
    columns = [_numbers([row[i] for row in body], names[i], path) for i in kept]
    values, texts = None, [] if label_at is None else [row[label_at].strip() for row in body]
    if label_at is not None:
        values = np.array([float(t) for t in texts]) if all(map(_is_number, texts)) else np.array(texts, dtype=np.str_)
    return _table(path, columns, names, kept, label_at, values, named=named)


def read_parquet(path: Path, *, label: str | None = None, drop: str | None = None) -> Dataset:
    """Read a table of numbers from a .parquet file; needs pyarrow.

    Parameters
    ----------
    path
        The file. Nulls are missing values: NaN.
    label
        Column that holds the labels.
    drop
        Columns to leave out, separated by commas.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DataError(
            "load_dataset: pyarrow must be installed to read .parquet files. Run: pip install pyarrow"
        ) from error
    try:
        with reading(path), pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            names = list(schema.names)
            label_at, kept = _columns(names, label, drop, str(path))
            for i in kept:
                kind = schema.field(i).type
                if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
                    raise DataError(_not_numeric(path, names[i], f"type {kind}"))
            if rows < 1:
                raise unsound(path, "hold rows of numbers; got none.")
            check_expansion(str(path), max(path.stat().st_size, 64 * 2**10), rows * len(kept))
            table = file.read(columns=[names[i] for i in kept] + ([names[label_at]] if label_at is not None else []))
            columns = [table.column(names[i]).cast(pa.float64(), safe=False).to_numpy() for i in kept]
            values = None if label_at is None else np.array(table.column(names[label_at]).to_pylist())
            return _table(path, columns, names, kept, label_at, values)
    except pa.ArrowException as error:
        raise unsound(path, f"be a sound .parquet file; got: {error}.") from error


def _table(
    path: Path, columns: list[Array], names: Sequence[str], kept: Sequence[int], label_at: int | None,
    values: Array | None, *, named: bool = True,
) -> Dataset:  # fmt: skip
    """Return the columns that are kept as a table, and the values of the label's column as labels."""
    labels, label_names = None, None
    if label_at is not None and values is not None:
        labels, label_names = as_labels(values, len(columns[0]), f"column {names[label_at]!r} of {path}")
    return as_read(
        np.column_stack(columns), train_labels=labels, label_names=label_names,
        columns=tuple(names[i] for i in kept) if named else None, source=str(path),
    )  # fmt: skip


def _read_text(stream: Readable, path: Path) -> str:
    content = bytearray()
    packed = path.stat().st_size
    while chunk := stream.read(2**20):
        content += chunk
        if len(content) > packed:  # only gzip can give more than the file holds
            check_expansion(str(path), packed, len(content))
    if b"\0" in content:
        raise unsound(path, "be a text file; got zero bytes in it.")
    return content.decode("utf-8-sig")


def _records(content: str, delimiter: str) -> list[list[str]]:
    if delimiter == " ":
        return [line.split() for line in content.splitlines()]
    return list(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True))


def _delimiter_of(line: str) -> str:
    best = max(_DELIMITERS, key=line.count)
    return best if best in line else (" " if len(line.split()) > 1 else ",")


def _columns(names: Sequence[str], label: str | None, drop: str | None, what: str) -> tuple[int | None, list[int]]:
    def find(option: str, name: str) -> int:
        if names.count(name) != 1:
            raise ConfigError(
                f"load_dataset: {option} must be a column of {what!r} ({_short(', '.join(names))}); "
                f"got {name!r}.{did_you_mean(name, names)}"
            )
        return names.index(name)

    label_at = None if label is None else find("label", str(label))
    out = {find("drop", name.strip()) for name in drop.split(",")} if drop else set()
    kept = [i for i in range(len(names)) if i != label_at and i not in out]
    if not kept:
        raise DataError(
            f"load_dataset: {what!r} must have a column beside those left out; got {_short(', '.join(names))}."
        )
    return label_at, kept


def _numbers(texts: list[str], name: str, path: Path) -> Array:
    try:
        return np.array(texts, dtype=np.float64)  # numpy reads whole columns of plain numbers fastest
    except ValueError:
        values = np.empty(len(texts))
    for i, text in enumerate(texts):
        if text.strip().lower() in _MISSING:
            values[i] = math.nan
        elif _is_number(text):
            values[i] = float(text)
        else:
            raise DataError(_not_numeric(path, name, f"{_short(text)!r} in row {i + 1}"))
    return values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # Python reads 1_000 as a number; a table that holds it means a name


def _not_numeric(path: Path, name: str, content: str) -> str:
    return (
        f"load_dataset: column {name!r} of {str(path)!r} must be numeric; got {content}. "
        f"Leave it out with drop={name!r}, or make it the label with label={name!r}."
    )


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."
