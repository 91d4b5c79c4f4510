"""Optimisers by name, and the learning rate as a function of the share of training that is done."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

__all__ = ["OPTIMIZERS", "SCHEDULES", "factor", "optimizer"]


def _uncompiled(kind: type[Optimizer]) -> type[Optimizer]:
    """Return torch's optimiser without what its methods do for a compiler: that imports all of it, for a second."""
    names = ("add_param_group", "load_state_dict", "state_dict", "step")
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    methods["step"] = torch.no_grad()(methods["step"])  # one of the wrappers did this too
    return type(kind.__name__, (kind,), methods)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": _uncompiled(torch.optim.Adam),
    "adamw": _uncompiled(torch.optim.AdamW),
    "adamax": _uncompiled(torch.optim.Adamax),
    "sgd": _uncompiled(torch.optim.SGD),
    "rmsprop": _uncompiled(torch.optim.RMSprop),
    "adagrad": _uncompiled(torch.optim.Adagrad),
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
