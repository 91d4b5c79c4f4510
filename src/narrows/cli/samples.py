"""Samples that a command works on, and the files that it writes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from narrows.cli.arguments import Source
from narrows.data import DATASETS
from narrows.data.arrays import Array
from narrows.data.dataset import Dataset, Split
from narrows.errors import ConfigError, did_you_mean
from narrows.runs import Run
from narrows.storage.atomic import write_bytes, write_text

SPLITS = ("train", "validation", "test", "all")


def samples_of(dataset: Dataset, source: Source, index: str | None = None) -> Split:
    """Return the samples that flags name: the test samples, or of a file all, in its order.

    `index` holds positions within the split, such as "0,3,5"; None takes all. Raises ConfigError where there is no such
    split or position.
    """
    split = source.split
    if split is not None and split not in SPLITS:
        raise ConfigError(f"--split must be one of {', '.join(SPLITS)}; got {split!r}.{did_you_mean(split, SPLITS)}")
    if split is None:
        from_file = source.data is not None and source.data not in DATASETS
        split = "all" if from_file else "test" if dataset.test is not None else "train"
    name, X, y = dataset.split(split)
    if index is None:
        return Split(name, X, y)
    try:
        rows = [int(i) for i in index.split(",")]
    except ValueError:
        rows = [-1]
    if not all(0 <= i < len(X) for i in rows):
        raise ConfigError(f"--index must be whole numbers from 0 to {len(X) - 1}, such as 7 or 0,3,5; got {index!r}.")
    return Split(name, X[rows], None if y is None else y[rows])


def target(run: Run, path: str | None, default: str, endings: tuple[str, ...]) -> Path:
    """Return the file to write, its folder made: `path`, or `default` in the run's folder.

    Raises ConfigError where it has none of the endings, or cannot lie where it should.
    """
    file = run.folder / default if path is None else Path(path)
    if file.suffix.lower() not in endings:
        raise ConfigError(f"--out must end in {' or '.join(endings)}; got {str(file)!r}.")
    if file.parent.exists() and not file.parent.is_dir():
        raise ConfigError(f"--out must lie in a folder; got {str(file)!r}.")
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def write_codes(path: Path, Z: Array, y: Array | None, label_names: Sequence[str] | None) -> None:
    """Write codes (N, *code shape) as CSV: a column per value, and the label where there is one."""
    flat = Z.reshape(len(Z), -1)
    columns = [f"code_{i + 1}" for i in range(flat.shape[1])]
    rows: list[list[Any]] = flat.tolist()
    if y is not None:
        columns.append("label")
        for row, label in zip(rows, y.tolist(), strict=True):
            row.append(label if label_names is None else label_names[int(label)])
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([columns, *rows])
    write_text(path, buffer.getvalue())


def write_array(path: Path, X: Array) -> None:
    """Write an array as .npy."""
    buffer = io.BytesIO()
    np.save(buffer, X, allow_pickle=False)
    write_bytes(path, buffer.getvalue())
