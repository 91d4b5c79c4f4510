"""Draws from q(z | x observed) and their weights: what imputation from a model with a posterior is made of."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from narrows.estimators.inference import from_noise, row_noise
from narrows.missingness import completed
from narrows.module import Batch, LatentVariableModule
from narrows.objectives import sum_values
from narrows.probability.draws import draw, weighted_mean
from narrows.rng import Seeded, seed_of


class Weighted(NamedTuple):
    """K draws for each of B rows."""

    z: Tensor
    """(K, B, *latent shape)."""
    weight: Tensor
    """(K, B), adding up to 1 over the draws."""
    likelihood: Distribution
    """p(x | z), of (K * B, *shape)."""
    x: Tensor | None
    """(K, B, *shape), completed by draws from it, where the weights depend on these; else None."""

    @property
    def mean(self) -> Tensor:
        """The mean over x: (B, *shape)."""
        if self.x is None:
            return weighted_mean(self.likelihood, self.weight)
        return torch.einsum("kb,kb...->b...", self.weight.to(self.x.dtype), self.x)

    def draw(self, rows: range, n: int, module: LatentVariableModule, batch: Batch, seed: int) -> Tensor:
        """Return n draws of x for each row, by sampling-importance-resampling (Rubin 1987): (n, B, *shape)."""
        uniform = np.stack([np.random.Generator(np.random.Philox(key=[seed, 2**63 + row])).random(n) for row in rows])
        steps = self.weight.double().cumsum(0).T.contiguous()
        at = torch.from_numpy(uniform).to(steps) * steps[:, -1:]
        chosen = torch.searchsorted(steps, at).clamp(max=len(self.weight) - 1).T  # (n, B)
        column = torch.arange(len(rows), device=chosen.device)
        if self.x is not None:
            return self.x[chosen, column]
        z = self.z[chosen, column]
        likelihood = module.likelihood(z.flatten(0, 1), batch.repeated(n))
        return draw(likelihood, Seeded(seed_of(seed, rows.start), z.device)).unflatten(0, (n, len(rows)))


def weighted_draws(
    module: LatentVariableModule, batch: Batch, rows: range, samples: int, seed: int, *, wide: bool = False
) -> Weighted:
    """Return draws z_k ~ q(z | x observed) with weights p(x observed | z_k) p(z_k) / q(z_k | x observed).

    Where the module has a model of missingness, p(mask | x_k) is a factor of the weights, x_k being x completed by a
    draw from p(x | z_k) (Ipsen et al. 2021, sec. 3.3). With `wide` half of the draws are the prior's, and q is the
    mixture of both: of rows unlike those of training, of which hardly a value is known, the posterior may miss much.
    """
    posterior, prior = module.posterior(batch), module.prior(batch)
    (noise,) = row_noise(rows, tuple(posterior.mean.shape[1:]), samples, samples, seed)
    z = posterior.draw(from_noise(noise, posterior.mean))
    half = samples // 2
    if wide and half:
        rng = torch.Generator(z.device).manual_seed(seed_of(seed, rows.start))
        z = torch.cat([z[half:], prior.draw(half * len(rows), rng).to(z).unflatten(0, (half, len(rows)))])
    log_prior, log_q = prior.log_prob(z), posterior.log_prob(z)
    if wide and half:
        log_q = torch.logaddexp(log_q + math.log((samples - half) / samples), log_prior + math.log(half / samples))
    many = batch.repeated(samples)
    likelihood = module.likelihood(z.flatten(0, 1), many)
    log_weight = sum_values(likelihood.log_prob(many.x), many.mask).view(samples, -1) + log_prior - log_q
    x = None
    if many.mask is not None and module.mask_log_prob(many.x, many.mask) is not None:
        (normal,) = row_noise(rows, tuple(batch.x.shape[1:]), samples, samples, seed_of(seed, 1))
        x = completed(many, likelihood, torch.special.ndtr(from_noise(normal, batch.x)).flatten(0, 1))
        missing = module.mask_log_prob(x, many.mask)
        assert missing is not None
        log_weight = log_weight + missing.view(samples, -1)
        x = x.unflatten(0, (samples, len(batch)))
    return Weighted(z, torch.softmax(log_weight, 0), likelihood, x)
