"""ELBO and importance-weighted bounds: in nats, per sample, with exactly as many draws as requested.

log w = log p(x | z) + log p(z) - log q(z | x), z ~ q(z | x), of the data as given: a scale that the model learned is
accounted for. The ELBO is the mean of log w over draws, the
importance-weighted bound the logarithm of the mean of w. Both come from the same draws: at one draw they are the same
number, and where the posterior is exact, log w is log p(x) for every z, without noise.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.distributions import Distribution, constraints

from narrows.data.arrays import Array, Arrays
from narrows.data.batches import chunk_size
from narrows.errors import ConfigError
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import (
    batches,
    encoded,
    evaluating,
    from_noise,
    in_double,
    latent_variable_module,
    likelihood_of,
    row_noise,
)
from narrows.module import Batch, LatentVariableModule
from narrows.objectives import divergence
from narrows.params import shown

BUDGET = 2**20
"""Values of draws that pass through a module at once; layers of a convolution hold some 30 times as many."""
LEVELS = 256
"""Grey levels of a uint8 pixel."""
MOST_SAMPLES = 1_000_000
"""Draws of a bound."""


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
    model: Autoencoder, X: ArrayLike | Arrays, y: Any = None, *, samples: int = 1, seed: int = 0,
    dequantise: bool = False,
) -> Array:  # fmt: skip
    """Return each sample's evidence lower bound: (N,), in nats (Kingma & Welling 2014, arXiv:1312.6114, eq. 3).

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
        The model has no posterior; `samples` is not an integer from 1 to 1,000,000.
    """
    return _bounds(model, X, y, samples, seed, dequantise, "elbo")[0]


def log_likelihood(
    model: Autoencoder, X: ArrayLike | Arrays, y: Any = None, *, samples: int = 100, seed: int = 0,
    dequantise: bool = False,
) -> Array:  # fmt: skip
    """Return the importance-weighted bound on log p(x) of each sample: (N,), in nats.

    Burda et al. (2016, arXiv:1509.00519, eq. 8): log (1/K) sum_k w_k with exactly K = `samples` draws, in chunks that
    fit memory. It rises with K towards log p(x). A model whose `score_samples` is log p(x) in closed form (PCA) returns
    that, and `samples` and `seed` do not matter.

    Parameters
    ----------
    model
        A fitted model with posterior, prior and likelihood, or with log p(x) in closed form.
    X, y, seed, dequantise
        As for `elbo`.
    samples
        K >= 1.

    Raises
    ------
    ConfigError
        The model has neither; `samples` is not an integer from 1 to 1,000,000.
    """
    return _bounds(model, X, y, samples, seed, dequantise, "log_likelihood")[1]


def bits_per_dimension(
    model: Autoencoder, X: ArrayLike | Arrays, y: Any = None, *, samples: int = 100, seed: int = 0
) -> Estimate:
    """Return the importance-weighted bound as bits per value: -log2 p(x) / D, lower is better.

    uint8 pixels under a density (gaussian, laplace, continuous Bernoulli) are dequantised: a density at grey levels has
    no upper bound, so each level k becomes (k + u) / 256, u uniform in [0, 1), and log 256 per value turns the density
    into a probability of grey levels (Theis et al. 2016, arXiv:1511.01844, sec. 3.1). `unit` says which it is.
    """
    arrays = encoded(model, X, y)
    dequantise = arrays.x.dtype == np.uint8 and model.module_.density
    nats = log_likelihood(model, arrays, samples=samples, seed=seed, dequantise=dequantise)
    return mean_and_error(-nats / (model.n_features_in_ * math.log(2)))


def unit(model: Autoencoder, X: ArrayLike | Arrays, y: Any = None, *, dequantise: bool = False) -> str:
    """Return in words what the values of `elbo` and `log_likelihood` are for this model and these data."""
    arrays = encoded(model, X, y)
    pixels = arrays.x.dtype == np.uint8
    if model.module_.density:
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


def kl(model: Autoencoder, X: ArrayLike | Arrays, y: Any = None, *, seed: int = 0) -> Array:
    """Return the KL term of the ELBO of each sample, KL(q(z | x) || p(z)): (N,), in nats.

    In closed form where there is one; else log q(z | x) - log p(z) at one draw, whose mean over draws it is.
    """
    module, arrays = latent_variable_module(model, "kl"), encoded(model, X, y)
    divergences, start = np.empty(len(arrays.x)), 0
    with evaluating(module):
        for batch in batches(model, arrays):
            rows = range(start, start + len(batch))
            posterior = module.posterior(batch)
            (noise,) = row_noise(rows, tuple(posterior.mean.shape[1:]), 1, 1, seed)
            z = posterior.draw(from_noise(noise[0], posterior.mean))
            divergences[rows.start : rows.stop] = in_double(divergence(posterior, module.prior(batch), z)).numpy()
            start = rows.stop
    return divergences


def _bounds(
    model: Autoencoder, X: ArrayLike | Arrays, y: Any, samples: int, seed: int, dequantise: bool, measure: str
) -> tuple[Array, Array]:
    """Return the mean of log w and the logarithm of the mean of w, over draws: (N,) each."""
    for name, value, low, high in (("samples", samples, 1, MOST_SAMPLES), ("seed", seed, 0, 2**63 - 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
            most = f" and <= {high:,}" if name == "samples" else ""
            raise ConfigError(f"{measure}: {name} must be an integer >= {low}{most}; got {shown(value)}.")
    arrays = encoded(model, X, y)
    if dequantise and (arrays.x.dtype != np.uint8 or not model.module_.density):
        raise ConfigError(
            f"{measure}: dequantise must be False unless X is uint8 and the likelihood is a density; got "
            f"{arrays.x.dtype} and {type(model).__name__}. Leave it out."
        )
    exact = model.module_.exact_score
    module: Any = model.module_ if exact else latent_variable_module(model, measure)
    size = chunk_size(model.sample_shape_, BUDGET)
    draws = math.ceil(samples / math.ceil(samples / size))  # even parts: 5,000 draws become 2 x 2,500
    means, logs = np.empty(len(arrays.x)), np.empty(len(arrays.x))
    start = 0
    with evaluating(module):
        for batch in batches(model, arrays, size=size if exact else max(1, size // samples)):
            rows = slice(start, start + len(batch))
            positions = range(len(means))[rows]
            if dequantise:
                noise = np.stack([_uniform(seed, row, arrays.x.shape[1:]) for row in positions])
                batch.x = (batch.x * 255 + from_noise(noise, batch.x)) / LEVELS
            if exact:
                means[rows] = logs[rows] = in_double(module.score(batch)).numpy()
            else:
                total, largest, scaled_sum = _weights(module, batch, positions, samples, draws, seed)
                means[rows] = (total / samples).numpy()
                logs[rows] = (largest + (scaled_sum / samples).log()).numpy()
            start += len(batch)
    correction = model.n_features_in_ * math.log(LEVELS) if dequantise else 0.0
    return means - correction, logs - correction


def _weights(
    module: LatentVariableModule, batch: Batch, rows: range, samples: int, draws: int, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return sum of log w, greatest log w, and sum of w / greatest w, over draws: three of (B,), double precision."""
    posterior, prior = module.posterior(batch), module.prior(batch)
    total = torch.zeros(len(batch), dtype=torch.float64)
    largest = torch.full_like(total, -math.inf)
    scaled_sum = torch.zeros_like(total)
    jacobian = batch.log_jacobian
    correction = in_double(jacobian) if isinstance(jacobian, Tensor) else jacobian
    for noise in row_noise(rows, tuple(posterior.mean.shape[1:]), samples, draws, seed):
        z = posterior.draw(from_noise(noise, posterior.mean))  # (k, B, *latents)
        many = batch.repeated(len(z))
        log_p = module.likelihood(z.flatten(0, 1), many).log_prob(many.x)
        if many.mask is not None:
            log_p = torch.where(many.mask, log_p, log_p.new_zeros(()))
        # Summed on the CPU: some devices have no double precision.
        log_w = log_p.flatten(1).cpu().sum(1, dtype=torch.float64).view(len(z), -1) + correction
        log_w += in_double(prior.log_prob(z)) - in_double(posterior.log_prob(z))
        total += log_w.sum(0)
        greater = torch.maximum(largest, log_w.amax(0))
        scaled_sum = scaled_sum * (largest - greater).exp() + (log_w - greater).exp().sum(0)
        largest = greater
    return total, largest, scaled_sum


def _uniform(seed: int, row: int, shape: tuple[int, ...]) -> Array:
    # The upper half of the second key word: a stream that no row's noise on the code uses.
    return np.random.Generator(np.random.Philox(key=[seed, 2**63 + row])).random(shape)


def support(distribution: Distribution) -> constraints.Constraint:
    """Return where a distribution's values lie. Raises: ConfigError where the distribution does not say."""
    constraint = distribution.support
    if constraint is None:
        name = type(distribution).__name__
        raise ConfigError(f"{name}: support must be a constraint of torch.distributions; got None. Add it.")
    return constraint


def is_bernoulli(model: Autoencoder, X: ArrayLike | Arrays) -> bool:
    """Return whether the model's likelihood is Bernoulli's; X are any samples."""
    return not model.module_.exact_score and support(likelihood_of(model, X)) is constraints.boolean
