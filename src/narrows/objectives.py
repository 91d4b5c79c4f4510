"""What the loop hands to a model, what it gets back, and the terms of the objectives: one value per sample, in nats."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal, kl_divergence, register_kl

__all__ = [
    "Batch",
    "Loss",
    "StandardNormal",
    "contractive_penalty",
    "free_bits",
    "kl",
    "negative_log_likelihood",
    "rising",
    "sparsity_kl",
    "sparsity_l1",
    "sum_values",
]


@dataclass(slots=True)
class Batch:
    """Samples and what goes with them."""

    x: Tensor
    """(B, *shape), floating point."""
    mask: Tensor | None = None
    """(B, *shape), True where a value was observed; None where all were."""
    y: Tensor | None = None
    """(B,), labels, for models that use them."""
    progress: float | Tensor = 1.0
    """Share of training that is done, in [0, 1]; evaluation has 1. While a step is compiled it is a tensor."""
    rng: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))
    """The only source of noise."""

    def __post_init__(self) -> None:
        if self.rng.device != self.x.device:
            self.rng = torch.Generator(self.x.device).manual_seed(self.rng.initial_seed())


@dataclass(slots=True)
class Loss:
    """Named values per sample, each of shape (B,)."""

    terms: dict[str, Tensor]
    """Summed and averaged over the batch, they are the objective; "reconstruction" is always one of them."""
    metrics: dict[str, Tensor] = field(default_factory=dict)
    """Logged, not minimised."""

    @property
    def total(self) -> Tensor:
        """(B,), the sum of the terms."""
        return reduce(torch.add, self.terms.values())

    @property
    def names(self) -> tuple[str, ...]:
        """Of the terms, and of the metrics after them."""
        return (*self.terms, *self.metrics)

    @property
    def sums(self) -> Tensor:
        """(len(names),), each summed over the batch."""
        return torch.stack((*self.terms.values(), *self.metrics.values())).sum(1)


def sum_values(per_value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Sum over a sample's values, those observed only: (B, *shape) -> (B,)."""
    if mask is not None:
        per_value = torch.where(mask, per_value, per_value.new_zeros(()))
    return per_value.flatten(1).sum(1)


def negative_log_likelihood(likelihood: Distribution, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return -log p(x | z), summed over a sample's values: (B,), in nats."""
    return -sum_values(likelihood.log_prob(x), mask)


class StandardNormal(Normal):
    """N(0, I): a prior against which the KL term takes half as many steps."""

    def __init__(self, zeros: Tensor) -> None:
        super().__init__(zeros, torch.ones_like(zeros), validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> StandardNormal:
        """Likewise, of another batch shape."""
        return StandardNormal(self.loc.expand(batch_shape))


@register_kl(Normal, StandardNormal)  # type: ignore[untyped-decorator]
def _kl_from_standard(posterior: Normal, prior: StandardNormal) -> Tensor:
    return (posterior.loc.square() + posterior.scale.square() - 1) / 2 - posterior.scale.log()


def kl(posterior: Distribution, prior: Distribution) -> Tensor:
    """Return KL(q(z | x) || p(z)) per latent dimension: (B, latent_dim), in nats (Kingma & Welling 2014, app. B)."""
    return kl_divergence(posterior, prior)


def free_bits(kl_per_dimension: Tensor, nats: float) -> Tensor:
    """Return the KL term with the first `nats` of every dimension free: (B, latent_dim) -> (B,).

    max(nats, mean over the batch of KL_j), summed over dimensions j (Kingma et al. 2016, eq. 15). The value is
    one for the batch, and stands at every sample so that its mean is right.
    """
    floor = torch.clamp(kl_per_dimension.mean(0), min=nats).sum()
    return floor.expand(kl_per_dimension.shape[0])


def rising(progress: float | Tensor, share: float) -> float | Tensor:
    """Return a weight that rises from 0 to 1 over the first `share` of training, and is 1 where that is 0."""
    if not share:
        return 1.0
    done = progress / share
    return done.clamp(max=1.0) if isinstance(done, Tensor) else min(1.0, done)


def sparsity_kl(activity: Tensor, target: float) -> Tensor:
    """Return the KL divergence of a unit's mean activity from its target, summed over units: (B, units) -> (B,).

    sum_j t log(t / a_j) + (1 - t) log((1 - t) / (1 - a_j)), a_j the batch mean of unit j, which lies in (0, 1)
    (Ng 2011, CS294A lecture notes, p. 15). One value for the batch, at every sample. In nats.
    """
    tiny = torch.finfo(activity.dtype).eps  # a unit that is silent for a whole batch still has a finite penalty
    mean = activity.mean(0).clamp(tiny, 1 - tiny)
    t = torch.as_tensor(target, dtype=mean.dtype, device=mean.device)
    penalty = (torch.xlogy(t, t / mean) + torch.xlogy(1 - t, (1 - t) / (1 - mean))).sum()
    return penalty.expand(activity.shape[0])


def sparsity_l1(activity: Tensor) -> Tensor:
    """Return the sum of absolute activities: (B, units) -> (B,)."""
    return activity.abs().sum(1)


def contractive_penalty(x: Tensor, z: Tensor) -> Tensor:
    """Return the squared Frobenius norm of dz/dx, exact for any encoder: (B,) (Rifai et al. 2011, eq. 2).

    `x` (B, *shape) must require a gradient and `z` (B, latent_dim) must be computed from it, row by row. Costs one
    backward pass per latent dimension.
    """
    penalty = x.new_zeros(x.shape[0])
    for j in range(z.shape[1]):
        (gradient,) = torch.autograd.grad(z[:, j].sum(), x, create_graph=True)
        penalty = penalty + gradient.flatten(1).square().sum(1)
    return penalty
