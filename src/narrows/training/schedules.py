"""The learning rate as a function of the share of training that is done."""

from __future__ import annotations

import math
from collections.abc import Callable

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
}


def factor(schedule: str, warmup: float, done: float) -> float:
    """Return the factor of the learning rate: it rises over the first `warmup` share, then follows the schedule.

    `done` in [0, 1) is the share of steps taken.
    """
    if done < warmup:
        return done / warmup
    return SCHEDULES[schedule]((done - warmup) / (1 - warmup))
