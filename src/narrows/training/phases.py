"""One phase of a step: its loss, its gradients, and its optimiser's step."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from narrows.module import MAIN, Batch, Loss, Module
from narrows.training.distributed import Ranks, Share


@dataclass(slots=True)
class Result:
    """What a phase's loss and gradients were."""

    names: tuple[str, ...]
    n_terms: int
    """The first of the names are the objective's terms, the others metrics."""
    sums: Tensor
    """(len(names),), over the batch."""
    objective: float
    """The mean over the batch of the sum of the terms."""
    norm: float
    """Of the gradient, where it is clipped or may not be finite; else the sum of its entries, which is finite."""


@dataclass
class Phase:
    """Trains some of a module's parameters on one loss."""

    name: str
    module: Module
    loss: Callable[[Batch, str], Loss]
    """The module's loss, or that function compiled."""
    parameters: list[nn.Parameter]
    optimizer: Optimizer
    products: torch.autocast
    """The precision of the forward pass."""
    draws: contextlib.AbstractContextManager[object]
    """Where layers that draw random numbers of their own draw them from."""
    alone: bool
    """Whether it is the module's only phase, so that no other parameters get gradients."""
    clip: float | None
    ranks: Ranks = field(default_factory=Ranks)

    def gradients(self, batch: Batch, share: Share | None = None) -> Result:
        """Compute the loss, and leave every parameter of the phase its gradient, or None."""
        share = share or Share(0, 0, len(batch), len(batch))
        with self.ranks.drawing(share), self.products, self.draws:
            loss = self.loss(batch, self.name)
        value = objective(loss, share)
        for parameter in self.parameters:  # as zero_grad does, which takes 6% of a small model's step
            parameter.grad = None
        value.backward(inputs=None if self.alone else self.parameters)
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        sums = loss.sums.detach() * share.weight if self.ranks.size > 1 else loss.sums.detach()
        value = value.detach()
        self.ranks.sum([*gradients, sums, value])
        norm = float(torch.stack([g.detach().sum() for g in gradients]).sum()) if gradients else 0.0
        if self.clip is not None or not math.isfinite(norm):
            total = torch.nn.utils.get_total_norm(gradients)
            if self.clip is not None:
                torch.nn.utils.clip_grads_with_norm_(self.parameters, self.clip, total)
            norm = float(total)
        prefix = "" if self.name == MAIN else f"{self.name} "
        names = tuple(prefix + name for name in loss.names)
        return Result(names, len(loss.terms), sums, float(value), norm)

    def step(self, batch: Batch, rate: float) -> None:
        """Take the optimiser's step at a learning rate, and what follows it."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.module.after_step(batch, self.name)


def objective(loss: Loss, share: Share) -> Tensor:
    """Return the mean over the batch of the sum of the terms, or what a rank's samples add to it."""
    total = loss.total.sum()
    return (total if share.weight == 1 else total * share.weight) / share.total
