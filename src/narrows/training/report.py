"""What a training tells while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

T = TypeVar("T")

NUMBERS = {str: float | int | None}
EPOCH = {
    "epoch": int,
    "epochs": int,
    "step": int,
    "train": NUMBERS,
    "validation": (NUMBERS, type(None)),
    "seconds": float | int,
    "learning_rate": float | int,
}
"""The form of `Report.record()` in files (see `narrows.storage`)."""


@dataclass(frozen=True)
class Report:
    """Where training stands: after every epoch, and within long ones several times a second."""

    epoch: int
    """The current epoch, or the one that just ended, from 1."""
    epochs: int
    step: int
    """Steps taken since the start of training."""
    steps: int
    """Steps that all epochs take."""
    train: dict[str, float]
    """Means per sample over the epoch so far: "loss", its terms, and the model's metrics."""
    validation: dict[str, float] | None
    """The same on validation data, at the end of an epoch."""
    seconds: float
    """Since the start of training, validation included."""
    samples_per_second: float
    """In training steps, over the epoch so far."""
    learning_rate: float
    end_of_epoch: bool
    best: bool = False
    """Whether this epoch has the lowest validation loss so far."""
    note: str = ""
    """Why training ends here, where it ends early."""

    def record(self) -> dict[str, Any]:
        """Return the report as plain values, as a line of `metrics.jsonl` holds it."""
        return {name: value for name, value in asdict(self).items() if name != "end_of_epoch"}


def read_all(reports: Generator[Report, None, T], each: Callable[[Report], object] = lambda report: None) -> T:
    """Call a function with every report, close the generator however that ends, and return what it returned."""
    with contextlib.closing(reports):
        while True:
            try:
                report = next(reports)
            except StopIteration as end:
                return end.value
            each(report)
