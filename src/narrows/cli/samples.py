"""Samples that a command works on, and the files that it writes, in which every row can be traced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from narrows.cli.arguments import Source
from narrows.cli.console import out
from narrows.data import DATASETS, RowIds
from narrows.data.arrays import Array
from narrows.data.dataset import Dataset
from narrows.data.types_table import MixedTable
from narrows.errors import ConfigError, did_you_mean
from narrows.runs import Run
from narrows.storage.columns import ENDINGS, Part, write_columns
from narrows.storage.hub import is_fetched

SPLITS = ("train", "validation", "test", "all")


class Samples(NamedTuple):
    """The samples that flags name."""

    split: str
    """In words: training, validation, test, all; empty for all of a file."""
    X: Any
    """(N, *shape)."""
    y: Array | None
    """(N,), or None."""
    ids: RowIds
    """What tells the rows apart."""

    @property
    def what(self) -> str:
        """How many there are of which kind, in words: 359 test samples."""
        kind = "" if self.split in ("", "all") else f"{self.split} "
        return f"{len(self.X):,} {kind}sample{'s' if len(self.X) != 1 else ''}"

    def keys(self, label_names: Sequence[str] | None) -> dict[str, Array]:
        """Return the columns that every file begins with: the row, its id where it has one, and its label."""
        columns = {"row": self.ids.rows}
        if self.ids.name != "row":
            columns[self.ids.name] = self.ids.values
        if self.y is not None:
            names = None if label_names is None else np.array(label_names)
            columns["label"] = self.y if names is None else names[self.y.astype(np.int64)]
        return columns


def samples_of(dataset: Dataset, source: Source, index: str | None = None) -> Samples:
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
    (name, X, y), ids = dataset.split(split), dataset.ids(split)
    if index is None:
        return Samples(name, X, y, ids)
    try:
        rows = [int(i) for i in index.split(",")]
    except ValueError:
        rows = [-1]
    if not all(0 <= i < len(X) for i in rows):
        raise ConfigError(f"--index must be whole numbers from 0 to {len(X) - 1}, such as 7 or 0,3,5; got {index!r}.")
    picked = [X[i] for i in rows] if isinstance(X, list) else X[rows]
    return Samples(name, picked, None if y is None else y[rows], ids.take(rows))


def target(run: Run, source: Source, default: str, endings: tuple[str, ...] = ENDINGS) -> Path:
    """Return the file to write, its folder made: what --out says, or `default` in the run's folder.

    Raises ConfigError where it has none of the endings, cannot lie where it should, or is there and --force is not.
    """
    if source.out is None and is_fetched(run.folder):
        raise ConfigError(f"--out must be given for a model of the hub, such as --out {default}.")
    file = run.folder / default if source.out is None else Path(source.out)
    if file.suffix.lower() not in endings:
        *first, last = endings
        raise ConfigError(f"--out must end in {', '.join(first)} or {last}; got {str(file)!r}.")
    check_new(source)
    keys = keys_path(file)
    if keys is not None and keys.exists() and not file.exists() and not source.force:
        raise ConfigError(
            f"--out must be a new file; {str(keys)!r} goes with it, and is there. Add --force to replace it."
        )
    if file.parent.exists() and not file.parent.is_dir():
        raise ConfigError(f"--out must lie in a folder; got {str(file)!r}.")
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def keys_path(path: Path) -> Path | None:
    """Return the file beside a .npy file that tells its rows apart; None for others, which hold that themselves."""
    return path.with_suffix(".keys.csv") if path.suffix.lower() == ".npy" else None


def check_new(source: Source) -> None:
    """Raise ConfigError where --out names a file that is there, unless --force is given."""
    if source.out is not None and not source.force and Path(source.out).exists() and not Path(source.out).is_dir():
        raise ConfigError(f"--out must be a new file; {source.out!r} is there. Add --force to replace it.")


class Written:
    """Says which files a command has written, and which of them took the place of others."""

    def __init__(self, *folders: Path) -> None:
        self.before = {path for folder in folders if folder.is_dir() for path in folder.iterdir()}

    def say(self, *paths: Path) -> None:
        """Print each path on a line of its own, so that it can be clicked and copied."""
        for path in paths:
            out().print(str(path) + ("  replaced" if path in self.before else ""), soft_wrap=True)


def write_samples(
    path: Path, keys: Mapping[str, Array], columns: Mapping[str, Array], arrays: Mapping[str, Any], steps: Any = None
) -> list[Path]:
    """Write numbers of samples with what tells their rows apart, and return the files; see `write_columns`.

    With .npy, which holds numbers alone, that is a second file, where there is more of it than the rows' number.

    Parameters
    ----------
    path
        Ends in one of `ENDINGS`.
    keys
        Of `Samples.keys`.
    columns
        For .csv and .parquet, by name: (N,).
    arrays
        For .npz, and the first of them for .npy: (N, ...); of sequences of different lengths the ends are NaN.
    steps
        (N,), of sequences, each step of which is a row; None where a sample is one.
    """
    part = keyed(keys, columns, arrays, steps)
    beside = keys_path(path)
    if beside is not None and len(keys) == 1 and np.array_equal(keys["row"], np.arange(len(keys["row"]))):
        beside = None
    if beside is not None:
        write_columns(beside, keys, {})
    write_columns(path, part.columns, part.arrays)
    return [path] if beside is None else [path, beside]


def keyed(
    keys: Mapping[str, Array], columns: Mapping[str, Array], arrays: Mapping[str, Any], steps: Any = None
) -> Part:
    """Return numbers of samples with what tells their rows apart, as columns and as arrays; see `write_samples`."""
    named = {f"{name}_" if name in columns else name: values for name, values in keys.items()}
    rows = dict(named)
    if steps is not None:
        rows = {name: np.repeat(values, steps) for name, values in named.items()}
        rows["step"] = np.concatenate([np.arange(n) for n in steps])
    return Part({**rows, **columns}, {**{name: _padded(values) for name, values in arrays.items()}, **named})


def write_table(path: Path, keys: Mapping[str, Array], table: Any) -> None:
    """Write a table of typed columns, a frame or a `MixedTable`, with what tells its rows apart: .csv or .parquet."""
    from narrows.data.frames import frame_of
    from narrows.data.types_frames import mixed_table

    mixed = table if isinstance(table, MixedTable) else mixed_table(frame_of(table), "write")
    columns = {name: values.cells() for name, values in mixed.columns.items()}
    write_columns(path, {**{f"{name}_" if name in columns else name: v for name, v in keys.items()}, **columns}, {})


def _padded(values: Any) -> Array:
    """Return samples as one array; sequences of different lengths end in NaN."""
    if not isinstance(values, list) or len({len(sequence) for sequence in values}) == 1:
        return np.asarray(values)
    padded = np.full((len(values), max(map(len, values)), *values[0].shape[1:]), np.nan)
    for row, sequence in zip(padded, values, strict=True):
        row[: len(sequence)] = sequence
    return padded


def feature_columns(X: Any, names: Sequence[str] | None, prefix: str = "") -> tuple[dict[str, Array], Any]:
    """Return samples as columns, and of sequences their numbers of steps: a column per feature, of images per pixel."""
    steps = None
    if isinstance(X, list) or X.ndim == 3:
        steps, flat = [len(sequence) for sequence in X], np.concatenate(list(X))
    else:
        flat = np.asarray(X).reshape(len(X), -1)
    names = names if names is not None and len(names) == flat.shape[1] else numbered("value", flat.shape[1])
    return {f"{prefix}{name}": flat[:, i] for i, name in enumerate(names)}, steps


def numbered(name: str, n: int) -> list[str]:
    """Return the names of n columns: code_1, code_2, ..."""
    return [f"{name}_{i + 1}" for i in range(n)]
