"""The batches of an epoch, in its order: from memory, or read ahead from the disk, window by window."""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from narrows.data.arrays import Arrays, on_disk
from narrows.data.batches import Batches
from narrows.data.order import BLOCK, WINDOW, Order
from narrows.data.stored import StoredRows, stored
from narrows.module import Batch
from narrows.rng import seed_of


class Feed(ABC):
    """Gives the samples at positions of an epoch's order; left, it ends what it has begun."""

    @abstractmethod
    def take(self, start: int, stop: int, progress: float, rng: torch.Generator) -> Batch:
        """Return the samples at positions [start, stop) of the order as a batch."""

    @abstractmethod
    def close(self) -> None:
        """End what reads ahead."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class MemoryFeed(Feed):
    """Samples in memory, or on a device."""

    def __init__(self, data: Batches, order: Tensor) -> None:
        self.data, self.order = data, order

    def take(self, start: int, stop: int, progress: float, rng: torch.Generator) -> Batch:
        """Return the samples at positions [start, stop) of the order as a batch."""
        return self.data.take(self.order[start:stop], progress=progress, rng=rng)

    def close(self) -> None:
        """Nothing was begun."""


class DiskFeed(Feed):
    """Samples on disk: while one window of rows is used, a thread reads the next, block by block."""

    def __init__(self, data: Batches, order: Order, start: int) -> None:
        self.data, self.order = data, order
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="narrows-read")
        self._window = -1
        self._rows: Arrays | None = None
        self._next: tuple[int, Future[Arrays]] | None = None
        if start < order.n:
            self._ahead(order.window_of(start))

    def take(self, start: int, stop: int, progress: float, rng: torch.Generator) -> Batch:
        """Return the samples at positions [start, stop) of the order as a batch."""
        parts = []
        while start < stop:
            window = self.order.window_of(start)
            end = min(stop, self.order.start_of(window + 1))
            places = self.order.places(window, start, end)
            parts.append(Arrays(*(None if part is None else part.take(places, axis=0) for part in self._of(window))))  # type: ignore[arg-type]
            start = end
        return self.data.batch(parts[0] if len(parts) == 1 else _together(parts), progress, rng)

    def close(self) -> None:
        """End the thread; a window that is being read is read to its end."""
        self._pool.shutdown(cancel_futures=True)

    def _of(self, window: int) -> Arrays:
        """Return the rows of a window, and have the next one read."""
        if window != self._window:
            if self._next is None or self._next[0] != window:
                self._ahead(window)
            assert self._next is not None
            used, self._window, self._rows = self._rows, window, self._next[1].result()
            self._next = None
            if window + 1 < self.order.windows:
                self._ahead(window + 1, used)
        rows: Any = self._rows
        return rows

    def _ahead(self, window: int, used: Arrays | None = None) -> None:
        """Have a window read, into memory that has been used: new memory costs more than to read into it."""
        size = self.order.start_of(window + 1) - self.order.start_of(window)
        spare = None if used is None or len(used.x) < size else used.rows(slice(size))
        self._next = window, self._pool.submit(self._read, window, spare)

    def _read(self, window: int, read: Arrays | None) -> Arrays:
        parts = self.data.arrays
        size = self.order.start_of(window + 1) - self.order.start_of(window)
        if read is None:
            read = Arrays(*(None if part is None else np.empty((size, *part.shape[1:]), part.dtype) for part in parts))  # type: ignore[arg-type]
        at = 0
        for span in self.order.spans(window):
            count = span.stop - span.start
            for part, rows in zip(parts, read, strict=True):
                if isinstance(part, StoredRows):
                    part.read_into(rows[at : at + count], span.start, span.stop)
                elif part is not None and rows is not None:
                    rows[at : at + count] = part[span.start : span.stop]
            at += count
        return read


def feed(data: Batches, size: int, seed: int, epoch: int, start: int) -> Feed:
    """Return what gives the batches of an epoch from a position on: samples as they are where one step takes them all.

    The order follows from the seed and the epoch alone: it is drawn where samples are in memory, or few enough to be,
    and else computed (`narrows.data.order`).
    """
    n, x = len(data), data.arrays.x
    if size < n and on_disk(x):
        row, stretch = x[:1].nbytes, stored(x).stretch
        block, window = max(BLOCK, row * stretch), max(WINDOW, 2 * row * stretch)
        levels = Order(n, row, seed_of(seed, 2), epoch, block=block, window=window)
        if levels.windows > 1 or stretch > 1:
            return DiskFeed(data, levels, start)
    if size == n:
        order = torch.arange(n)
    else:
        order = torch.randperm(n, generator=torch.Generator().manual_seed(seed_of(seed, 2, epoch)))
    return MemoryFeed(data, order.to(data.device))


def _together(parts: list[Arrays]) -> Arrays:
    return Arrays(*(None if each[0] is None else np.concatenate(each) for each in zip(*parts, strict=True)))  # type: ignore[arg-type]
