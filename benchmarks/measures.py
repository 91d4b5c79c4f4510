"""What is made of timings: whose turn it is, medians, ratios of the same round, and whether two results are as good."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

FLOOR = 0.003
"""Two seeds may agree by chance: a difference below this share of the value is none."""


@dataclass(frozen=True)
class Spread:
    """A median with the least and the greatest value."""

    median: float
    low: float
    high: float
    rounds: int


def rotation(names: Sequence[str], round_: int) -> list[str]:
    """Return the order of a round, from 0: everyone is first in turn, so that nobody always has the warm machine."""
    shift = round_ % len(names)
    return [*names[shift:], *names[:shift]]


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the range."""
    return Spread(statistics.median(values), min(values), max(values), len(values))


def ratios(rival: Sequence[float], own: Sequence[float]) -> Spread:
    """Return how many times longer the rival took, round by round: what slowed a whole round is in both."""
    return spread([theirs / ours for theirs, ours in zip(rival, own, strict=True)])


def fastest(rivals: Sequence[Sequence[float]]) -> list[float]:
    """Return the shortest time of each round, whoever's it was."""
    return [min(round_) for round_ in zip(*rivals, strict=True)]


def verdict(value: float, references: Sequence[float], least: float = 0.0) -> str:
    """Say whether a loss or an error is as good as the reference's, whose seeds differ by chance.

    A difference below `least` is none either. Returns "equal", "better", or "not equal" for a worse one; all
    measures here are better when lower.
    """
    low, high = min(references), max(references)
    slack = max(high - low, FLOOR * abs(statistics.fmean(references)), least)
    if value < low - slack:
        return "better"
    return "equal" if value <= high + slack else "not equal"


def within(value: float, limit: float) -> str:
    """Say whether a loss or an error is at most what is asked for."""
    return "equal" if value <= limit else "not equal"
