"""Rows of named columns as .csv, .parquet, .npz or .npy, written as one file from any number of parts."""

from __future__ import annotations

import csv
import importlib
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from narrows.errors import ConfigError
from narrows.storage.atomic import writing

Array = np.ndarray[Any, Any]

ENDINGS = (".csv", ".parquet", ".npy", ".npz")
EXECUTED = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of texts that spreadsheets take for a formula."""


class Part(NamedTuple):
    """Some rows: as columns (N,), numbers or texts, for .csv and .parquet, and as arrays (N, ...) for the others."""

    columns: Mapping[str, Array]
    arrays: Mapping[str, Array]


def write_columns(path: Path, columns: Mapping[str, Array], arrays: Mapping[str, Array]) -> None:
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
    write_parts(path, lambda: [Part(columns, arrays)])


def write_parts(path: Path, parts: Callable[[], Iterable[Part]]) -> None:
    """Write rows that come in parts as `write_columns` does, with one part in memory at a time.

    `parts` is called twice or more, and gives the same parts each time: their types and sizes are looked at first.
    """
    ending = path.suffix.lower()
    if ending == ".parquet":
        _pyarrow()
    with writing(path) as file:
        match ending:
            case ".csv":
                for number, (columns, _) in enumerate(parts()):
                    header = [list(columns)] if not number else []
                    text = csv_text([*header, *zip(*map(_cells, columns.values()), strict=True)])
                    file.write(text.encode())
            case ".parquet":
                _write_parquet(file, parts)
            case ".npz":
                _write_npz(file, parts)
            case _:
                first = next(iter(next(iter(parts())).arrays))
                _write_npy(file, lambda: (part.arrays[first] for part in parts()))


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


def _pyarrow() -> Any:
    try:
        return importlib.import_module("pyarrow")
    except ImportError:
        raise ConfigError(
            "--out: pyarrow must be installed to write .parquet files; it is not. Run: pip install pyarrow"
        ) from None


def _write_parquet(file: BinaryIO, parts: Callable[[], Iterable[Part]]) -> None:
    """Write a row group for each part."""
    pa, pq = _pyarrow(), importlib.import_module("pyarrow.parquet")
    types = _types(part.columns for part in parts())
    kinds = {
        name: pa.string() if dtype.kind in "US" else pa.from_numpy_dtype(dtype) for name, (dtype, _) in types.items()
    }
    with pq.ParquetWriter(file, pa.schema(list(kinds.items()))) as writer:
        for columns, _ in parts():
            writer.write_table(pa.table({name: pa.array(_as(columns[name], types[name][0])) for name in kinds}))


def _write_npz(file: BinaryIO, parts: Callable[[], Iterable[Part]]) -> None:
    """Write the arrays one after the other, as `numpy.savez` does."""
    with zipfile.ZipFile(file, "w") as archive:
        for name in next(iter(parts())).arrays:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                _write_npy(member, lambda name=name: (part.arrays[name] for part in parts()))  # type: ignore[misc]


def _write_npy(file: Any, arrays: Callable[[], Iterable[Array]]) -> None:
    """Write arrays one below the other as one, as `numpy.save` does."""
    ((dtype, shape),) = _types({"": array} for array in arrays()).values()
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    for array in arrays():
        file.write(np.ascontiguousarray(_as(array, dtype)).tobytes())


def _types(parts: Iterable[Mapping[str, Array]]) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    """Return the type and the shape of the whole of each array that comes in parts: texts, where any part has texts."""
    types: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}
    for arrays in parts:
        for name, array in arrays.items():
            if name not in types:
                types[name] = array.dtype, array.shape
                continue
            dtype, (n, *rest) = types[name]
            texts = "U" in (dtype.kind, array.dtype.kind)
            both = [np.dtype(f"U{_width(kind)}") for kind in (dtype, array.dtype)] if texts else [dtype, array.dtype]
            types[name] = np.result_type(*both), (n + len(array), *rest)
    return types


def _width(dtype: np.dtype[Any]) -> int:
    """Return how many characters a value may take as text."""
    return dtype.itemsize // 4 if dtype.kind == "U" else 32


def _as(array: Array, dtype: np.dtype[Any]) -> Array:
    return array if array.dtype == dtype else array.astype(dtype)
