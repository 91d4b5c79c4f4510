"""Rows of named columns as .csv, .parquet, .npz or .npy, each written as one file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from narrows.errors import ConfigError
from narrows.storage.atomic import write_bytes, write_text

ENDINGS = (".csv", ".parquet", ".npy", ".npz")
EXECUTED = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of texts that spreadsheets take for a formula."""


def write_columns(
    path: Path, columns: Mapping[str, np.ndarray[Any, Any]], arrays: Mapping[str, np.ndarray[Any, Any]]
) -> None:
    """Write rows of columns atomically, in the form that the ending of the path asks for.

    Parameters
    ----------
    path
        Ends in one of `ENDINGS`.
    columns
        (N,) each: numbers or texts, for .csv and .parquet.
    arrays
        What .npz holds, by name; of .npy the first of them.
    """
    buffer = io.BytesIO()
    match path.suffix.lower():
        case ".csv":
            return write_text(path, csv_text([list(columns), *zip(*map(_cells, columns.values()), strict=True)]))
        case ".parquet":
            _write_parquet(buffer, columns)
        case ".npz":
            np.savez(buffer, **arrays)  # type: ignore[arg-type]
        case _:
            np.save(buffer, next(iter(arrays.values())), allow_pickle=False)
    return write_bytes(path, buffer.getvalue())


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as CSV. A text that a spreadsheet would execute gets an apostrophe before it; numbers stay."""
    lines: list[str] = []
    # Only characters of the line's end are quoted, and a carriage return within a cell ends a line for many readers.
    writer = csv.writer(SimpleNamespace(write=lines.append), lineterminator="\r\n")
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return "".join(line.removesuffix("\r\n") + "\n" for line in lines)


def harmless(cell: Any) -> Any:
    """Return a cell that no spreadsheet executes."""
    if not isinstance(cell, str) or not cell.startswith(EXECUTED):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def _cells(values: np.ndarray[Any, Any]) -> list[Any]:
    """Return a column's cells: the shortest text of each number, nothing for what is missing."""
    if values.dtype.kind == "f":
        return ["" if value != value else str(value) for value in values]
    return values.tolist()


def _write_parquet(buffer: io.BytesIO, columns: Mapping[str, np.ndarray[Any, Any]]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ConfigError(
            "--out: pyarrow must be installed to write .parquet files; it is not. Run: pip install pyarrow"
        ) from None
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), buffer)
