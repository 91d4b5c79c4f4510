"""Optimisers by name, and the learning rate as a function of the share of training that is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

__all__ = ["OPTIMIZERS", "SCHEDULES", "factor", "optimizer"]


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
}

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


def optimizer(
    name: str,
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    *,
    momentum: float,
    adam_betas: tuple[float, float],
    weight_decay: float,
) -> Optimizer:
    """Return the optimiser; fused where torch has such a kernel, so that a step is one call."""
    options: dict[str, Any] = {"lr": learning_rate, "weight_decay": weight_decay}
    if name in ("adam", "adamw", "adamax"):
        options["betas"] = tuple(adam_betas)
    if name in ("sgd", "rmsprop"):
        options["momentum"] = momentum
    if name in ("adam", "adamw", "sgd", "adagrad"):
        options["fused"] = True
    return OPTIMIZERS[name](parameters, **options)
