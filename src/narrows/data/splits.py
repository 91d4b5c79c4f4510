"""Dividing rows into those kept and those held out, by a seed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from narrows.data.arrays import Array


def split_rows(
    total: int,
    share: float,
    *,
    seed: int = 0,
    strata: Array | None = None,
    names: Sequence[str] | None = None,
    order: str = "seeded",
) -> tuple[Array, Array]:
    """Divide row numbers into those kept and those held out, exactly round(share * total) of them, or `share` of them.

    Rows are put in a seeded order. Going through that order class by class, every (1 / share)-th row is held out, so
    that each class has its share to within one row, also where a class has a single row.

    Parameters
    ----------
    total
        Number of rows.
    share
        Share to hold out, in [0, 1), or number of rows.
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
    kept, held_out
        Row numbers, each in the seeded order (ascending for "last").

    Examples
    --------
    >>> kept, held_out = split_rows(10, 0.2, order="last")
    >>> held_out.tolist()
    [8, 9]
    """
    count = min(int(share), total) if isinstance(share, int | np.integer) else math.floor(share * total + 0.5)
    if order == "last":
        return np.arange(total - count), np.arange(total - count, total)
    if names is None:
        ranked = np.random.default_rng([seed, 0x73706C69]).permutation(total)
    else:
        keys = [hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogateescape")).digest() for name in names]
        ranked = np.array(sorted(range(total), key=keys.__getitem__), dtype=np.int64)
    by_class = np.arange(total)  # positions within `ranked`
    if strata is not None and strata.dtype.kind in "iub":
        by_class = np.argsort(strata[ranked], kind="stable")
    steps = np.arange(total + 1, dtype=np.int64) * count // max(total, 1)
    chosen = np.zeros(total, dtype=bool)
    chosen[by_class] = np.diff(steps) > 0
    return ranked[~chosen], ranked[chosen]


@dataclass(frozen=True, eq=False)
class SourceFiles:
    """The files that rows were read from, one a row, and those that turned out to be malformed.

    Rows are divided by the names of all of them, so that a malformed file changes neither the order nor the split of
    any other.
    """

    names: tuple[str, ...]
    """Their names, in the order of the rows."""
    strata: Array | None
    """One integer class a file, or None."""
    rows: Array
    """Row r was read from file rows[r]; ascending."""

    def divide(self, share: float, *, seed: int, order: str) -> tuple[Array, Array, SourceFiles]:
        """Return the rows kept, those held out, and the files of those kept; see `split_rows`."""
        row_of = np.full(len(self.names), -1)
        row_of[self.rows] = np.arange(len(self.rows))
        kept, held_out = split_rows(
            len(self.names), share, seed=seed, strata=self.strata, names=self.names, order=order
        )
        return row_of[kept][row_of[kept] >= 0], row_of[held_out][row_of[held_out] >= 0], self.select(kept)

    def head(self, count: int | None) -> SourceFiles:
        """Return the first files; None: all. A malformed one counts too, so that it lets no other row in."""
        return self if count is None else self.select(np.arange(min(count, len(self.names))))

    def select(self, files: Array) -> SourceFiles:
        """Return these of the files, by number."""
        return SourceFiles(
            tuple(self.names[i] for i in files),
            None if self.strata is None else self.strata[files],
            np.flatnonzero(np.isin(files, self.rows)),
        )


def divide(
    X: Array, labels: Array | None, files: SourceFiles | None, share: float, *, seed: int, shuffle: bool
) -> tuple[Array, Array, SourceFiles | None, str]:
    """Divide the rows of X: return those kept, those held out, the files of those kept, and how, in words.

    A memory map is divided as if `shuffle` were false: to pick rows one by one would copy it into memory, while slices
    stay on disk.
    """
    order = "seeded" if shuffle and not isinstance(X, np.memmap) else "last"
    if files is None:
        kept, held_out = split_rows(len(X), share, seed=seed, strata=labels, order=order)
    else:
        kept, held_out, files = files.divide(share, seed=seed, order=order)
    if order == "last":
        return kept, held_out, files, "the last ones, in file order"
    how = "drawn at random" if files is None else "by a seeded hash of the file names"
    if labels is not None and labels.dtype.kind in "iub":
        how += ", classes in proportion"
    return kept, held_out, files, f"{how}, seed {seed}"


def take_rows(array: Array, rows: Array) -> Array:
    """Return these rows; consecutive ones of a memory map as a slice of it."""
    if isinstance(array, np.memmap) and len(rows):
        return array[int(rows[0]) : int(rows[-1]) + 1]
    return array[rows]
