"""Optimisers by name, and the optimisers of a module's phases."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from narrows.module import Module

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
}
FUSED = {**dict.fromkeys(("adam", "adamw", "sgd"), ("cpu", "cuda", "mps")), "adagrad": ("cpu",)}
"""Devices for which torch has a fused kernel, which makes a step one call."""


def optimizer(
    name: str,
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    *,
    momentum: float,
    adam_betas: tuple[float, float],
    weight_decay: float,
    device: str = "cpu",
) -> Optimizer:
    """Return the optimiser; fused where torch has such a kernel for the type of device."""
    options: dict[str, Any] = {"lr": learning_rate, "weight_decay": weight_decay}
    if name in ("adam", "adamw", "adamax"):
        options["betas"] = tuple(adam_betas)
    if name in ("sgd", "rmsprop"):
        options["momentum"] = momentum
    if device in FUSED.get(name, ()):
        options["fused"] = True
    return OPTIMIZERS[name](parameters, **options)


def phase_parameters(module: Module) -> dict[str, list[nn.Parameter]]:
    """Return the parameters that each phase trains; those that need no gradient are left out."""
    return {phase: [p for p in parameters if p.requires_grad] for phase, parameters in module.phases().items()}
