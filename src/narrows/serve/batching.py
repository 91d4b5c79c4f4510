"""Requests that wait are computed together: one thread for a model, and a bound on the rows that wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

ROWS, WAIT = 256, 0.002
"""Rows that are computed together, and seconds that they wait for one another, at most."""
WAITING = 1024
"""Rows that wait, at most."""


class Sized(Protocol):
    """What has rows."""

    def __len__(self) -> int: ...


Q = TypeVar("Q", bound=Sized)
A = TypeVar("A")


class BusyError(Exception):
    """Too many rows wait already."""


@dataclass(frozen=True)
class Limits:
    """How much is computed together, and how much may wait."""

    rows: int = ROWS
    wait: float = WAIT
    waiting: int = WAITING


class Batcher(Generic[Q, A]):
    """Computes requests together, several at a time, in a thread.

    All of its state belongs to the event loop. A request that finds the thread idle is computed at once; only where
    the batch before held several does one wait for others.

    Parameters
    ----------
    answers
        Called in the thread with several requests; returns an answer to each.
    thread
        An executor with one thread.
    limits
        Of rows.
    observe
        Called with the rows of every batch.
    """

    def __init__(
        self, answers: Callable[[Sequence[Q]], Sequence[A]], thread: Executor, limits: Limits,
        observe: Callable[[int], object] = lambda rows: None,
    ) -> None:  # fmt: skip
        self.answers, self.thread, self.limits, self.observe = answers, thread, limits, observe
        self.waiting = 0
        """Rows that wait."""
        self._queue: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._busy = self._crowded = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def full(self) -> bool:
        """Whether another row would be one too many."""
        return self.waiting >= self.limits.waiting

    async def submit(self, request: Q) -> A:
        """Return the answer to a request.

        Raises: BusyError where too many rows wait already; what its computation raises. A request with more rows than
        may wait is computed where nothing else waits.
        """
        if self.waiting and self.waiting + len(request) > self.limits.waiting:
            raise BusyError
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._queue.append((request, future))
        self.waiting += len(request)
        self._wake()
        return await future

    def _wake(self) -> None:
        """Begin a batch where the thread is idle, now or when others had time to come."""
        if self._busy or not self._queue:
            return
        if not self._crowded or self.waiting >= self.limits.rows:
            self._begin()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.limits.wait, self._begin)

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, rows = [self._queue.popleft()], 0
        rows = len(batch[0][0])
        while self._queue and rows + len(self._queue[0][0]) <= self.limits.rows:
            batch.append(self._queue.popleft())
            rows += len(batch[-1][0])
        self.waiting -= rows
        self._busy, self._crowded = True, len(batch) > 1
        self.observe(rows)
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self.thread, self._computed, [request for request, _ in batch])
        running.add_done_callback(lambda done: self._finish(batch, done.result()))

    def _computed(self, requests: Sequence[Q]) -> Sequence[A | Exception]:
        """Return an answer or an error for every request; one that fails does not fail the others."""
        try:
            return self.answers(requests)
        except Exception as error:
            return [error] if len(requests) == 1 else [self._computed([request])[0] for request in requests]

    def _finish(self, batch: Sequence[tuple[Q, asyncio.Future[A]]], results: Sequence[A | Exception]) -> None:
        self._busy = False
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():  # nobody waits any more
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
        self._wake()
