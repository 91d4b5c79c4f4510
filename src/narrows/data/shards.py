"""Shards: a folder of `.npy` files and an index, whose rows are read where they are; `narrows data pack` writes it.

shards.json       what samples are, and every shard: its rows, its split, the checksum of its files
000000.npy        (n, *shape), rows in order
000000.y.npy      (n,), their labels, where there are any
000000.id.npy     (n,), what tells them apart, as UTF-8, where it is more than their numbers
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows.data.dataset import Dataset, RowIds, as_read
from narrows.data.readers.arrays import npy_header
from narrows.data.stored import Array, StoredRows
from narrows.data.types_stored import StoredColumn, StoredTable
from narrows.errors import DataError, FormatError
from narrows.storage.form import check_form
from narrows.storage.json import read_json

INDEX = "shards.json"
FORMAT = 1
SPLITS = ("train", "validation", "test")
"""In the order in which a folder has them."""
OPENED = 64
"""Files that are mapped at once."""
IDS = 2**26
"""Bytes of ids up to which they are read with the data; rows of more are told apart by their numbers."""
PARTS = ("", ".y", ".id")
"""Between a shard's number and `.npy`: samples, labels and ids."""


@dataclass(frozen=True)
class Shard:
    """A shard as the index has it."""

    name: str
    rows: int
    split: str
    sha256: str
    """Of its files, one after the other."""
    low: float
    high: float
    """Its least and largest value."""


@dataclass(frozen=True)
class Index:
    """What a folder of shards holds."""

    shape: tuple[int, ...]
    dtype: str
    shards: tuple[Shard, ...]
    columns: tuple[str, ...] | None = None
    label_names: tuple[str, ...] | None = None
    labels: str | None = None
    """Their type; None where there are none."""
    ids: str | None = None
    """What ids are: "file", or the name of a column; None where rows have numbers alone."""
    source: str = ""
    skipped: tuple[str, ...] = ()
    """One "name: reason" for every malformed file that was left out."""
    notes: tuple[str, ...] = ()
    table: tuple[StoredColumn, ...] | None = None
    """What the numbers stand for, where columns have types of their own."""
    format: int = FORMAT

    def record(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)


_SHARD = {
    "name": str, "rows": int, "split": str, "sha256": str, "low": float | int | None, "high": float | int | None,
}  # fmt: skip
_COLUMN = {"name": str, "holds": str, "levels": [str]}
_FORM = {
    "shape": [int], "dtype": str, "shards": [_SHARD], "columns": ([str], type(None)),
    "label_names": ([str], type(None)), "labels": str | None, "ids": str | None, "source": str, "skipped": [str],
    "notes": [str], "table?": ([_COLUMN], type(None)), "format": int,
}  # fmt: skip


def read_index(folder: Path) -> Index:
    """Return the index of a folder of shards. Raises: FormatError where it is not sound."""
    path = folder / INDEX
    record = read_json(path)
    check_form(record, _FORM, path, "shards")
    if record["format"] != FORMAT:
        raise FormatError(f"{path}: must be of format {FORMAT}; got {record['format']}. Pack the data again.")
    plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in record.items()}
    plain["shards"] = tuple(Shard(**shard) for shard in record["shards"])
    if (table := record.get("table")) is not None:
        plain["table"] = tuple(StoredColumn(c["name"], c["holds"], tuple(c["levels"])) for c in table)
    index = Index(**plain)
    names = [column.name for column in index.table or ()]
    if index.table is not None and (len(set(names)) != len(names) or index.shape != (len(names),)):
        raise FormatError(
            f"{path}: must give {index.shape[0]} columns different names; got {names[:5]}. Pack the data again."
        )
    bad = [s.name for s in index.shards if not s.name.isdigit() or s.split not in SPLITS or s.rows < 1]
    if bad or not index.shards or any(n < 1 for n in index.shape) or np.dtype(index.dtype).kind not in "buif":
        raise FormatError(f"{path}: must list shards of numbers; got {bad[:3] or index.dtype}. Pack the data again.")
    return index


class Shards(StoredRows):
    """Rows of several `.npy` files, one after the other.

    Neighbouring rows are read into memory of their own, so that a pass over all of them takes none that stays; rows in
    any order are taken from a memory map.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        rows: Sequence[int],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        identity: str,
        first: int = 0,
    ) -> None:
        self.paths, self.dtype, self.identity, self.first = tuple(paths), dtype, identity, first
        self._starts = [0, *accumulate(rows)]
        self.shape = (self._starts[-1], *shape)
        self._maps: OrderedDict[int, Array] = OrderedDict()

    def read(self, start: int, stop: int) -> Array:
        """Return neighbouring rows."""
        rows = np.empty((stop - start, *self.shape[1:]), self.dtype)
        self.read_into(rows, start, stop)
        return rows

    def read_into(self, rows: Array, start: int, stop: int) -> None:
        """Read neighbouring rows into an array of as many, without a copy of them on the way."""
        shard, done = bisect_right(self._starts, start) - 1, 0
        while start + done < stop:
            first = start + done - self._starts[shard]
            count = min(stop, self._starts[shard + 1]) - start - done
            self._read_part(rows[done : done + count], shard, first)
            done, shard = done + count, shard + 1

    def _read_part(self, rows: Array, shard: int, first: int) -> None:
        size = self._starts[shard + 1] - self._starts[shard]
        with self.paths[shard].open("rb", buffering=0) as file:
            # Samples are what the file ends with; how long its header is does not matter.
            file.seek((first - size) * self.row_bytes, os.SEEK_END)
            view = memoryview(rows.reshape(-1).view(np.uint8).data)
            while len(view):
                count = file.readinto(view)
                if not count:
                    raise DataError(
                        f"{self.paths[shard]}: must hold {size} rows; it is cut short. Pack the data again."
                    )
                view = view[count:]

    def pick(self, rows: NDArray[np.int64]) -> Array:
        """Return rows in any order."""
        picked = np.empty((len(rows), *self.shape[1:]), self.dtype)
        shards = np.searchsorted(self._starts, rows, side="right") - 1
        for shard in np.unique(shards):
            here = np.flatnonzero(shards == shard)
            picked[here] = self._mapped(int(shard))[rows[here] - self._starts[shard]]
        return picked

    def numbers(self, positions: Any) -> NDArray[np.int64]:
        """Return the numbers of rows in the folder."""
        return np.asarray(positions, np.int64) + self.first

    def _mapped(self, shard: int) -> Array:
        if shard not in self._maps:
            if len(self._maps) >= OPENED:
                self._maps.popitem(last=False)
            rows = self._starts[shard + 1] - self._starts[shard]
            size = rows * self.row_bytes
            offset = self.paths[shard].stat().st_size - size
            self._maps[shard] = np.memmap(
                self.paths[shard], self.dtype, "r", offset=offset, shape=(rows, *self.shape[1:])
            )
        self._maps.move_to_end(shard)
        return self._maps[shard]


def read_shards(path: Path) -> Dataset:
    """Read a folder that `narrows data pack` wrote: samples stay on disk, labels and ids are read.

    Raises
    ------
    FormatError
        The index is not sound, or a file has another size than it says.
    """
    index = read_index(path)
    dtype = np.dtype(index.dtype)
    parts: dict[str, Any] = {}
    ids: dict[str, RowIds] = {}
    row = 0
    for split in SPLITS:
        shards = [shard for shard in index.shards if shard.split == split]
        if not shards:
            continue
        _check_sizes(path, shards, index, dtype)
        rows = [shard.rows for shard in shards]
        checksums = "".join(shard.sha256 for shard in shards)
        files = [path / f"{shard.name}.npy" for shard in shards]
        X = Shards(files, rows, index.shape, dtype, hashlib.sha256(checksums.encode()).hexdigest(), row)
        parts[split] = X if index.table is None else StoredTable(X, index.table)
        if index.labels is not None:
            parts[f"{split}_labels"] = _together(path, shards, ".y")
        if (values := _ids(path, shards, index)) is not None:
            ids[split] = RowIds(str(index.ids), values, np.arange(row, row + sum(rows)))
        row += sum(rows)
    if "train" not in parts:
        raise FormatError(f"{path / INDEX}: must list training rows; it lists none. Pack the data again.")
    how = "as packed" if len(parts) > 1 else "as published"
    return as_read(
        **parts, columns=index.columns, label_names=index.label_names, source=index.source or str(path), how=how,
        row_ids=ids, skipped=index.skipped, notes=(*index.notes, f"{len(index.shards)} shards, which stay on disk"),
    )  # fmt: skip


def _ids(path: Path, shards: Sequence[Shard], index: Index) -> Array | None:
    if index.ids is None or sum((path / f"{shard.name}.id.npy").stat().st_size for shard in shards) > IDS:
        return None
    values = _together(path, shards, ".id")
    return np.char.decode(values, "utf-8", "surrogateescape") if values.dtype.kind == "S" else values


def _together(path: Path, shards: Sequence[Shard], part: str) -> Array:
    return np.concatenate([np.load(path / f"{shard.name}{part}.npy", allow_pickle=False) for shard in shards])


def _check_sizes(path: Path, shards: Sequence[Shard], index: Index, dtype: np.dtype[Any]) -> None:
    for shard in shards:
        file = path / f"{shard.name}.npy"
        try:
            held = npy_header(file)
        except OSError as error:
            raise FormatError(f"{file}: must be there; {error.strerror}. Copy it, or pack the data again.") from error
        except DataError as error:
            raise FormatError(f"{error} Pack the data again.") from error
        if held != ((shard.rows, *index.shape), dtype):
            raise FormatError(
                f"{file}: must hold {shard.rows} rows of {index.shape} of {dtype}; got {held[1]} of {held[0]}. "
                "Pack the data again."
            )


def verify(path: Path) -> list[str]:
    """Return the names of shards whose files have another checksum than the index says; it reads all of them."""
    return [shard.name for shard in read_index(path).shards if checksum(path, shard.name) != shard.sha256]


def checksum(path: Path, name: str) -> str:
    """Return the checksum of a shard's files, one after the other."""
    digest = hashlib.sha256()
    for part in PARTS:
        file = path / f"{name}{part}.npy"
        if file.exists():
            with file.open("rb") as stream:
                while block := stream.read(2**20):
                    digest.update(block)
    return digest.hexdigest()
