"""Which reader takes which file."""

from __future__ import annotations

import inspect
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from narrows.data.dataset import Dataset
from narrows.data.parquet import read_in_place, read_parquet
from narrows.data.readers.arrays import read_npy, read_npz
from narrows.data.readers.arrow import IPC, PARQUET, arrow_table
from narrows.data.readers.checks import check_regular, is_litter
from narrows.data.readers.directories import kinds_in, parts_of, read_npy_folder
from narrows.data.readers.hdf5 import read_h5ad, read_hdf5
from narrows.data.readers.idx import read_idx
from narrows.data.readers.image_files import SUFFIXES
from narrows.data.readers.images import read_image, read_image_zip, read_images
from narrows.data.readers.mat import read_mat
from narrows.data.readers.parts import TEXT
from narrows.data.readers.table import Table, Use
from narrows.data.readers.tables import csv_table, json_table, table_reader, workbook_table
from narrows.data.readers.tensors import read_tensors
from narrows.data.shards import INDEX, read_shards
from narrows.errors import DataError

read_csv, read_workbook = table_reader(csv_table), table_reader(workbook_table)
read_json, read_arrow = table_reader(json_table), table_reader(arrow_table)
JSON = (".json", ".jsonl", ".ndjson")
TABLES: dict[str, Callable[..., Dataset]] = {
    **dict.fromkeys(TEXT, read_csv), ".xlsx": read_workbook, ".xlsm": read_workbook, **dict.fromkeys(JSON, read_json),
    **dict.fromkeys((*PARQUET, *IPC), read_arrow),
}  # fmt: skip
READERS: dict[str, Callable[..., Dataset]] = {
    ".npy": read_npy, ".npz": read_npz, **TABLES, ".mat": read_mat, ".h5": read_hdf5, ".hdf5": read_hdf5,
    ".h5ad": read_h5ad, ".pt": read_tensors, ".pth": read_tensors, ".idx": read_idx, ".zip": read_image_zip,
    **dict.fromkeys(SUFFIXES, read_image),
}  # fmt: skip
"""Readers by the ending of a file, in small letters."""
_PACKED = (read_csv, read_json, read_idx)
"""Readers of files that may be packed by gzip."""


def file_loader(name: str) -> Callable[..., Dataset] | None:
    """Return what reads the file or folder of this name, None if nothing is there; DataError if no reader takes it."""
    path = Path(name)
    try:
        exists, folder = bool(name) and path.exists(), path.is_dir()  # an empty name would be the current folder
    except (OSError, ValueError):  # names too long, or with a zero byte
        return None
    if not exists:
        return None
    if folder:
        return _folder_loader(path)
    reader = _reader_for(path)
    if reader is None:
        raise DataError(
            f"load_dataset: {name!r} must end in one of {', '.join(READERS)}, be an IDX file or a folder; "
            f"got {path.suffix or 'no ending'!r}. {_OTHERS.get(path.suffix.lower(), 'Rename or convert it.')}"
        )
    check_regular(path)
    return partial(read_parquet if read_in_place(path) else reader, path)


_OTHERS = {
    ".xls": "Save it as .xlsx or .csv.", ".pkl": "A pickle could run code when loaded: save it as .npy or .parquet.",
    ".rds": "Save it by write.csv or arrow::write_parquet.", ".rdata": "Save it by write.csv or arrow::write_parquet.",
    ".dta": "Save it as .csv or .parquet, as by pandas' read_stata.", ".sav": "Save it as .csv.",
}  # fmt: skip
"""What to do with files that no reader takes."""


def reads_images(name: str) -> bool:
    """Return whether the folder or archive of this name is read as image files."""
    if split_files(name) or Path(name).suffix.lower() in SUFFIXES:
        return False
    reader = getattr(file_loader(name), "func", None)
    return reader in (read_images, read_image_zip)


def table_of_file(name: str, options: Mapping[str, Any]) -> tuple[Table, list[Use]] | None:
    """Return a table file as it is read, and what becomes of its columns; None for anything else.

    `options` are those of `load_dataset`. A folder of train.csv and test.csv is its first one.
    """
    path = str(split_files(name).get("train", name))
    reader: Any = getattr(file_loader(path), "func", None)
    if (read := getattr(reader, "table", None)) is None:
        return None
    known = inspect.signature(reader).parameters.keys()
    own = inspect.signature(read).parameters.keys()
    table: Table = read(Path(path), **{name: value for name, value in options.items() if name in own})
    rest = {name: value for name, value in options.items() if name in known and name not in own}
    return table, table.uses(**rest)


def looks_like_path(name: str) -> bool:
    """Tell whether a name that does not exist was meant as a path rather than as that of a data set."""
    path = Path(name)
    return len(path.parts) > 1 or path.suffix.lower() in (*READERS, ".gz")


def split_files(name: str) -> dict[str, Path]:
    """Return the files of a folder that holds train.csv, test.csv and so on, by split; of anything else none."""
    try:
        return parts_of(Path(name), tuple(ending for ending in READERS if ending not in (".zip", ".npy")))
    except (OSError, ValueError):  # no folder, or no name of one
        return {}


def _folder_loader(path: Path) -> Callable[..., Dataset]:
    if (path / INDEX).is_file():
        return partial(read_shards, path)
    if read_in_place(path):
        return partial(read_parquet, path)
    if (idx := _idx_in(path)) is not None:
        return partial(read_idx, idx)
    kinds = kinds_in(path)
    if kinds["npy"]:
        return partial(read_npy_folder, path)
    return partial(read_arrow if kinds["arrow"] else read_csv if kinds["text"] else read_images, path)


def _reader_for(path: Path) -> Callable[..., Dataset] | None:
    bare = path.name.lower().removesuffix(".gz")
    if bare.endswith("-ubyte"):
        return read_idx
    suffix = Path(bare).suffix
    reader = READERS.get(suffix)
    if suffix == ".zip" and (inner := _lone_table(path)) is not None:
        return inner
    packed = bare != path.name.lower()
    return None if packed and reader not in _PACKED else reader


def _lone_table(path: Path) -> Callable[..., Dataset] | None:
    """Return what reads a zip archive of one text table, None where it holds anything else."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and not is_litter(name)]
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return None  # the reader of images says what is wrong
    if len(names) != 1 or names[0].lower().endswith(SUFFIXES):
        return None
    endings = (PurePosixPath(name.lower()).suffix for name in (names[0], path.name.lower().removesuffix(".zip")))
    return next((READERS[ending] for ending in endings if READERS.get(ending) in _PACKED), None)


def _idx_in(folder: Path) -> Path | None:
    """Return the training images of a folder laid out as MNIST is."""
    files = [folder / f"train-images-idx3-ubyte{ending}" for ending in ("", ".gz")]
    return next((file for file in files if file.is_file()), None)
