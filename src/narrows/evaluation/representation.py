"""How much information codes carry: in nats, per dimension and in total."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from narrows.data.arrays import Array, Arrays, subset
from narrows.errors import ConfigError, DataError
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import batches, encoded, evaluating, map_batches
from narrows.evaluation.inference import codes, from_noise, in_double, latent_variable_module
from narrows.module import Batch

DRAWS = 100_000
"""Draws from which moments of the prior are estimated."""


class ActiveUnits(NamedTuple):
    """Latent dimensions that vary with the sample."""

    number: int
    active: Array
    """(latent_dim,), bool."""
    variance: Array
    """(latent_dim,), of the posterior means over samples."""


class AggregatePosterior(NamedTuple):
    """Moments of q(z) = mean over samples of q(z | x), beside those of the prior."""

    mean: Array
    """(latent_dim,)"""
    variance: Array
    """(latent_dim,): variance of the means plus mean of the variances."""
    prior_mean: Array
    """(latent_dim,), estimated from 100,000 draws."""
    prior_variance: Array
    """(latent_dim,), estimated from 100,000 draws."""


class Information(NamedTuple):
    """The KL term decomposed: kl = mutual_information + marginal_kl (Hoffman & Johnson 2016, eq. 7). In nats."""

    kl: float
    """Mean of KL(q(z | x) || p(z)), estimated from the same draws as the other two."""
    mutual_information: float
    """Of sample and code under q, over the N samples: at most `ceiling`."""
    marginal_kl: float
    """KL(q(z) || p(z)): how far the aggregate posterior is from the prior."""
    ceiling: float
    """log N: the largest estimate that N samples allow; one near it is a lower bound only."""
    n: int
    """N."""


class Perplexity(NamedTuple):
    """How evenly the entries of a codebook are used."""

    perplexity: float
    """exp of the entropy of the usage: from 1 (one entry) to `size` (all entries alike)."""
    used: int
    """Entries that are used."""
    size: int
    """Entries in the codebook."""


def kl_per_dimension(model: Autoencoder, X: ArrayLike | Arrays, y: Any = None) -> Array:
    """Return the mean over samples of KL(q(z_j | x) || p(z_j)) for every dimension j: (latent_dim,), in nats.

    In closed form (Kingma & Welling 2014, app. B). The sum is the KL term of the ELBO.

    Raises
    ------
    ConfigError
        The model has no posterior, or its KL divergence from the prior has no closed form.
    """
    module = latent_variable_module(model, "kl_per_dimension")

    def kl(batch: Batch) -> Tensor:
        per_dimension = module.posterior(batch).kl(module.prior(batch))
        if per_dimension is None:
            raise ConfigError(
                f"kl_per_dimension: model must have a KL divergence in closed form; got {type(model).__name__} with "
                "another prior or posterior. Use narrows.evaluation.information."
            )
        return per_dimension.flatten(1)

    return map_batches(model, kl, X, y, exact=True).mean(0, dtype=np.float64)


def active_units(model: Autoencoder, X: ArrayLike | Arrays, y: Any = None, *, threshold: float = 0.01) -> ActiveUnits:
    """Return which latent dimensions are active: the variance over samples of E_q[z_j | x] exceeds `threshold`.

    The measure of Burda et al. (2016, sec. 4.2) and their threshold, which suits a prior of variance 1; for codes on
    another scale, those of AE and PCA, pass a threshold on that scale.

    References
    ----------
    arXiv:1509.00519
    """
    variance = codes(model, X, y).var(0)
    active = variance > threshold
    return ActiveUnits(int(active.sum()), active, variance)


def aggregate_posterior(model: Autoencoder, X: ArrayLike | Arrays, y: Any = None) -> AggregatePosterior:
    """Return mean and variance of the aggregate posterior beside the prior's: where they differ, samples suffer.

    `information` gives the divergence of the two distributions.
    """
    module = latent_variable_module(model, "aggregate_posterior")

    def moments(batch: Batch) -> Tensor:
        posterior = module.posterior(batch)
        return torch.stack([posterior.mean, posterior.stddev], 1)

    both = map_batches(model, moments, X, y, exact=True).astype(np.float64)  # (N, 2, latent_dim)
    mean, variance = both[:, 0], np.square(both[:, 1])
    with evaluating(module):
        z = in_double(module.prior().draw(DRAWS, torch.Generator(module.device).manual_seed(0))).numpy()
    return AggregatePosterior(mean.mean(0), mean.var(0) + variance.mean(0), z.mean(0), z.var(0))


def information(
    model: Autoencoder, X: ArrayLike | Arrays, y: Any = None, *, limit: int | None = 2000, seed: int = 0
) -> Information:
    """Return the information that codes hold on samples, and the divergence of the aggregate posterior from the prior.

    One draw per sample; q(z) is the exact mixture of the N posteriors, so that mutual information is
    E log q(z | x) - log mean_n q(z | x_n), bounded by log N (Hoffman & Johnson 2016). Costs N^2 latent_dim.

    Parameters
    ----------
    model
        A fitted model with a posterior.
    X
        (N, *shape).
    y
        Labels (N,), for models with a condition.
    limit
        Rows to use at most, drawn with the seed; None for all.
    seed
        Of rows and draws.

    References
    ----------
    http://approximateinference.org/2016/accepted/HoffmanJohnson2016.pdf
    """
    module = latent_variable_module(model, "information")
    arrays = encoded(model, X, y)
    arrays = arrays.rows(subset(len(arrays.x), limit, seed))
    n = len(arrays.x)
    with evaluating(module):
        (batch,) = batches(model, arrays, size=n)
        posterior = module.posterior(batch)
        noise = np.random.default_rng([seed, 1]).standard_normal(posterior.mean.shape)
        z = posterior.draw(from_noise(noise, posterior.mean))
        log_prior = in_double(module.prior(batch).log_prob(z))
        diagonal, mixture = [], []
        for start in range(0, n, 64):  # (64, N, latent_dim) at once
            log_q = in_double(posterior.log_prob(z[start : start + 64, None]))
            diagonal.append(log_q.diagonal(start))
            mixture.append(log_q.logsumexp(1) - math.log(n))
    log_posterior, log_marginal = torch.cat(diagonal), torch.cat(mixture)
    return Information(
        kl=float((log_posterior - log_prior).mean()),
        mutual_information=float((log_posterior - log_marginal).mean()),
        marginal_kl=float((log_marginal - log_prior).mean()),
        ceiling=math.log(n),
        n=n,
    )


def perplexity(indices: ArrayLike, size: int) -> Perplexity:
    """Return how evenly a codebook of `size` entries is used: exp(-sum p log p), p the share of each entry.

    Parameters
    ----------
    indices
        Integers in [0, size), of any shape.
    size
        Entries in the codebook.

    Raises
    ------
    DataError
        An index is outside the codebook, or there is none.

    Examples
    --------
    >>> perplexity([0, 0, 1, 1], 8)
    Perplexity(perplexity=2.0, used=2, size=8)
    """
    flat = np.asarray(indices).reshape(-1)
    if not flat.size or flat.dtype.kind not in "iu" or flat.min() < 0 or flat.max() >= size:
        raise DataError(f"perplexity: indices must be integers in [0, {size}), at least one; got {flat!r}.")
    share = np.bincount(flat, minlength=size) / flat.size
    used = share[share > 0]
    return Perplexity(round(float(np.exp(-(used * np.log(used)).sum())), 10), len(used), size)
