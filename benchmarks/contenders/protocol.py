"""What a contender and the runner say to each other: a JSON object a line, on standard input and output.

    {"do": "prepare", "work": "vae", "settings": {...}}     -> {"ready": true}
    {"do": "round"}                                         -> {"seconds": 1.23}
    {"do": "result"}                                        -> {"quality": {"test_loss": 105.7}, "peak": 812.5}

What libraries print goes to standard error. An error ends the process; its last line there says which.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class Prepared(NamedTuple):
    """Work that is ready to begin."""

    run: Callable[[], Any]
    """One round; this is what is timed."""
    quality: Callable[[], dict[str, float]]
    """How good the result is so far, by measure; lower is better. Not timed."""


def course(
    begin: Callable[[], tuple[Callable[[], Any], Callable[[], float]]], epochs: int, target: float | None
) -> Prepared:
    """Return a whole training: a look at the test images after every epoch, no more epochs once it finds the target.

    `begin` makes everything and returns the function for an epoch and the one for a look.
    """
    found: list[float] = []

    def run() -> None:
        epoch, look = begin()
        for _ in range(epochs):
            epoch()
            found.append(look())
            if target is not None and found[-1] <= target:
                return

    return Prepared(run, lambda: {"test_error": found[-1], "epochs": len(found)})


def peak() -> float:
    """Return the most memory that this process has held, in MB."""
    units = 1e6 if sys.platform == "darwin" else 1e6 / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units


def serve(works: dict[str, Callable[..., Prepared]]) -> None:
    """Answer what is asked until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    prepared: Prepared | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["do"] == "prepare":
            prepared = works[asked["work"]](**asked["settings"])
            answer: dict[str, Any] = {"ready": True}
        elif asked["do"] == "round":
            assert prepared is not None
            start = time.perf_counter()
            prepared.run()
            answer = {"seconds": time.perf_counter() - start}
        else:
            assert prepared is not None
            memory = peak()  # before the test data take their share
            answer = {"quality": prepared.quality(), "peak": memory}
        print(json.dumps(answer), file=answers, flush=True)


class Turns:
    """Lets a library that owns its training loop run one epoch at a time.

    `fit` runs in a thread, and calls `pause` at the end of every epoch; `step` lets it go on to the next such call.
    """

    def __init__(self, fit: Callable[[], Any]) -> None:
        self._go, self._there = threading.Semaphore(0), threading.Semaphore(0)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(fit,), daemon=True)

    def _run(self, fit: Callable[[], Any]) -> None:
        self._go.acquire()
        try:
            fit()
            self._error = RuntimeError("the training ended before the rounds did")
        except BaseException as error:
            self._error = error
        self._there.release()

    def pause(self) -> None:
        """Say that an epoch has ended, and wait for the next turn."""
        self._there.release()
        self._go.acquire()

    def step(self) -> None:
        """Run to the end of the next epoch."""
        if self._thread.ident is None:
            self._thread.start()
        self._go.release()
        self._there.acquire()
        if self._error is not None:
            raise self._error
