"""ELBO and importance-weighted bounds: in nats, per sample, with exactly as many draws as requested.

log w = log p(x | z) + log p(z) - log q(z | x), z ~ q(z | x). The ELBO is the mean of log w over draws, the
importance-weighted bound the logarithm of the mean of w. Both come from the same draws: at one draw they are the same
number, and where the posterior is exact, log w is log p(x) for every z, without noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.distributions import Distribution, Normal, constraints

from narrows.errors import ConfigError
from narrows.estimators.base import Autoencoder
from narrows.evaluation.inference import (
    BUDGET,
    ROWS,
    Array,
    Arrays,
    arrays_of,
    batches,
    evaluating,
    from_noise,
    in_double,
    latent_variable_module,
    likelihood_of,
)
from narrows.module import LatentVariableModule

__all__ = ["Estimate", "bits_per_dimension", "elbo", "log_likelihood", "mean_and_error", "unit"]

LEVELS = 256
"""Grey levels of a uint8 pixel."""


class Estimate(NamedTuple):
    """A mean over samples."""

    mean: float
    standard_error: float
    """Standard deviation over samples, with n - 1, divided by the root of n; nan for one sample."""
    n: int
    """How many samples."""


def mean_and_error(values: ArrayLike) -> Estimate:
    """Return the mean of values (N,) and its standard error over the N samples, in the unit of the values.

    Examples
    --------
    >>> mean_and_error([1.0, 2.0, 3.0]).mean
    2.0
    """
    v = np.asarray(values, dtype=np.float64)
    error = float(v.std(ddof=1) / math.sqrt(len(v))) if len(v) > 1 else math.nan
    return Estimate(float(v.mean()), error, len(v))


def elbo(
    model: Autoencoder,
    X: ArrayLike | Arrays,
    y: ArrayLike | None = None,
    *,
    samples: int = 1,
    seed: int = 0,
    dequantise: bool = False,
) -> Array:
    """Return the evidence lower bound of each sample: (N,), in nats (Kingma & Welling 2014, eq. 3).

    The mean of log w over `samples` draws from the posterior; no closed form of the KL divergence enters, so that it
    equals `log_likelihood` at one draw. The model's beta, free bits and warm-up do not enter either: it is the bound
    itself.

    Parameters
    ----------
    model
        A fitted model with posterior, prior and likelihood.
    X
        (N, *shape).
    y
        Labels (N,), for models with a condition.
    samples
        Draws per row, >= 1. More make the estimate steadier, not higher.
    seed
        Of the draws. A row's draws depend on the seed and the row's position alone.
    dequantise
        Whether grey levels get uniform noise, for uint8 under a density; see `bits_per_dimension`.

    Raises
    ------
    ConfigError
        The model has no posterior; `samples` is not an integer >= 1.

    References
    ----------
    arXiv:1312.6114
    """
    return _bounds(model, X, y, samples, seed, dequantise, "elbo").mean_log_weight


def log_likelihood(
    model: Autoencoder,
    X: ArrayLike | Arrays,
    y: ArrayLike | None = None,
    *,
    samples: int = 100,
    seed: int = 0,
    dequantise: bool = False,
) -> Array:
    """Return the importance-weighted bound on log p(x) of each sample: (N,), in nats (Burda et al. 2016, eq. 8).

    log (1/K) sum_k w_k with exactly K = `samples` draws, in chunks that fit memory. It rises with K towards log p(x).
    A model whose `score_samples` is log p(x) in closed form (PCA) returns that, and `samples` and `seed` do not matter.

    Parameters
    ----------
    model
        A fitted model with posterior, prior and likelihood, or with log p(x) in closed form.
    X
        (N, *shape).
    y
        Labels (N,), for models with a condition.
    samples
        K >= 1.
    seed
        Of the draws. A row's draws depend on the seed and the row's position alone.
    dequantise
        Whether grey levels get uniform noise, for uint8 under a density; see `bits_per_dimension`.

    Raises
    ------
    ConfigError
        The model has neither; `samples` is not an integer >= 1.

    References
    ----------
    arXiv:1509.00519
    """
    return _bounds(model, X, y, samples, seed, dequantise, "log_likelihood").log_mean_weight


def bits_per_dimension(
    model: Autoencoder, X: ArrayLike | Arrays, y: ArrayLike | None = None, *, samples: int = 100, seed: int = 0
) -> Estimate:
    """Return the importance-weighted bound as bits per value: -log2 p(x) / D, lower is better.

    uint8 pixels under a density (gaussian, laplace, continuous Bernoulli) are dequantised: a density at grey levels has
    no upper bound, so each level k becomes (k + u) / 256, u uniform in [0, 1), and log 256 per value turns the density
    into a probability of grey levels (Theis et al. 2016, sec. 3.1). `unit` says which of the two it is.

    References
    ----------
    arXiv:1511.01844
    """
    arrays = arrays_of(model, X, y)
    dequantise = arrays.x.dtype == np.uint8 and is_density(model, arrays)
    nats = log_likelihood(model, arrays, samples=samples, seed=seed, dequantise=dequantise)
    return mean_and_error(-nats / (model.n_features_in_ * math.log(2)))


def unit(model: Autoencoder, X: ArrayLike | Arrays, y: ArrayLike | None = None, *, dequantise: bool = False) -> str:
    """Return in words what the values of `elbo` and `log_likelihood` are for this model and these data."""
    arrays = arrays_of(model, X, y)
    pixels = arrays.x.dtype == np.uint8
    if is_density(model, arrays):
        if not pixels:
            return "nats, log density of the values"
        if dequantise:
            return "nats, log probability of grey levels, from a density with uniform dequantisation to 256 levels"
        return "nats, log density at the grey levels k/255, not dequantised: compare only with the same likelihood"
    binary = bool(np.isin(arrays.x, (0, 255) if pixels and arrays.x.max() > 1 else (0, 1)).all())
    if is_bernoulli(model, arrays) and not binary:
        return (
            "nats, cross-entropy of grey values, as is customary; not a probability: binarise X to compare likelihoods"
        )
    return "nats, log probability of the values"


class _Bounds(NamedTuple):
    mean_log_weight: Array
    log_mean_weight: Array


def _bounds(
    model: Autoencoder,
    X: ArrayLike | Arrays,
    y: ArrayLike | None,
    samples: int,
    seed: int,
    dequantise: bool,
    measure: str,
) -> _Bounds:
    for name, value, low in (("samples", samples, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
            raise ConfigError(f"{measure}: {name} must be an integer >= {low}; got {value!r}.")
    arrays = arrays_of(model, X, y)
    if dequantise and (arrays.x.dtype != np.uint8 or not is_density(model, arrays)):
        raise ConfigError(
            f"{measure}: dequantise must be False unless X is uint8 and the likelihood is a density; got "
            f"{arrays.x.dtype} and {type(model).__name__}. Leave it out."
        )
    exact = model.module_.exact_score
    module: Any = model.module_ if exact else latent_variable_module(model, measure)
    size = max(1, min(BUDGET // max(1, model.n_features_in_), ROWS))
    draws = math.ceil(samples / math.ceil(samples / size))  # even parts: 5,000 draws become 2 x 2,500
    means, logs = np.empty(len(arrays.x)), np.empty(len(arrays.x))
    start = 0
    with evaluating(module):
        for batch in batches(model, arrays, size=size if exact else max(1, size // samples)):
            rows = slice(start, start + len(batch))
            positions = range(len(means))[rows]
            if dequantise:
                noise = np.stack([_uniform(seed, row, arrays.x.shape[1:]) for row in positions])
                batch = (batch * 255 + from_noise(noise, batch)) / LEVELS
            if exact:
                means[rows] = logs[rows] = in_double(module.score(batch)).numpy()
            else:
                total, largest, scaled_sum = _weights(module, batch, positions, samples, draws, seed)
                means[rows] = (total / samples).numpy()
                logs[rows] = (largest + (scaled_sum / samples).log()).numpy()
            start += len(batch)
    correction = model.n_features_in_ * math.log(LEVELS) if dequantise else 0.0
    return _Bounds(means - correction, logs - correction)


def _weights(
    module: LatentVariableModule, x: Tensor, rows: range, samples: int, draws: int, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return sum of log w, greatest log w, and sum of w / greatest w, over draws: three of (B,), double precision."""
    posterior, prior = module.posterior(x), module.prior()
    total = torch.zeros(len(x), dtype=torch.float64)
    largest = torch.full_like(total, -math.inf)
    scaled_sum = torch.zeros_like(total)
    for noise in _noise(rows, posterior.mean.shape[1], samples, draws, seed):
        z = draw(posterior, from_noise(noise, posterior.mean))
        k = len(z)  # z: (k, B, latent_dim)
        repeated = x.expand(k, *x.shape).flatten(0, 1)
        log_p = module.likelihood(z.flatten(0, 1)).log_prob(repeated)
        log_w = log_p.flatten(1).cpu().sum(1, dtype=torch.float64).view(k, -1)
        log_w += (in_double(prior.log_prob(z)) - in_double(posterior.log_prob(z))).sum(2)
        total += log_w.sum(0)
        greater = torch.maximum(largest, log_w.amax(0))
        scaled_sum = scaled_sum * (largest - greater).exp() + (log_w - greater).exp().sum(0)
        largest = greater
    return total, largest, scaled_sum


@singledispatch
def draw(posterior: Distribution, noise: Tensor) -> Tensor:
    """Return z ~ q(z | x) made of standard normal noise (k, B, latent_dim), by the inverse distribution function.

    Register a quicker way for a distribution of your own: `@draw.register`.
    """
    return posterior.icdf(torch.special.ndtr(noise))


@draw.register
def _(posterior: Normal, noise: Tensor) -> Tensor:
    return posterior.mean + posterior.stddev * noise


def _noise(rows: range, latent_dim: int, samples: int, draws: int, seed: int) -> Iterator[Array]:
    """Yield standard normal noise (k, B, latent_dim), at most `draws` of the `samples` at once, from a stream per row.

    Philox is counter-based: the key (seed, row) is a stream of its own, whoever else draws (Salmon et al. 2011).
    """
    streams = [np.random.Generator(np.random.Philox(key=[seed, row])) for row in rows]
    for start in range(0, samples, draws):
        k = min(draws, samples - start)
        yield np.stack([stream.standard_normal((k, latent_dim)) for stream in streams], axis=1)


def _uniform(seed: int, row: int, shape: tuple[int, ...]) -> Array:
    # The upper half of the second key word: a stream that no row's noise on the code uses.
    return np.random.Generator(np.random.Philox(key=[seed, 2**63 + row])).random(shape)


def support(distribution: Distribution) -> constraints.Constraint:
    """Return where a distribution's values lie.

    Raises
    ------
    ConfigError
        The distribution does not say.
    """
    constraint = distribution.support
    if constraint is None:
        name = type(distribution).__name__
        raise ConfigError(f"{name}: support must be a constraint of torch.distributions; got None. Add it.")
    return constraint


def is_density(model: Autoencoder, X: ArrayLike | Arrays) -> bool:
    """Return whether the model's likelihood is a density rather than a probability; X are any samples."""
    return model.module_.exact_score or not support(likelihood_of(model, X)).is_discrete


def is_bernoulli(model: Autoencoder, X: ArrayLike | Arrays) -> bool:
    """Return whether the model's likelihood is Bernoulli's; X are any samples."""
    return not model.module_.exact_score and support(likelihood_of(model, X)) is constraints.boolean
