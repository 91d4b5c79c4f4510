"""What a data set is once it is loaded, and how rows are divided into parts.

Shapes: tables (N, D), sequences (N, T, D), images (N, C, H, W). uint8 arrays are pixels 0..255 and stay uint8.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows.errors import ConfigError, DataError

__all__ = ["Array", "Dataset", "Files", "Parts", "check_share", "split_rows"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Files:
    """The files that rows were read from, one a row, and those that turned out to be malformed.

    Rows are divided by the names of all of them, so that a file that is malformed changes neither the order nor the
    part of any other.
    """

    names: tuple[str, ...]
    """Their names, in the order of the rows."""
    strata: Array | None
    """One integer class a file, or None."""
    read: Array
    """Row r was read from file read[r]; ascending."""

    def divided(self, share: float, *, seed: int, order: str) -> tuple[Array, Array, Files]:
        """Return the rows kept, those held out, and the files of those kept; see `split_rows`."""
        place = np.full(len(self.names), -1)
        place[self.read] = np.arange(len(self.read))
        kept, held = split_rows(len(self.names), share, seed=seed, strata=self.strata, names=self.names, order=order)
        return place[kept][place[kept] >= 0], place[held][place[held] >= 0], self.picked(kept)

    def first(self, count: int | None) -> Files:
        """Return so many of the files; None: all. A malformed one counts too, so that it lets no other row in."""
        return self if count is None else self.picked(np.arange(min(count, len(self.names))))

    def picked(self, files: Array) -> Files:
        """Return these of the files, by number."""
        return Files(
            tuple(self.names[i] for i in files),
            None if self.strata is None else self.strata[files],
            np.flatnonzero(np.isin(files, self.read)),
        )


@dataclass(frozen=True, eq=False)
class Dataset:
    """One data set in memory (or memory-mapped), divided into parts, with where it comes from.

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
    source: str = ""
    """Where the data come from: a package, an address, or a path."""
    licence: str = ""
    """Under which licence or terms the data may be used."""
    splits: Mapping[str, Any] = field(default_factory=dict)
    """How the parts were made: numbers of rows, seed, and one sentence for each part. Fit for JSON."""
    skipped: tuple[str, ...] = ()
    """One "name: reason" for every malformed file that was left out."""
    files: Files | None = None
    """For folders and archives of images: what the training rows were read from."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What `load_dataset` is given beside the name to load the same data again."""

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample: (D,), (T, D) or (C, H, W)."""
        return tuple(int(n) for n in self.train.shape[1:])

    @property
    def parts(self) -> dict[str, tuple[Array, Array | None]]:
        """Samples and labels of the parts that there are, by name: train, validation, test."""
        pairs = {
            "train": (self.train, self.train_labels),
            "validation": (self.validation, self.validation_labels),
            "test": (self.test, self.test_labels),
        }
        return {name: (X, y) for name, (X, y) in pairs.items() if X is not None}

    @property
    def judged(self) -> tuple[str, Array, Array | None]:
        """The part that models are judged by, in words (test, else validation, else training); samples and labels."""
        parts = self.parts
        name = next(name for name in ("test", "validation", "train") if name in parts)
        return ("training" if name == "train" else name, *parts[name])

    @cached_property
    def sha256(self) -> str:
        """Hash of every part's and label's name, type, shape and bytes; the same data have the same hash anywhere."""
        digest = hashlib.sha256()
        for part in ("train", "test", "validation", "train_labels", "test_labels", "validation_labels"):
            array = getattr(self, part)
            if array is None:
                continue
            digest.update(f"{part}|{array.dtype.newbyteorder('<').str}|{array.shape}|".encode())
            rows = max(1, 2**24 // max(1, array[:1].nbytes))
            for start in range(0, len(array), rows):  # in pieces: a memory map may be larger than the memory
                piece = array[start : start + rows]
                digest.update(np.ascontiguousarray(piece, dtype=piece.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()

    def standardised(self) -> Dataset:
        """Return this data set with every value at mean 0 and deviation 1 over the training rows, as float32.

        Values that are the same in all training rows become 0 there.
        """
        mean, deviation = (np.asarray(f(self.train, axis=0, dtype=np.float64)) for f in (np.mean, np.std))
        scale = np.where(deviation > 0, deviation, 1.0)
        changed = {name: ((X - mean) / scale).astype(np.float32) for name, (X, _) in self.parts.items()}
        return replace(self, **changed, splits={**self.splits, "standardised": True})

    def with_validation(self, share: float, *, seed: int = 0, shuffle: bool = True) -> Dataset:
        """Return this data set with a share of its training rows held out for validation.

        Parameters
        ----------
        share
            Share of the training rows, in (0, 1); classes keep their proportions.
        seed
            The same seed holds out the same rows.
        shuffle
            Whether rows are drawn at random rather than the last ones; of a memory map it is always the last ones.

        Raises
        ------
        ConfigError
            If the share is out of bounds, or there is a validation part already.
        """
        check_share("validation", share)
        if self.validation is not None:
            raise ConfigError(
                f"Dataset: validation must be left out, since {self.name!r} has a validation part of its own; "
                f"got {share!r}. Leave validation out."
            )
        order = _order_of(self.train) if shuffle else "last"
        if self.files is None:
            kept, held = split_rows(len(self.train), share, seed=seed, strata=self.train_labels, order=order)
            files = None
        else:
            kept, held, files = self.files.divided(share, seed=seed, order=order)
        if not len(held) or not len(kept):
            raise ConfigError(
                f"Dataset: validation must leave at least one row on both sides of {len(self.train)}; got {share!r}. "
                "Choose another share or add samples."
            )
        how = f"validation: {share:g} of the training rows, "
        how += _how(self.train, self.train_labels, seed, shuffle, named=files is not None)
        counts = {"train": len(kept), "validation": len(held)}
        return replace(
            self,
            train=_rows(self.train, kept),
            validation=_rows(self.train, held),
            train_labels=None if self.train_labels is None else self.train_labels[kept],
            validation_labels=None if self.train_labels is None else self.train_labels[held],
            splits={**self.splits, **counts, "how": f"{self.splits.get('how', 'as given')}; {how}"},
            files=files,
            options={**self.options, "validation": share},
        )

    def __repr__(self) -> str:
        parts = [("train", self.train), ("validation", self.validation), ("test", self.test)]
        sizes = ", ".join(f"{part}={len(rows)}" for part, rows in parts if rows is not None)
        return f"Dataset({self.name!r}, {sizes}, sample_shape={self.sample_shape}, dtype={self.train.dtype})"


@dataclass(eq=False)
class Parts:
    """What a reader hands over, before rows are divided, limited and reshaped."""

    train: Array
    test: Array | None = None
    validation: Array | None = None
    train_labels: Array | None = None
    test_labels: Array | None = None
    validation_labels: Array | None = None
    label_names: tuple[str, ...] | None = None
    source: str = ""
    licence: str = "as given by whoever made the file"
    how: str = "as published"
    shape: str | None = None  # the form to give where the caller asks for none
    skipped: tuple[str, ...] = ()
    files: Files | None = None  # of the training rows, where each is a file of its own

    def divided(self, share: float, *, seed: int, shuffle: bool) -> Parts:
        """Return these parts with a share of the rows moved from `train` to `test`."""
        order, strata = _order_of(self.train) if shuffle else "last", self.train_labels
        if self.files is None:
            kept, held = split_rows(len(self.train), share, seed=seed, strata=strata, order=order)
            files = None
        else:
            kept, held, files = self.files.divided(share, seed=seed, order=order)
        if not len(kept):
            raise DataError(
                f"load_dataset: test must leave at least one training row of {len(self.train)}; got {share!r}."
            )
        how = f"test: {share:g} of all rows, {_how(self.train, strata, seed, shuffle, named=files is not None)}"
        labels = self.train_labels
        return replace(
            self,
            train=_rows(self.train, kept),
            test=_rows(self.train, held) if len(held) else None,
            train_labels=None if labels is None else labels[kept],
            test_labels=labels[held] if labels is not None and len(held) else None,
            how=how if len(held) else "no test part: all rows are training rows",
            files=files,
        )


def split_rows(
    total: int,
    share: float,
    *,
    seed: int = 0,
    strata: Array | None = None,
    names: Sequence[str] | None = None,
    order: str = "seeded",
) -> tuple[Array, Array]:
    """Divide row numbers into those kept and those held out, exactly round(share * total) of them.

    Rows are put in a seeded order. Going through that order class by class, every (1 / share)-th row is held out, so
    that each class has its share to within one row, also where a class has a single row.

    Parameters
    ----------
    total
        Number of rows.
    share
        Share to hold out, in [0, 1).
    seed
        The same seed gives the same division.
    strata
        Integer classes (total,) whose proportions both sides keep; other types are ignored.
    names
        One name per row: the order is then that of a seeded hash of the names, so that it does not depend on how many
        other rows there are.
    order
        "seeded", or "last": no shuffling, the last rows are held out.

    Returns
    -------
    kept, held
        Row numbers, each in the seeded order (ascending for "last").

    Examples
    --------
    >>> kept, held = split_rows(10, 0.2, order="last")
    >>> held.tolist()
    [8, 9]
    """
    held_count = math.floor(share * total + 0.5)
    if order == "last":
        return np.arange(total - held_count), np.arange(total - held_count, total)
    if names is None:
        ranked = np.random.default_rng([seed, 0x73706C69]).permutation(total)
    else:
        keys = [hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogateescape")).digest() for name in names]
        ranked = np.array(sorted(range(total), key=keys.__getitem__), dtype=np.int64)
    by_class = np.arange(total)  # positions within `ranked`
    if strata is not None and strata.dtype.kind in "iub":
        by_class = np.argsort(strata[ranked], kind="stable")
    steps = np.arange(total + 1, dtype=np.int64) * held_count // max(total, 1)
    chosen = np.zeros(total, dtype=bool)
    chosen[by_class] = np.diff(steps) > 0
    return ranked[~chosen], ranked[chosen]


def check_share(parameter: str, share: float, *, zero: bool = False) -> None:
    """Raise ConfigError unless `share` is a number in (0, 1), or [0, 1) with `zero`."""
    bounds = "[0, 1)" if zero else "(0, 1)"
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not (0 < share < 1 or (zero and share == 0)):
        raise ConfigError(f"load_dataset: {parameter} must be a share of the rows in {bounds}; got {share!r}.")


def _order_of(rows: Array) -> str:
    # Picking rows one by one would copy a memory map into memory; slices of it stay on disk.
    return "last" if isinstance(rows, np.memmap) else "seeded"


def _rows(array: Array, rows: Array) -> Array:
    if isinstance(array, np.memmap) and len(rows):
        return array[int(rows[0]) : int(rows[-1]) + 1]
    return array[rows]


def _how(array: Array, strata: Array | None, seed: int, shuffle: bool, *, named: bool) -> str:
    if not shuffle or isinstance(array, np.memmap):
        return "the last ones, in file order"
    by = "by a seeded hash of the file names" if named else "drawn at random"
    same = ", classes in proportion" if strata is not None and strata.dtype.kind in "iub" else ""
    return f"{by}{same}, seed {seed}"
