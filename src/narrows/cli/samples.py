"""Samples that a command works on, and the files that it writes."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from narrows.cli.arguments import Source
from narrows.data import DATASETS, Dataset
from narrows.errors import ConfigError, did_you_mean
from narrows.estimators.base import Array
from narrows.runs import Run
from narrows.storage.atomic import write_bytes

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Samples", "samples_of", "target", "write_array", "write_codes", "write_picture"]

PARTS = ("train", "validation", "test", "all")


class Samples(NamedTuple):
    """Samples of one part of a data set, or of all."""

    X: Array
    labels: Array | None
    label_names: tuple[str, ...] | None
    part: str
    """In words; empty where there is only one."""

    def rows(self, index: str | None) -> Array:
        """Return the samples at positions such as "0,3,5"; all of them for None.

        Raises
        ------
        ConfigError
            A position is not a whole number below the number of samples.
        """
        if index is None:
            return self.X
        try:
            rows = [int(i) for i in index.split(",")]
        except ValueError:
            rows = [-1]
        if not all(0 <= i < len(self.X) for i in rows):
            last = len(self.X) - 1
            raise ConfigError(f"--index must be whole numbers from 0 to {last}, such as 7 or 0,3,5; got {index!r}.")
        return self.X[rows]


def samples_of(run: Run, source: Source) -> Samples:
    """Return the samples that flags name: of a run's own data its test samples, of another file all, in its order.

    Raises
    ------
    ConfigError
        The data have no such part.
    """
    part = source.part
    if part is not None and part not in PARTS:
        raise ConfigError(f"--part must be one of {', '.join(PARTS)}; got {part!r}.{did_you_mean(part, PARTS)}")
    if part is None and source.data is not None and source.data not in DATASETS:
        part = "all"
    return _part(source.dataset(run), part)


def _part(dataset: Dataset, part: str | None) -> Samples:
    if part == "all":
        splits = [dataset.split(name) for name in dataset.split_names]
        labels = [y for _, _, y in splits if y is not None]
        y = np.concatenate(labels) if len(labels) == len(splits) else None
        X = np.concatenate([X for _, X, _ in splits])
        return Samples(X, y, dataset.label_names, "all" if len(splits) > 1 else "")
    split = dataset.split(part or ("test" if dataset.test is not None else "train"))
    return Samples(split.X, split.y, dataset.label_names, split.name)


def target(run: Run, path: str | None, default: str, endings: tuple[str, ...]) -> Path:
    """Return the file to write, its folder made: `path`, or `default` in the run's folder.

    Raises
    ------
    ConfigError
        It has none of the endings, or cannot lie where it should.
    """
    file = run.folder / default if path is None else Path(path)
    if file.suffix.lower() not in endings:
        raise ConfigError(f"--out must end in {' or '.join(endings)}; got {str(file)!r}.")
    if file.parent.exists() and not file.parent.is_dir():
        raise ConfigError(f"--out must lie in a folder; got {str(file)!r}.")
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def write_codes(path: Path, Z: Array, samples: Samples) -> None:
    """Write codes (N, latent dimension) as CSV: a column per latent, and the label where there is one."""
    columns = [f"code_{i + 1}" for i in range(Z.shape[1])]
    rows: list[list[Any]] = Z.tolist()
    if samples.labels is not None:
        columns.append("label")
        for row, label in zip(rows, samples.labels.tolist(), strict=True):
            row.append(label if samples.label_names is None else samples.label_names[int(label)])
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_bytes(path, buffer.getvalue().encode())


def write_array(path: Path, X: Array) -> None:
    """Write an array as .npy."""
    buffer = io.BytesIO()
    np.save(buffer, X, allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def write_picture(path: Path, picture: Image.Image) -> None:
    """Write a picture as PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    write_bytes(path, buffer.getvalue())
