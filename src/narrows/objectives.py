"""The terms of the objectives: one value per sample, in nats, summed over a sample's values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.distributions import Distribution

if TYPE_CHECKING:
    from narrows.module import Posterior, Prior


def sum_values(per_value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Sum over a sample's values, those observed only: (B, *shape) -> (B,)."""
    if mask is not None:
        per_value = torch.where(mask, per_value, per_value.new_zeros(()))
    return per_value.flatten(1).sum(1)


def negative_log_likelihood(likelihood: Distribution, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return -log p(x | z), summed over a sample's observed values: (B,), in nats.

    What is masked may hold anything, nan included: it is set to 0 before the arithmetic, so that neither the value nor
    the gradient depends on it.
    """
    if mask is not None:
        x = torch.where(mask, x, x.new_zeros(()))
    return -sum_values(likelihood.log_prob(x), mask)


def divergence(posterior: Posterior, prior: Prior, z: Tensor) -> Tensor:
    """Return KL(q(z | x) || p(z)), summed over the latents: (B,), in nats (Kingma & Welling 2014, app. B).

    Where it has no closed form, log q(z | x) - log p(z) at `z` (B, *latent shape): a draw gives an unbiased estimate.
    """
    per_dimension = posterior.kl(prior)
    return posterior.log_prob(z) - prior.log_prob(z) if per_dimension is None else per_dimension.sum(1)


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
