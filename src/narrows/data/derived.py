"""Rows made of others that are on disk: several as one, and the same in another type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows.data.facts import Facts
from narrows.data.stored import Array, Mapped, S, StoredRows, Sum


class Joined(StoredRows):
    """Rows of several, one after the other, in an order."""

    def __init__(self, sources: Sequence[StoredRows], order: NDArray[np.int64]) -> None:
        self.sources, self.order = tuple(sources), order
        self._starts = np.cumsum([0, *map(len, sources)])
        self.stretch = max(source.stretch for source in sources)
        self.shape, self.dtype = (len(order), *sources[0].shape[1:]), sources[0].dtype
        self.identity = " and ".join(source.identity for source in sources)

    def read(self, start: int, stop: int) -> Array:
        """Return rows at neighbouring positions."""
        return self.pick(np.arange(start, stop))

    def pick(self, rows: NDArray[np.int64]) -> Array:
        """Return rows at positions in any order."""
        wanted = self.order[rows]
        picked = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for source, start in zip(self.sources, self._starts, strict=False):
            here = np.flatnonzero((start <= wanted) & (wanted < start + len(source)))
            if len(here):
                picked[here] = source.pick(wanted[here] - start)
        return picked


class Converted(Mapped):
    """The same numbers in another type: what is known of the others is known of them."""

    def __init__(self, source: StoredRows, dtype: np.dtype[Any]) -> None:
        super().__init__(source, lambda rows: rows.astype(dtype), source.shape[1:], dtype, source.identity)

    @property
    def facts(self) -> Facts:
        """Those of the others."""
        facts: Facts = self.source.facts
        return facts

    def gather(self, *sums: Sum) -> None:
        """Take a pass over the others."""
        self.source.gather(*sums)

    def taken(self, kind: type[S]) -> S | None:
        """Return the sums of a kind that have been gathered of the others, once."""
        found: S | None = self.source.taken(kind)
        return found
