"""The order of rows: computed from a seed, an epoch and a position.

A keyed bijection over [0, n) says which row stands at which position. No order of all rows is stored, however many
there are, and training that was interrupted finds its place by a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

ROUNDS = 4
"""Of the Feistel network, in each of which both halves are changed: twice as many as pseudo-random ones need."""
DRAWN = 2**20
"""Up to so many rows a permutation is drawn as it is: 8 MB at most, no more than a window of rows takes."""
PART = 2**13
"""Positions that go through at once, which fit a processor's cache."""
BLOCK, WINDOW = 2**20, 2**26
"""Bytes of neighbouring rows that are read at once, and of rows among which the next one is drawn."""
_GOLDEN = 0x9E3779B97F4A7C15


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return numbers of 64 bits, well mixed: the finaliser of SplitMix64 (Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _stirred(x: NDArray[np.uint64], key: np.uint64) -> NDArray[np.uint64]:
    """Return half of a number and a key stirred into 32 bits: enough for a round, of which there are several."""
    y = (x + key) * np.uint64(0xD6E8FEB86659FD93)
    y ^= y >> np.uint64(32)
    y *= np.uint64(0xD6E8FEB86659FD93)
    return y >> np.uint64(32)


def hashed(positions: Any, *key: int) -> NDArray[np.uint64]:
    """Return a number of 64 bits for each position, by a key of whole numbers of any sign."""
    x = np.asarray(positions, np.uint64)
    with np.errstate(over="ignore"):
        for part in key:
            x = _mixed(x + np.uint64((part * 2 + 1) * _GOLDEN % 2**64))
        return _mixed(x)


class Permutation:
    """A keyed bijection over [0, n), computed where it is asked for.

    Of many rows it is a Feistel network (Luby & Rackoff 1988) whose cycles are walked back into range: positions of
    `bits` bits are cut into two halves, each of which is changed in turn by a hash of the other, and what falls on n or
    beyond goes through again, less than once on average (Black & Rogaway 2002). Of few rows it is drawn.

    Examples
    --------
    >>> order = Permutation(10, 0, 1)
    >>> sorted(order(np.arange(10)).tolist()) == list(range(10))
    True
    """

    def __init__(self, n: int, *key: int, drawn: int = DRAWN) -> None:
        self.n = n
        self._drawn = None
        if n <= drawn:
            seed = int(hashed(np.zeros(1), *key)[0])
            self._drawn = np.random.Generator(np.random.Philox(seed)).permutation(n)
        bits = max(2, (n - 1).bit_length())
        self._low, high = bits // 2, bits - bits // 2
        self._masks = np.uint64(2**self._low - 1), np.uint64(2**high - 1)
        keys = hashed(np.arange(2 * ROUNDS), *key)
        self._keys = [(keys[i], keys[i + 1]) for i in range(0, 2 * ROUNDS, 2)]

    def __call__(self, positions: Any) -> Rows:
        """Return the rows at positions in [0, n), whole numbers of any shape, as int64 of the same."""
        given = np.asarray(positions, np.int64)
        if self._drawn is not None:
            return self._drawn[given]
        x = given.astype(np.uint64).reshape(-1)
        for start in range(0, len(x), PART):
            x[start : start + PART] = self._walked(x[start : start + PART])
        return x.astype(np.int64).reshape(given.shape)

    def _walked(self, x: NDArray[np.uint64]) -> NDArray[np.uint64]:
        with np.errstate(over="ignore"):
            x = self._once(x)
            while len(beyond := np.flatnonzero(x >= self.n)):
                x[beyond] = self._once(x[beyond])
        return x

    def _once(self, x: NDArray[np.uint64]) -> NDArray[np.uint64]:
        shift = np.uint64(self._low)
        low, high = x & self._masks[0], x >> shift
        for first, second in self._keys:
            low = low ^ (_stirred(high, first) & self._masks[0])
            high = high ^ (_stirred(low, second) & self._masks[1])
        return (high << shift) | low


@dataclass(frozen=True)
class Span:
    """Neighbouring rows of a window."""

    start: int
    stop: int


class Order:
    """The order of an epoch over n rows on disk, in two levels: blocks of neighbouring rows, and rows among blocks.

    Blocks come in the order of a permutation; so many of them in a row are a window, and the rows of a window come in
    the order of another one. So a disk reads whole blocks, and only a window is in memory. Where blocks begin is drawn
    for every epoch: the rest that fills no block, which the last window takes, is another one each time. Where a window
    holds all rows there is one level, and every order is possible.
    """

    def __init__(self, n: int, row_bytes: int, seed: int, epoch: int, *, block: int = BLOCK, window: int = WINDOW):
        self.n, self._key = n, (seed, epoch)
        self._block = max(1, min(block // max(1, row_bytes), n))
        self._blocks = n // self._block
        self._per_window = max(1, min(max(1, window // max(1, row_bytes)) // self._block, self._blocks))
        self.windows = max(1, self._blocks // self._per_window)
        """How many there are; the last one is up to twice as large."""
        self._of_blocks = Permutation(self._blocks, *self._key, 1)
        self._shift = int(hashed(np.zeros(1), *self._key, 2)[0]) % n
        self._mixed: tuple[int, Permutation] | None = None

    def start_of(self, window: int) -> int:
        """Return the first position of a window; of one past the last, that after the end."""
        return self.n if window >= self.windows else window * self._per_window * self._block

    def window_of(self, position: int) -> int:
        """Return the window in which a position lies."""
        return min(position // (self._per_window * self._block), self.windows - 1)

    def spans(self, window: int) -> list[Span]:
        """Return the rows of a window as spans; two where a block goes over the end of the rows."""
        last = window == self.windows - 1
        first = window * self._per_window
        blocks = self._of_blocks(np.arange(first, self._blocks if last else first + self._per_window))
        ends = [(int(b) * self._block, (int(b) + 1) * self._block) for b in blocks]
        if last and self._blocks * self._block < self.n:
            ends.append((self._blocks * self._block, self.n))
        spans = []
        for start, stop in ends:
            start, stop = start + self._shift, stop + self._shift
            if start < self.n < stop:
                spans += [Span(start, self.n), Span(0, stop - self.n)]
            else:
                spans.append(Span(start % self.n, (stop - 1) % self.n + 1))
        return spans

    def places(self, window: int, start: int, stop: int) -> Rows:
        """Return where the rows at positions [start, stop) of a window stand among its rows, span after span."""
        first = self.start_of(window)
        if self._mixed is None or self._mixed[0] != window:
            self._mixed = window, Permutation(self.start_of(window + 1) - first, *self._key, 3, window)
        return self._mixed[1](np.arange(start - first, stop - first))

    def rows(self, start: int, stop: int) -> Rows:
        """Return the rows at positions [start, stop)."""
        found = []
        while start < stop:
            window = self.window_of(start)
            end = min(stop, self.start_of(window + 1))
            spans = self.spans(window)
            firsts = np.array([0, *np.cumsum([span.stop - span.start for span in spans])])
            places = self.places(window, start, end)
            span = np.searchsorted(firsts, places, side="right") - 1
            found.append(np.array([each.start for each in spans])[span] + places - firsts[span])
            start = end
        return np.concatenate(found) if found else np.empty(0, np.int64)


@dataclass(frozen=True)
class Division:
    """Which `k` of n rows are held out: one of each of k equal parts, drawn with a seed; computed, in ascending order.

    A part is n / k neighbouring rows, so that classes that stand together keep their proportions.

    Examples
    --------
    >>> division = Division(10, 2, seed=0)
    >>> held, kept = division.held(np.arange(2)), division.kept(np.arange(8))
    >>> sorted([*held.tolist(), *kept.tolist()]) == list(range(10)), bool(held[0] < 5 <= held[1])
    (True, True)
    """

    n: int
    k: int
    seed: int

    def held(self, positions: Any) -> Rows:
        """Return the rows at positions among those held out."""
        return self._chosen(positions) if 2 * self.k <= self.n else self._others(positions)

    def kept(self, positions: Any) -> Rows:
        """Return the rows at positions among the others."""
        return self._others(positions) if 2 * self.k <= self.n else self._chosen(positions)

    @property
    def _parts(self) -> int:
        return min(self.k, self.n - self.k)

    def _edge(self, part: Rows) -> Rows:
        """Return the first row of parts: floor(part * n / parts), without numbers beyond 64 bits."""
        size, rest = divmod(self.n, max(1, self._parts))
        return part * size + part * rest // max(1, self._parts)

    def _chosen(self, positions: Any) -> Rows:
        part = np.asarray(positions, np.int64)
        start = self._edge(part)
        return start + (hashed(part, self.seed, 4) % (self._edge(part + 1) - start).astype(np.uint64)).astype(np.int64)

    def _others(self, positions: Any) -> Rows:
        position = np.asarray(positions, np.int64)
        if not self._parts:
            return position
        each = self.n / self._parts - 1  # others in a part, about
        part = np.clip((position / each).astype(np.int64) - 1, 0, self._parts - 1)
        for _ in range(3):  # at most two parts on
            after = part + 1
            part = np.where((after < self._parts) & (self._edge(after) - after <= position), after, part)
        row = self._edge(part) + position - (self._edge(part) - part)
        return row + (row >= self._chosen(part))
