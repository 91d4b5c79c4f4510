"""Parquet files whose rows stay where they are: row groups are read as they are needed, and nothing is packed first."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows.data.arrays import Array
from narrows.data.dataset import Dataset, RowIds, as_read
from narrows.data.packed_tables import ParquetFiles
from narrows.data.readers.arrow import PARQUET
from narrows.data.readers.checks import reading
from narrows.data.shards import IDS
from narrows.data.stored import StoredRows
from narrows.data.types_stored import StoredTable
from narrows.errors import DataError

LARGE = 2**28
"""Bytes of numbers from which on rows stay on disk."""
GROUP = 2**27
"""Bytes of the numbers of a row group at most: it is read as a whole."""
BYTES, LOOKED_AT = 2**16, 2**28
"""Bytes of a block, and of all blocks, by which files are told from others."""
KEPT = 2
"""Row groups that are kept in memory for what is read next."""


class ParquetRows(StoredRows):
    """Rows of Parquet files of one form, one after the other, as numbers."""

    def __init__(self, source: ParquetFiles) -> None:
        self.source, form = source, source.form
        self.shape, self.dtype = (sum(source.rows), *form.shape), np.dtype(form.dtype)
        self.identity = _checksum(source.files, source.roles.columns)
        self.stretch = max(source.rows)
        self._starts = [0, *accumulate(source.rows)]
        self._groups: OrderedDict[int, Array] = OrderedDict()
        self._lock = threading.Lock()  # training reads ahead in a thread

    def read(self, start: int, stop: int) -> Array:
        """Return neighbouring rows."""
        rows = np.empty((stop - start, *self.shape[1:]), self.dtype)
        group = int(np.searchsorted(self._starts, start, side="right")) - 1
        while start < stop:
            first, end = self._starts[group], min(stop, self._starts[group + 1])
            if start < end:
                rows[len(rows) - (stop - start) : len(rows) - (stop - end)] = self._group(group)[
                    start - first : end - first
                ]
            start, group = end, group + 1
        return rows

    def pick(self, rows: NDArray[np.int64]) -> Array:
        """Return rows in any order."""
        picked = np.empty((len(rows), *self.shape[1:]), self.dtype)
        groups = np.searchsorted(self._starts, rows, side="right") - 1
        for group in np.unique(groups):
            here = np.flatnonzero(groups == group)
            picked[here] = self._group(int(group))[rows[here] - self._starts[group]]
        return picked

    def _group(self, group: int) -> Array:
        """Return the numbers of a row group, which may not be written to."""
        with self._lock:
            if group not in self._groups:
                while len(self._groups) >= KEPT:
                    self._groups.popitem(last=False)
                with reading(self.source.groups[group][0]):
                    table = self.source.table(group, list(self.source.roles.features))
                self._groups[group] = self.source.roles.features_of(table)
            self._groups.move_to_end(group)
            return self._groups[group]


def read_parquet(
    path: Path, *, label: str | None = None, drop: Any = None, id: str | None = None, columns: Any = None
) -> Dataset:
    """Read Parquet files as they are used: a file, or a folder of files of one form in the order of their names.

    Columns hold numbers, truth values, texts or times. Labels, and ids up to 64 MB, are in memory.

    Raises
    ------
    DataError
        A feature is of another type, or a row group holds more than 128 MB of numbers.
    """
    chosen = {
        "label": label, "id": id, "drop": None if drop is None else _written(drop),
        "columns": None if columns is None else _written(columns),
    }  # fmt: skip
    options = {name: value for name, value in chosen.items() if value is not None}
    if index := {name for name in _index(path) if name not in (label, id)}:
        options["drop"] = ",".join([*filter(None, [options.get("drop")]), *sorted(index)])
    source = ParquetFiles(str(path), options, files_of(path), owner="load_dataset")
    row_bytes = source.form.shape[0] * np.dtype(source.form.dtype).itemsize
    if (most := max(source.rows)) * row_bytes > GROUP:
        file = source.groups[source.rows.index(most)][0]
        raise DataError(
            f"load_dataset: row groups must hold at most {GROUP // row_bytes:,} rows of {source.form.shape[0]} columns "
            f"to be read where they are; got {most:,} in {str(file)!r}. Write it with row_group_size="
            f"{GROUP // row_bytes // 4}, or pack it: narrows data pack {path} FOLDER."
        )
    rows = ParquetRows(source)
    train: Any = rows if source.form.table is None else StoredTable(rows, source.form.table)
    y, ids = _beside(source)
    return as_read(
        train=train, train_labels=y, columns=source.form.columns, label_names=source.label_names,
        source=str(path), how="as published",
        row_ids={} if ids is None else {"train": RowIds(str(id), ids, np.arange(len(rows)))},
        notes=(f"{len(source.groups)} row groups of {len(source.files)} files, which stay on disk",),
    )  # fmt: skip


def read_in_place(path: Path) -> bool:
    """Return whether a file or folder of Parquet holds more numbers than are read at once."""
    files = files_of(path)
    if not files or sum(file.stat().st_size for file in files) * 100 < LARGE:  # so much they hardly unpack to
        return False
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return False  # the reader says what to install
    try:
        sizes = [(m := pq.read_metadata(file)).num_rows * m.num_columns for file in files]
    except (OSError, pa.ArrowException):
        return False  # the reader says what is wrong
    return 8 * sum(sizes) > LARGE


def files_of(path: Path) -> list[Path]:
    """Return a Parquet file, or those of a folder in the order of their names; none where it holds other tables too."""
    if path.is_file():
        return [path] if path.suffix.lower() in PARQUET else []
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in PARQUET)


def _written(names: Any) -> str:
    return names if isinstance(names, str) else ",".join(map(str, names))


def _index(path: Path) -> set[str]:
    """Return the columns in which pandas wrote the index of a frame."""
    import pyarrow.parquet as pq

    with reading(path):
        metadata = pq.read_schema(files_of(path)[0]).pandas_metadata or {}
    return {name for name in metadata.get("index_columns", ()) if isinstance(name, str)}


def _beside(source: ParquetFiles) -> tuple[Array | None, Array | None]:
    """Return the labels, and the ids where they take no more than so many bytes."""
    labels: list[Array] = []
    ids: list[Array] | None = None if source.roles.id is None else []
    wanted = [name for name in (source.roles.label, source.roles.id) if name]
    for group in range(len(source.groups) if wanted else 0):
        with reading(source.groups[group][0]):
            y, names = source.roles.beside(source.table(group, wanted))
        if y is not None:
            labels.append(y)
        if ids is not None and names is not None:
            ids.append(np.char.decode(names, "utf-8", "surrogateescape"))
            ids = None if sum(part.nbytes for part in ids) > 4 * IDS else ids  # 4 bytes a character
    return np.concatenate(labels) if labels else None, np.concatenate(ids) if ids else None


def _checksum(files: Sequence[Path], columns: Sequence[str]) -> str:
    """Return a checksum of columns' names and of files; beyond 256 MB, of blocks at equal distances and of their ends.

    The ends say where every part of the files is, how large it is, and what its least and largest values are.
    """
    digest = hashlib.sha256(repr(list(columns)).encode())
    sizes = [file.stat().st_size for file in files]
    step = max(1, sum(sizes) // LOOKED_AT)
    for file, size in zip(files, sizes, strict=True):
        digest.update(f"{size}|".encode())
        with file.open("rb") as content:
            for start in range(0, size, BYTES * step):
                content.seek(start)
                digest.update(content.read(BYTES))
            content.seek(max(0, size - 8))
            length = int.from_bytes(content.read(4), "little")
            content.seek(max(0, size - 8 - length))
            digest.update(content.read())
    return digest.hexdigest()
