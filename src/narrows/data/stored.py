"""Rows that stay where they are stored: they look like an array, and only what is asked for is read."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from narrows.data.facts import Facts

Array = NDArray[Any]
S = TypeVar("S")

PART = 2**24
"""Bytes that are read at once where all rows are looked at."""
LOOKED_AT = 2**17
"""Values whose moments are computed at once, which fit a processor's cache in double precision."""
SPREAD = 2
"""Rows are read as one stretch where it holds at most so many times as many as are asked for."""
HELD = 2**27
"""Bytes of rows up to which `fit` reads them all: two windows, between which training reads nothing ahead."""


class Sum(Protocol):
    """What is summed over rows, some at a time."""

    def add(self, rows: Array) -> None:
        """Add rows (n, values of a sample)."""


class StoredRows(ABC):
    """(N, *shape) on disk: `X[a:b]` is a part that is not read yet, `X[rows]` and `np.asarray(X)` are arrays."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    identity: str
    """What the same rows have alone: made of checksums, so that no row is read for it."""
    stretch: int = 1
    """Neighbouring rows that are read at once whichever of them is wanted."""
    _facts: Facts | None = None
    _sums: tuple[Sum, ...] = ()

    @abstractmethod
    def read(self, start: int, stop: int) -> Array:
        """Return neighbouring rows as an array that may be written to; 0 <= start <= stop <= N."""

    def read_into(self, rows: Array, start: int, stop: int) -> None:
        """Read neighbouring rows into an array of as many."""
        rows[:] = self.read(start, stop)

    @abstractmethod
    def pick(self, rows: NDArray[np.int64]) -> Array:
        """Return rows in any order as an array that may be written to."""

    def numbers(self, positions: Any) -> NDArray[np.int64]:
        """Return the numbers that rows have where they are stored."""
        return np.asarray(positions, np.int64)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return self.size * self.dtype.itemsize

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                whole = (start, stop) == (0, len(self))
                return self if whole else Part(self, start, max(start, stop))
            return self.pick(np.arange(start, stop, step))
        if isinstance(index, tuple):
            raise IndexError(
                f"rows on disk are picked by one index, of rows; got {len(index)}. Read them first: X[a:b]."
            )
        rows = np.asarray(index)
        if rows.dtype == bool:
            if rows.shape != (len(self),):
                raise IndexError(f"a mask of rows must have {len(self)} values; got shape {rows.shape}.")
            rows = np.flatnonzero(rows)
        if rows.size and not -len(self) <= int(rows.min()) <= int(rows.max()) < len(self):
            raise IndexError(f"rows must be from 0 to {len(self) - 1}; got {int(rows.min())} to {int(rows.max())}.")
        picked = self.pick(np.where(rows < 0, rows + len(self), rows).astype(np.int64).reshape(-1))
        return picked.reshape(*rows.shape, *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.read(0, len(self)).astype(dtype or self.dtype, copy=False)

    def at(self, index: Any) -> StoredRows:
        """Return the rows at an index or a slice, which are read where they are asked for."""
        if isinstance(index, slice):
            if index.step in (1, None):
                part: StoredRows = self[index]
                return part
            positions = np.arange(*index.indices(len(self)))
        else:
            given = np.asarray(index)
            positions = np.flatnonzero(given) if given.dtype == bool else np.where(given < 0, given + len(self), given)
        name = hashlib.sha256(np.ascontiguousarray(positions, np.int64).data).hexdigest()
        return Chosen(self, len(positions), positions.__getitem__, f" at {name}")

    def parts(self) -> Iterator[Array]:
        """Yield all rows in order as arrays of a bounded size."""
        size = max(1, PART // max(1, self.row_bytes))
        for start in range(0, len(self), size):
            yield self.read(start, min(start + size, len(self)))

    @property
    def facts(self) -> Facts:
        """Moments and ranges of every value of a sample, of one pass, which is taken when they are first asked for."""
        if self._facts is None:
            self.gather()
        assert self._facts is not None
        return self._facts

    def gather(self, *sums: Sum) -> None:
        """Take a pass over all rows for `facts`, unless these are known, and for other sums, which `taken` returns."""
        facts, step = self._facts, max(1, LOOKED_AT // max(1, math.prod(self.shape[1:])))
        known = facts is not None
        for part in self.parts():
            rows = part.reshape(len(part), -1)
            with np.errstate(over="ignore", invalid="ignore"):  # told where it matters
                for start in range(0, 0 if known else len(rows), step):
                    found = Facts.of(rows[start : start + step])
                    facts = found if facts is None else facts.merge(found)
                for each in sums:
                    each.add(rows)
        self._facts, self._sums = facts, sums

    def taken(self, kind: type[S]) -> S | None:
        """Return the sums of a kind that have been gathered, once: these may be large."""
        found = next((each for each in self._sums if isinstance(each, kind)), None)
        self._sums = tuple(each for each in self._sums if each is not found)
        return found

    def min(self) -> Any:
        """Return the smallest value; NaN where one is missing."""
        return np.nan if self.facts.missing else self.facts.low.min()

    def max(self) -> Any:
        """Return the largest value; NaN where one is missing."""
        return np.nan if self.facts.missing else self.facts.high.max()

    def sum(self) -> Any:
        """Return the sum of all values, in double precision."""
        return math.fsum(float(part.sum(dtype=np.float64)) for part in self.parts())

    def reshape(self, *shape: Any) -> StoredRows:
        """Return rows with samples of another shape."""
        sizes = list(shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape)
        if -1 in sizes[1:]:
            sizes[sizes.index(-1, 1)] = math.prod(self.shape[1:]) // math.prod(n for n in sizes[1:] if n != -1)
        name = f"{self.identity} as {sizes[1:]}"
        return Mapped(self, lambda rows: rows.reshape(len(rows), *sizes[1:]), tuple(sizes[1:]), self.dtype, name)


class Part(StoredRows):
    """Neighbouring rows of others."""

    def __init__(self, source: StoredRows, start: int, stop: int) -> None:
        self.source, self.start, self.stretch = source, start, source.stretch
        self.shape, self.dtype = (stop - start, *source.shape[1:]), source.dtype
        self.identity = f"{source.identity}[{start}:{stop}]"

    def read(self, start: int, stop: int) -> Array:
        """Return neighbouring rows."""
        return self.source.read(self.start + start, self.start + stop)

    def read_into(self, rows: Array, start: int, stop: int) -> None:
        """Read neighbouring rows into an array of as many."""
        self.source.read_into(rows, self.start + start, self.start + stop)

    def pick(self, rows: NDArray[np.int64]) -> Array:
        """Return rows in any order."""
        return self.source.pick(rows + self.start)

    def numbers(self, positions: Any) -> NDArray[np.int64]:
        """Return the numbers that rows have where they are stored."""
        return self.source.numbers(np.asarray(positions, np.int64) + self.start)


class Chosen(StoredRows):
    """Some rows of others, where a function says which of these stands at a position; see `narrows.data.order`."""

    def __init__(self, source: StoredRows, n: int, rows_at: Callable[[Any], NDArray[np.int64]], name: str) -> None:
        self.source, self.rows_at, self.name, self.stretch = source, rows_at, name, source.stretch
        self.shape, self.dtype = (n, *source.shape[1:]), source.dtype

    @property
    def identity(self) -> str:  # type: ignore[override]
        """That of the others, and which of them."""
        return f"{self.source.identity}{self.name}"

    def read(self, start: int, stop: int) -> Array:
        """Return rows at neighbouring positions."""
        return self.pick(np.arange(start, stop))

    def pick(self, rows: NDArray[np.int64]) -> Array:
        """Return rows at positions in any order; those that lie near one another are read as one stretch."""
        wanted = self.rows_at(rows)
        if not len(wanted):
            return np.empty((0, *self.shape[1:]), self.dtype)
        first, last = int(wanted.min()), int(wanted.max()) + 1
        if last - first > SPREAD * len(wanted):
            return self.source.pick(wanted)
        stretch = self.source.read(first, last)
        return stretch if last - first == len(wanted) and (np.diff(wanted) == 1).all() else stretch[wanted - first]

    def numbers(self, positions: Any) -> NDArray[np.int64]:
        """Return the numbers that rows have where they are stored."""
        return self.source.numbers(self.rows_at(positions))


class MemoryMap(StoredRows):
    """A memory map of numpy, or a view of one."""

    def __init__(self, array: Array) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    @property
    def identity(self) -> str:  # type: ignore[override]
        """A checksum of rows at equal distances."""
        return sampled_sha256(self.array)

    def read(self, start: int, stop: int) -> Array:
        """Return neighbouring rows."""
        return np.array(self.array[start:stop], subok=False)

    def pick(self, rows: NDArray[np.int64]) -> Array:
        """Return rows in any order."""
        return np.array(self.array[rows], subok=False)


def stored(rows: Any) -> StoredRows:
    """Return rows on disk as stored ones, whichever they are."""
    return rows if isinstance(rows, StoredRows) else MemoryMap(rows)


def sampled_sha256(X: Array) -> str:
    """Return a checksum of an array's bytes; beyond 256 MB, of rows at equal distances."""
    step = max(1, X.nbytes // 2**28)
    digest = hashlib.sha256()
    for start in range(0, len(X), 4096 * step):
        digest.update(np.ascontiguousarray(X[start : start + 4096 * step : step]).data.cast("B"))
    return digest.hexdigest()


class Mapped(StoredRows):
    """Rows that a function changes as they are read, each by itself."""

    def __init__(
        self, source: Any, function: Callable[[Array], Array], shape: tuple[int, ...], dtype: np.dtype[Any], name: str
    ) -> None:
        self.source, self.function, self.identity = source, function, name
        self.stretch = stored(source).stretch
        self.shape, self.dtype = (len(source), *shape), dtype

    def read(self, start: int, stop: int) -> Array:
        """Return neighbouring rows, changed."""
        return self.function(np.array(self.source[start:stop]))

    def pick(self, rows: NDArray[np.int64]) -> Array:
        """Return rows in any order, changed."""
        return self.function(np.array(self.source[rows]))
