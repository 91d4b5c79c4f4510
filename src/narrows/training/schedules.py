"""Optimisers by name, and the learning rate as a function of the share of training that is done."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

__all__ = ["OPTIMIZERS", "SCHEDULES", "factor", "optimizer"]


def _uncompiled(kind: type[Optimizer]) -> type[Optimizer]:
    """Return torch's optimiser without what its methods do for a compiler: that imports all of it, for a second."""
    names = ("add_param_group", "load_state_dict", "state_dict", "step")
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    methods["step"] = torch.no_grad()(methods["step"])  # one of the wrappers did this too
    methods["step"].hooked = True  # another wrote a line for torch's profiler, which takes 20 us
    return type(kind.__name__, (kind,), methods)


class _Direct(Optimizer):
    """Adam, which from its second step on calls its kernel at once: what comes before is half of a small step."""

    kernel: Callable[..., None]
    _weights: list[list[Tensor]] | None = None
    """By group, those that had gradients; and what Adam keeps of them: means, squares, counts of steps."""
    _kept: list[tuple[list[Tensor], ...]]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._weights = None
        super().load_state_dict(state_dict)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        weights = [[weight for weight in group["params"] if weight.grad is not None] for group in self.param_groups]
        # Weights of several types are torch's to sort, and what it may leave out on a GPU its to take back.
        if self._weights is None or "found_inf" in vars(self) or not _same(weights, self._weights):
            super().step(closure)
            several = len({(weight.dtype, weight.device) for own in weights for weight in own}) > 1
            self._weights, self._kept = None if several or "found_inf" in vars(self) else weights, []
            for own in weights if self._weights is not None else ():
                states = [self.state[weight] for weight in own]
                self._kept.append(tuple([s[key] for s in states] for key in ("exp_avg", "exp_avg_sq", "step")))
            return
        for group, own, (means, squares, steps) in zip(self.param_groups, weights, self._kept, strict=True):
            if own:
                torch._foreach_add_(steps, 1)
                self.kernel(
                    own, [weight.grad for weight in own], means, squares, [], steps, lr=group["lr"],
                    beta1=group["betas"][0], beta2=group["betas"][1], weight_decay=group["weight_decay"],
                    eps=group["eps"], amsgrad=False, maximize=False, grad_scale=None, found_inf=None,
                )  # fmt: skip


def _same(some: list[list[Tensor]], others: list[list[Tensor]]) -> bool:
    return all(len(a) == len(b) and all(map(operator.is_, a, b)) for a, b in zip(some, others, strict=True))


def _direct(kind: type[Optimizer], kernel: str) -> type[Optimizer]:
    """Return torch's Adam or AdamW with the kernel that it calls."""
    made = type(kind.__name__, (_Direct, _uncompiled(kind)), {"kernel": staticmethod(getattr(torch, kernel))})
    made.step.hooked = True  # type: ignore[attr-defined]  # as above
    return made


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": _direct(torch.optim.Adam, "_fused_adam_"),
    "adamw": _direct(torch.optim.AdamW, "_fused_adamw_"),
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
