"""What a data set is once it is loaded.

Shapes: tables (N, D), sequences (N, T, D), images (N, C, H, W). uint8 arrays are pixels 0..255 and stay uint8.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from narrows.data import options
from narrows.data.arrays import Array
from narrows.data.derived import Joined
from narrows.data.held_out import amount, held_out_rows
from narrows.data.splits import SourceFiles
from narrows.data.stored import StoredRows, stored
from narrows.data.types_stored import StoredTable, joined_tables
from narrows.data.types_table import MixedTable, joined
from narrows.errors import ConfigError, DataError


class Split(NamedTuple):
    """The samples of one split of a data set, and their labels."""

    name: str
    """In words: training, validation or test."""
    X: Array
    """(N, *sample_shape)."""
    y: Array | None
    """(N,), or None."""


class RowIds(NamedTuple):
    """What tells the rows of a split apart, row by row, so that what is computed from them can be traced."""

    name: str
    """What the values are: "row", "file", "time", or the name of the column that holds them."""
    values: Array
    """(N,): numbers of rows, names of files, or the values of a column, as text or numbers."""
    rows: Array
    """(N,): the number of each row in its file, from 0."""

    @classmethod
    def numbered(cls, n: int) -> RowIds:
        """Return the ids of rows that have none but their numbers."""
        return cls("row", np.arange(n), np.arange(n))

    def take(self, rows: Any) -> RowIds:
        """Return the ids of these rows, by position or slice."""
        return RowIds(self.name, self.values[rows], self.rows[rows])


@dataclass(frozen=True, eq=False)
class Dataset:
    """One data set in memory (or memory-mapped), divided into training, validation and test samples.

    Shapes: `train`, `test`, `validation` (N, *sample_shape); labels (N,).

    Examples
    --------
    >>> from narrows.data import load_dataset
    >>> data = load_dataset("digits")
    >>> data.train.shape, data.test.shape, data.sample_shape
    ((1438, 64), (359, 64), (64,))
    """

    name: str
    """The name or the path that it was loaded by."""
    train: Array
    """Training samples, (N, *sample_shape)."""
    test: Array | None = None
    """Test samples, or None."""
    validation: Array | None = None
    """Samples for model choice and early stopping, or None."""
    train_labels: Array | None = None
    """One integer class (or one number) per training sample, or None."""
    test_labels: Array | None = None
    """One label per test sample, or None."""
    validation_labels: Array | None = None
    """One label per validation sample, or None."""
    label_names: tuple[str, ...] | None = None
    """Name of class i at position i, where classes have names."""
    row_ids: Mapping[str, RowIds] = field(default_factory=dict)
    """What tells the rows of a split apart, by the split's name; `ids` has them for splits without an entry, too."""
    columns: tuple[str, ...] | None = None
    """Names of the features of a table (N, D) or of windows of one (N, T, D), where the file names them."""
    source: str = ""
    """Where the data come from: a package, an address, or a path."""
    licence: str = ""
    """Under which licence or terms the data may be used."""
    splits: Mapping[str, Any] = field(default_factory=dict)
    """How the splits were made: numbers of rows, seed, and one sentence for each. Fit for JSON."""
    notes: tuple[str, ...] = ()
    """What was decided in reading a file, each in a phrase: whether it has a header, what was left out."""
    other_columns: Mapping[str, str] = field(default_factory=dict)
    """Columns of the file that are no features, and what they are: label, id, split, or left out. Fit for JSON."""
    axes: str | None = None
    """The order of the axes of images in the file, "NHWC" or "NHW"; None where it was (N, C, H, W)."""
    ordered: bool = False
    """Whether rows are in the order of time: they are not shuffled then unless one asks for it."""
    overlap: int = 0
    """How many rows after a row share values with it, as windows do: these are not held out beside it."""
    skipped: tuple[str, ...] = ()
    """One "name: reason" for every malformed file that was left out."""
    files: SourceFiles | None = None
    """For folders and archives of images: what the training rows were read from."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What `load_dataset` is given beside the name to load the same data again."""

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample: (D,), (T, D) or (C, H, W); of sequences that differ, of the longest."""
        if self.train.dtype == object:
            return max(map(len, self.train)), int(self.train[0].shape[1])
        return tuple(int(n) for n in self.train.shape[1:])

    @property
    def typed(self) -> bool:
        """Whether samples are rows of a table whose columns have types of their own: text, times and the like."""
        return isinstance(self.train, MixedTable)

    @property
    def split_names(self) -> tuple[str, ...]:
        """The names of the splits that there are, of train, validation and test."""
        return tuple(name for name in ("train", "validation", "test") if getattr(self, name) is not None)

    def split(self, name: str) -> Split:
        """Return the samples and labels of a split; "all" are those of every split, in the order of the file.

        Raises
        ------
        ConfigError
            There is no such split.
        """
        if name == "all":
            return self._all()
        if name not in self.split_names:
            names = ", ".join((*self.split_names, "all"))
            raise ConfigError(f"split must be one of {names} for {self.name!r}; got {name!r}.")
        return Split("training" if name == "train" else name, getattr(self, name), getattr(self, f"{name}_labels"))

    def ids(self, name: str) -> RowIds:
        """Return what tells the rows of a split, or of "all" of them, apart, in the order in which `split` has them."""
        if name != "all":
            X = self.split(name).X
            if (known := self.row_ids.get(name)) is not None:
                return known
            rows: Any = X.rows if isinstance(X, MixedTable) else X
            if isinstance(rows, StoredRows):
                numbers = rows.numbers(np.arange(len(X)))
                return RowIds("row", numbers, numbers)
            return RowIds.numbered(len(X))
        each = [self.ids(split) for split in self.split_names]
        together = RowIds(
            each[0].name, np.concatenate([ids.values for ids in each]), np.concatenate([ids.rows for ids in each])
        )
        return together.take(self._order())

    def _order(self) -> Array:
        """Return positions in the splits, one after the other, in the order of the file.

        Splits that were read from different files or arrays stay one after the other.
        """
        rows = np.concatenate([self.ids(split).rows for split in self.split_names])
        return np.argsort(rows) if len(np.unique(rows)) == len(rows) else np.arange(len(rows))

    def _all(self) -> Split:
        splits = [self.split(name) for name in self.split_names]
        if len(splits) == 1 and (np.diff(self.ids(self.split_names[0]).rows) > 0).all():
            return splits[0]._replace(name="")
        order, labels = self._order(), [y for _, _, y in splits if y is not None]
        y = np.concatenate(labels)[order] if len(labels) == len(splits) else None
        name, parts = "all" if len(splits) > 1 else "", [X for _, X, _ in splits]
        if isinstance(parts[0], StoredTable):
            return Split(name, joined_tables(parts, order), y)
        if isinstance(parts[0], StoredRows):
            return Split(name, Joined([stored(X) for X in parts], order), y)
        together = joined(parts) if isinstance(parts[0], MixedTable) else np.concatenate(parts)
        return Split(name, together[order], y)

    @property
    def evaluation_split(self) -> Split:
        """What models are evaluated on: the test split, else the validation split, else the training split."""
        return self.split(next(name for name in ("test", "validation", "train") if name in self.split_names))

    @cached_property
    def sha256(self) -> str:
        """Hash of every split's and label's name, type, shape and bytes; the same data have the same hash anywhere."""
        digest = hashlib.sha256()
        for name in ("train", "test", "validation", "train_labels", "test_labels", "validation_labels"):
            array = getattr(self, name)
            if array is None:
                continue
            if isinstance(array, MixedTable):
                digest.update(f"{name}|{array.shape}|".encode())
                array.update(digest)
                continue
            if isinstance(array, StoredRows):
                digest.update(f"{name}|{array.dtype.str}|{array.shape}|{array.identity}".encode())
                continue
            if array.dtype == object:  # sequences of different lengths
                for part in array:
                    digest.update(f"{name}|{part.dtype.newbyteorder('<').str}|{part.shape}|".encode())
                    digest.update(np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<")).tobytes())
                continue
            digest.update(f"{name}|{array.dtype.newbyteorder('<').str}|{array.shape}|".encode())
            rows = max(1, 2**24 // max(1, array[:1].nbytes))
            for start in range(0, len(array), rows):  # in pieces: a memory map may be larger than the memory
                piece = array[start : start + rows]
                digest.update(np.ascontiguousarray(piece, dtype=piece.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()

    def with_validation(self, share: float, *, seed: int = 0, shuffle: bool | None = None) -> Dataset:
        """Return this data set with a share of its training rows held out for validation.

        Parameters
        ----------
        share
            Share of the training rows, in (0, 1), or a number of rows; classes keep their proportions.
        seed
            The same seed holds out the same rows.
        shuffle
            Whether rows are drawn at random rather than the last ones; None: unless they are in the order of time. Of a
            memory map it is always the last ones.

        Raises
        ------
        ConfigError
            If the share is out of bounds, or there is a validation split already.
        """
        share = options.share("validation", share)
        if self.validation is not None:
            raise ConfigError(
                f"Dataset: validation must be left out, since {self.name!r} has a validation split already; "
                f"got {share!r}. Leave validation out."
            )
        parts, (n_kept, n_held_out), how = held_out_rows(self, "validation", share, seed=seed, shuffle=shuffle)
        if not n_held_out or not n_kept:
            raise ConfigError(
                f"Dataset: validation must leave at least one row on both sides of {len(self.train)}; got {share!r}. "
                "Choose another share or add samples."
            )
        how = f"{self.splits.get('how', 'as given')}; validation: {amount(share)} of the training rows, {how}"
        splits = {**self.splits, "train": n_kept, "validation": n_held_out, "how": how}
        return replace(self, **parts, splits=splits, options={**self.options, "validation": share})

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}={len(getattr(self, name))}" for name in self.split_names)
        return f"Dataset({self.name!r}, {sizes}, sample_shape={self.sample_shape}, dtype={self.train.dtype})"


def as_read(
    train: Array, *, licence: str = "as given by whoever made the file", how: str = "as published", **rest: Any
) -> Dataset:
    """Return what a reader has read, before it has a name and its rows are divided, limited and reshaped."""
    return Dataset("", train, licence=licence, splits={"how": how}, **rest)


def with_test(data: Dataset, share: float, *, seed: int, shuffle: bool | None) -> Dataset:
    """Return a data set with a share, or a number, of its training rows held out as test rows."""
    parts, (n_kept, n_held_out), how = held_out_rows(data, "test", share, seed=seed, shuffle=shuffle)
    if not n_kept:
        raise DataError(f"load_dataset: test must leave at least one training row of {len(data.train)}; got {share!r}.")
    how = f"test: {amount(share)} of all rows, {how}" if n_held_out else "no test split: all rows are training rows"
    none = {} if n_held_out else {"test": None, "test_labels": None}
    return replace(data, **(parts | none), splits={"how": how})


def sizes_of(splits: Mapping[str, Any]) -> str:
    """Return the sizes in `Dataset.splits` in words: 4,500 training, 500 test."""
    names = {"train": "training", "validation": "validation", "test": "test"}
    return ", ".join(f"{splits[key]:,} {name}" for key, name in names.items() if splits.get(key))
