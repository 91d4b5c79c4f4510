"""What the codes of a model with a posterior carry: in nats, per dimension and in all."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from narrows.errors import DataError
from narrows.estimators.base import Autoencoder
from narrows.evaluation.inference import Array, checked, evaluating, mapped, subset, variational
from narrows.evaluation.likelihood import draw
from narrows.objectives import kl
from narrows.training import Rows

__all__ = [
    "ActiveUnits",
    "AggregatePosterior",
    "Information",
    "Perplexity",
    "active_units",
    "aggregate_posterior",
    "information",
    "kl_per_dimension",
    "perplexity",
]


class ActiveUnits(NamedTuple):
    """Dimensions of the code that vary with the sample."""

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
    prior_variance: Array


class Information(NamedTuple):
    """The KL term taken apart: kl = mutual_information + marginal_kl (Hoffman & Johnson 2016, eq. 7). In nats."""

    kl: float
    """Mean of KL(q(z | x) || p(z)), estimated from the same draws as the two others."""
    mutual_information: float
    """Of sample and code under q, over the N samples: at most `ceiling`."""
    marginal_kl: float
    """KL(q(z) || p(z)): how far the aggregate posterior is from the prior."""
    ceiling: float
    """log N: no more can be seen with N samples; an estimate near it says only that it is at least so much."""
    n: int
    """N."""


class Perplexity(NamedTuple):
    """How evenly the entries of a codebook are used."""

    perplexity: float
    """exp of the entropy of the use: from 1 (one entry) to `size` (all alike)."""
    used: int
    """Entries used at all."""
    size: int
    """Entries in the codebook."""


def kl_per_dimension(model: Autoencoder, X: ArrayLike) -> Array:
    """Return the mean over samples of KL(q(z_j | x) || p(z_j)) for every dimension j: (latent_dim,), in nats.

    In closed form (Kingma & Welling 2014, app. B). The sum is the KL term of the ELBO.
    """
    module = variational(model, "kl_per_dimension")
    return mapped(model, lambda x: kl(module.posterior(x), module.prior()), X).mean(0)


def active_units(model: Autoencoder, X: ArrayLike, *, threshold: float = 0.01) -> ActiveUnits:
    """Return which dimensions of the code are active: the variance over samples of E_q[z_j | x] exceeds `threshold`.

    The measure of Burda et al. (2016, sec. 4.2) and their threshold, which suits a prior of variance 1; for codes on
    another scale, those of AE and PCA, give one of your own.

    References
    ----------
    arXiv:1509.00519
    """
    variance = mapped(model, model.module_.encode, X).var(0)
    active = variance > threshold
    return ActiveUnits(int(active.sum()), active, variance)


def aggregate_posterior(model: Autoencoder, X: ArrayLike) -> AggregatePosterior:
    """Return mean and variance of the aggregate posterior beside the prior's: where they differ, samples will be off.

    `information` gives the whole divergence of the two.
    """
    module = variational(model, "aggregate_posterior")
    mean = mapped(model, lambda x: module.posterior(x).mean, X)
    spread = mapped(model, lambda x: module.posterior(x).variance, X)
    with evaluating(module):
        prior = module.prior()
        wanted = (prior.mean.double().cpu().numpy(), prior.variance.double().cpu().numpy())
    return AggregatePosterior(mean.mean(0), mean.var(0) + spread.mean(0), *wanted)


def information(model: Autoencoder, X: ArrayLike, *, limit: int | None = 2000, seed: int = 0) -> Information:
    """Return the information that codes hold on samples, and the divergence of the aggregate posterior from the prior.

    One draw per sample; q(z) is the exact mixture of the N posteriors, so that mutual information is
    E log q(z | x) - log mean_n q(z | x_n), bounded by log N (Hoffman & Johnson 2016). Costs N^2 latent_dim.

    Parameters
    ----------
    model
        A fitted model with a posterior.
    X
        (N, *shape).
    limit
        Rows to use at most, drawn with the seed; None for all.
    seed
        Of rows and draws.

    References
    ----------
    http://approximateinference.org/2016/accepted/HoffmanJohnson2016.pdf
    """
    module = variational(model, "information")
    data = checked(model, X)
    data = data[subset(len(data), limit, seed)]
    n = len(data)
    with evaluating(module):
        x = torch.cat(list(Rows(data, module.device, module.dtype).chunks(512)))
        posterior = module.posterior(x)
        noise = torch.from_numpy(np.random.default_rng([seed, 1]).standard_normal(posterior.mean.shape))
        z = draw(posterior, noise.to(posterior.mean)[None])[0]
        prior = module.prior().log_prob(z).double().sum(1)
        own, mixture = [], []
        for i in range(0, n, 64):  # (64, N, latent_dim) at once
            each: Tensor = posterior.log_prob(z[i : i + 64, None]).double().sum(2)
            own.append(each[torch.arange(len(each)), torch.arange(i, i + len(each))])
            mixture.append(each.logsumexp(1) - math.log(n))
    q, marginal = torch.cat(own), torch.cat(mixture)
    return Information(
        float((q - prior).mean()), float((q - marginal).mean()), float((marginal - prior).mean()), math.log(n), n
    )


def perplexity(indices: ArrayLike, size: int) -> Perplexity:
    """Return how evenly a codebook of `size` entries is used: exp(-sum p log p), p the share of each entry.

    Parameters
    ----------
    indices
        Whole numbers in [0, size), of any shape.
    size
        Entries in the codebook.

    Raises
    ------
    DataError
        An index is not in the codebook, or there is none.

    Examples
    --------
    >>> perplexity([0, 0, 1, 1], 8)
    Perplexity(perplexity=2.0, used=2, size=8)
    """
    flat = np.asarray(indices).reshape(-1)
    if not flat.size or flat.dtype.kind not in "iu" or flat.min() < 0 or flat.max() >= size:
        raise DataError(f"perplexity: indices must be whole numbers in [0, {size}), at least one; got {flat!r}.")
    share = np.bincount(flat, minlength=size) / flat.size
    used = share[share > 0]
    return Perplexity(round(float(np.exp(-(used * np.log(used)).sum())), 10), len(used), size)
