"""Folders of arrays: each .npy file a sample, or one array each of samples, labels and test samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from narrows.data.dataset import Dataset, RowIds
from narrows.data.readers.arrays import from_arrays, from_samples, npy_array
from narrows.data.readers.arrow import IPC, PARQUET
from narrows.data.readers.checks import as_text, check_regular, reading
from narrows.data.readers.image_files import SUFFIXES
from narrows.data.readers.parts import TEXT
from narrows.data.readers.roles import KNOWN, choose

PARTS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "val": "validation",
    "valid": "validation", "validation": "validation",
}  # fmt: skip
"""Names of files that are the splits of one data set."""


def read_npy_folder(path: Path, *, transpose: bool = False) -> Dataset:
    """Read a folder of .npy files: X_train.npy, y_train.npy, ... as in an .npz; otherwise each file is a sample.

    Samples of different lengths (T_i, D) are sequences; sub-folders are classes.
    """
    files = sorted(path.rglob("*.npy"))
    for file in files:
        check_regular(file)
    with reading(path):
        arrays = {file.stem: np.asarray(npy_array(file)) for file in files}
        if len(arrays) == len(files) and KNOWN & arrays.keys():
            wanted = choose({name: array.shape for name, array in arrays.items()}, None, None, str(path))
            return from_arrays({role: arrays[name] for role, name in wanted.items()}, path, transpose=transpose)
        samples = [np.asarray(npy_array(file)) for file in files]
    folders = [file.parent.relative_to(path).as_posix() for file in files]
    names = sorted(set(folders))
    classes = len(names) > 1
    ids = RowIds(
        "file", np.array([as_text(file.relative_to(path).as_posix()) for file in files]), np.arange(len(files))
    )
    return from_samples(
        [sample.T for sample in samples] if transpose else samples, path, row_ids={"train": ids},
        train_labels=np.array([names.index(folder) for folder in folders]) if classes else None,
        label_names=tuple(map(as_text, names)) if classes else None,
    )  # fmt: skip


def parts_of(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Return the files of a folder that are splits, train.csv and test.csv, by the name of the split."""
    parts: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        bare = file.name.lower().removesuffix(".gz")
        if file.is_file() and bare.endswith(suffixes) and (split := PARTS.get(bare.rsplit(".", 1)[0])):
            parts.setdefault(split, file)
    return parts if "train" in parts else {}


def kinds_in(folder: Path) -> dict[str, bool]:
    """Return which kinds of files a folder holds: arrays, Arrow tables, and, where no images are, tables of text."""
    endings = {Path(file.name.lower().removesuffix(".gz")).suffix for file in folder.rglob("*") if file.is_file()}
    images = bool(endings & {*SUFFIXES})
    return {
        "npy": ".npy" in endings, "arrow": bool(endings & {*PARQUET, *IPC}),
        "text": not images and bool(endings & {*TEXT}),
    }  # fmt: skip
