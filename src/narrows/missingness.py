"""The missingness axis: models of which values are missing, for values that are missing because of what they are.

Where a value's absence depends on what was observed alone, it can be ignored. Where it depends on the value itself, as
where high incomes are not told, the likelihood of what is observed is of values that are lower than all: p(mask | x)
must be a part of the model (Ipsen, Mattei & Frellsen 2021, arXiv:2006.12871).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from narrows.components import Axis, Component, component
from narrows.module import Batch, LatentVariableModule, Loss
from narrows.objectives import sum_values
from narrows.params import param

EDGE = 1e-6
"""How near to 0 and 1 probabilities may come at which values are drawn."""


class MissingnessLayer(nn.Module):
    """p(mask | x) as a part of a module, with the parameters that it learns."""

    def start(self, mask: Tensor) -> None:
        """Start at the shares of values that are missing in a mask (N, D), independent of x."""
        raise NotImplementedError(f"{type(self).__name__} must define `start`.")

    def log_prob(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return log p(mask | x), summed over a sample's values: (B, D) twice to (B,), in nats. x is complete."""
        raise NotImplementedError(f"{type(self).__name__} must define `log_prob`.")


class Missingness(Component):
    """A model of which values of a table are missing."""

    axis: ClassVar[str] = "missingness"
    samples: int
    """Draws of the importance-weighted bound in training."""

    @abstractmethod
    def layer(self, n_features: int) -> MissingnessLayer:
        """Return the model for samples (n_features,)."""


class SelfMaskingLayer(MissingnessLayer):
    """Logistic regressions, one for each column."""

    varies: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(n_features))
        self.offset = nn.Parameter(torch.zeros(n_features))
        self.register_buffer("varies", torch.ones(n_features, dtype=torch.bool))

    def start(self, mask: Tensor) -> None:
        """Start at the shares; columns without missing values count for nothing."""
        share = (~mask).double().mean(0)
        with torch.no_grad():
            self.varies.copy_((share > 0) & (share < 1))
            self.offset.copy_(torch.logit(share, eps=1e-3))

    def log_prob(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return the sum of log sigmoid(slope x + offset) where values are missing, and of its complement's else."""
        logit = self.slope * x + self.offset
        per_value = F.logsigmoid(torch.where(mask, -logit, logit))
        return torch.where(self.varies, per_value, 0.0).sum(1)


@component
class SelfMasking(Missingness):
    """A value is missing with probability sigmoid(slope x + offset), x the value itself (Ipsen et al. 2021, sec. 3.1).

    Slopes are of values on the model's scale. Values that are missing are drawn from p(x | z), reparameterised.
    """

    samples: int = param(20, "Draws of the importance-weighted bound in training.", low=1)

    def layer(self, n_features: int) -> SelfMaskingLayer:
        """Return it, with slopes of 0."""
        return SelfMaskingLayer(n_features)


MISSINGNESS = Axis("missingness", {"self": SelfMasking})


def completed(batch: Batch, likelihood: torch.distributions.Distribution, uniform: Tensor) -> Tensor:
    """Return x with draws from p(x | z) where values are missing, made of uniform noise: (B, D), differentiable."""
    drawn = likelihood.icdf(uniform.clamp(EDGE, 1 - EDGE))
    return drawn if batch.mask is None else torch.where(batch.mask, batch.x, drawn)


def bound_with_missingness(
    module: LatentVariableModule, layer: MissingnessLayer, batch: Batch, seen: Batch, samples: int, beta: float | Tensor
) -> Loss:
    """Return minus the importance-weighted bound on log p(x observed, mask) in terms that add up to it.

    log (1/K) sum_k w_k, w_k = p(x observed | z_k) p(mask | x_k) p(z_k) / q(z_k | seen), where x_k is x with its missing
    values drawn from p(x | z_k) (Ipsen et al. 2021, eq. 8). The term "importance" is what the mean of the logarithms,
    the other terms, lack: it is negative.
    """
    posterior, prior = module.posterior(seen), module.prior(batch)
    z = posterior.draw(batch.randn((samples, *posterior.mean.shape), posterior.mean.dtype))
    many = batch.repeated(samples)
    mask = torch.ones_like(many.x, dtype=torch.bool) if many.mask is None else many.mask
    likelihood = module.likelihood(z.flatten(0, 1), many)
    reconstruction = -sum_values(likelihood.log_prob(many.x), mask).view(samples, -1)
    uniform = torch.rand(many.x.shape, generator=batch.rng, device=many.x.device, dtype=many.x.dtype)
    missing = -layer.log_prob(completed(many, likelihood, uniform), mask).view(samples, -1)
    divergence = posterior.log_prob(z) - prior.log_prob(z)
    bound = torch.logsumexp(-(reconstruction + missing + beta * divergence), 0) - math.log(samples)
    terms = {
        "reconstruction": reconstruction.mean(0), "kl": beta * divergence.mean(0), "missingness": missing.mean(0),
    }  # fmt: skip
    elbo = -(reconstruction + divergence).mean(0).detach() + batch.log_jacobian
    return Loss({**terms, "importance": -bound - sum(terms.values())}, {"elbo": elbo})
