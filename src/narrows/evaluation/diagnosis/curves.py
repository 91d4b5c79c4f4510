"""What the curves of a training show: jumps, the speed at its end, a validation loss that rises."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from narrows.data.arrays import Array

FEWEST = 4
"""Epochs before anything is read from curves."""


def curves_of(history: Sequence[dict[str, Any]]) -> tuple[list[Array], Array]:
    """Return the training loss, the reconstruction term and, where it is recorded, minus the ELBO, of every epoch.

    Each (epochs,), and the learning rates, likewise; no curves for fewer than 4 epochs.
    """
    rates = np.array([record.get("learning_rate", 0.0) for record in history])
    means = [record["train"] for record in history]
    if len(means) < FEWEST:
        return [], rates
    curves = [np.array([mean[name] for mean in means]) for name in ("loss", "reconstruction")]
    return [*curves, np.array([-mean["elbo"] for mean in means])] if "elbo" in means[0] else curves, rates


def jump(curve: Array) -> float:
    """Return the highest peak of a curve: how far it rose to it or fell from it, whichever is less."""
    turns = [i for i in range(1, len(curve) - 1) if (curve[i] - curve[i - 1]) * (curve[i + 1] - curve[i]) < 0]
    steps = np.diff(curve[[0, *turns, len(curve) - 1]])
    return float(max((min(up, -down) for up, down in itertools.pairwise(steps) if up > 0), default=0.0))


def common_jump(curves: Sequence[Array]) -> tuple[float, float] | None:
    """Return how far the first of some curves jumped up and how far it fell; None unless all of them jumped.

    Smaller jumps may be noise. A warm-up moves some curves, a jump of the weights moves all.
    """
    jumps = [(jump(curve), float(curve[0] - curve.min()), abs(float(curve[0]))) for curve in curves]
    if not jumps or any(up <= max(0.25 * fall, 0.03 * first) for up, fall, first in jumps):
        return None
    return jumps[0][:2]


def late_speed(curve: Array, rates: Array) -> float:
    """Return how fast a curve falls at the end, relative to its first speed, per unit of learning rate.

    Over the last and the first third of the sum of learning rates, so that a schedule that ends at 0 does not count as
    an end of learning. 0 where the curve did not fall.
    """
    path = np.cumsum(rates)
    third = (path[-1] - path[0]) / 3
    marks = np.interp([path[0], path[0] + third, path[-1] - third, path[-1]], path, curve)
    early, late = marks[0] - marks[1], marks[2] - marks[3]
    return float(late / early) if early > 0 else 0.0


def rise_of(history: Sequence[dict[str, Any]]) -> tuple[int, float, float] | None:
    """Return the epoch of the best validation loss, how far it has risen since, and how far the training loss fell.

    None where it did not rise for long or by much, or there are no validation data.
    """
    if len(history) < FEWEST or any(record["validation"] is None for record in history):
        return None
    train, held = (np.array([record[part]["loss"] for record in history]) for part in ("train", "validation"))
    best = int(held.argmin())
    since = len(held) - 1 - best
    fall, rise = float(train[best] - train[-1]), float(held[-1] - held[best])
    if since < max(5, len(held) // 5) or fall <= 0 or rise <= max(0.25 * fall, 0.002 * float(held[0] - held[best])):
        return None
    return best + 1, rise, fall
