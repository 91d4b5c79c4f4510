"""Missing values filled in from a fitted model."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from narrows.data.arrays import Array, Arrays
from narrows.data.batches import chunk_size
from narrows.data.types_schema import as_given, decoded_table
from narrows.errors import ConfigError
from narrows.estimators import inference
from narrows.estimators.validation import check_samples
from narrows.module import Batch, ExactModule, LatentVariableModule
from narrows.objectives import sum_values
from narrows.probability.typed import ColumnDistribution


def impute(model: Any, X: ArrayLike, y: Any = None, *, samples: int = 1000, seed: int = 0) -> Any:
    """Return X with its missing values filled in: like X, in its units; observed values stay as they are.

    Of a model with a posterior, the mean over x of the importance-weighted draws z_k ~ q(z | x observed),
    sum_k w_k E[x | z_k] / sum_k w_k with w_k = p(x observed | z_k) p(z_k) / q(z_k | x observed) (Mattei & Frellsen
    2019, arXiv:1812.02633, eq. 11); of others, the reconstruction.

    Parameters
    ----------
    model
        A fitted estimator that takes missing values.
    X
        Samples, NaN where a value is missing.
    y
        Labels, for a model with a condition.
    samples
        Draws per row, for a model with a posterior.
    seed
        Of the draws; those of a row depend on the seed and on its position alone.

    Raises
    ------
    ConfigError
        The model takes no missing values, or `samples` is below 1.
    """
    if not model.takes_missing:
        raise ConfigError(
            f"{type(model).__name__}: impute must have a model that takes missing values; use PCA, AE or VAE."
        )
    if isinstance(samples, bool) or not isinstance(samples, int | np.integer) or samples < 1:
        raise ConfigError(f"{type(model).__name__}: samples must be a whole number >= 1; got {samples!r}.")
    check_is_fitted(model)
    schema, module = model.schema_, model.module_
    given = check_samples(model, X, schema, missing=True)
    data = schema.in_memory(model._encode(given, y), model.computing_dtype)
    if schema.types is not None:
        return _filled_table(model, given, data, X, int(samples), seed)
    if data.mask is None:
        return schema.presented(_padded(given, data), like=X, lengths=data.lengths)
    if isinstance(module, ExactModule):
        filled = inference.map_batches(model, module.complete, data, exact=True)
    elif module.probabilistic:
        size = max(1, chunk_size(schema.sample_shape) // int(samples))
        first = [0]

        def fill(batch: Batch) -> Tensor:
            start = first[0]
            first[0] += len(batch)
            return _weighted_mean(module, batch, range(start, first[0]), int(samples), seed)

        filled = inference.map_batches(model, fill, data, exact=True, size=size)
    else:
        filled = inference.reconstruct_encoded(model, data)
    if schema.pixels:  # given on [0, 1], or nothing could be missing
        filled = schema.in_units(np.where(data.mask, schema.values(data), filled))
    else:  # what was observed comes back to the last digit
        filled = np.where(data.mask, _padded(given, data), schema.in_units(filled))
    return schema.presented(filled, like=X, lengths=data.lengths)


def _filled_table(model: Any, given: Any, data: Arrays, X: Any, samples: int, seed: int) -> Any:
    """Return a table of typed columns filled in: means of numbers, the likeliest level, the value of a constant.

    Probabilities of levels are averaged over the draws as means of numbers are; a level is chosen of the average.
    """
    schema, module = model.schema_, model.module_
    if module.probabilistic:
        first = [0]

        def fill(batch: Batch) -> Tensor:
            start = first[0]
            first[0] += len(batch)
            return _weighted_mean(module, batch, range(start, first[0]), samples, seed)

        size = max(1, chunk_size((module.observed.outputs,)) // samples)
    else:
        size = chunk_size((module.observed.outputs,))

        def fill(batch: Batch) -> Tensor:
            distribution = module.likelihood(module.encode(batch), batch)
            return distribution.point(distribution.moments)

    filled = data.x if data.mask is None else inference.map_batches(model, fill, data, exact=True, size=size)
    return as_given(given.filled(decoded_table(filled, schema.types, given=given)), schema.frame, X)


def _padded(X: Array | list[Array], data: Arrays) -> Array:
    """Return samples as they were given, sequences padded with 0: (N, *shape)."""
    if not isinstance(X, list):
        return X
    padded = np.zeros(data.x.shape, np.result_type(*X))
    for row, sequence in enumerate(X):
        padded[row, : len(sequence)] = sequence
    return padded


def _weighted_mean(module: LatentVariableModule, batch: Batch, rows: range, samples: int, seed: int) -> Tensor:
    """Return the mean over x by importance weights: (B, *shape)."""
    posterior = module.posterior(batch)
    (noise,) = inference.row_noise(rows, tuple(posterior.mean.shape[1:]), samples, samples, seed)
    z = posterior.draw(inference.from_noise(noise, posterior.mean))
    many = inference.repeated(batch, samples)
    distribution = module.likelihood(z.flatten(0, 1), many)
    log_weight = sum_values(distribution.log_prob(many.x), many.mask).view(samples, -1)
    log_weight = log_weight + module.prior(batch).log_prob(z) - posterior.log_prob(z)
    weight = torch.softmax(log_weight, dim=0)
    if isinstance(distribution, ColumnDistribution):  # a mean of indices of levels is none
        moments = distribution.moments.view(samples, len(batch), -1)
        return distribution.point(torch.einsum("kb,kb...->b...", weight.to(moments.dtype), moments))
    mean = distribution.mean.view(samples, len(batch), *batch.x.shape[1:])
    return torch.einsum("kb,kb...->b...", weight.to(mean.dtype), mean)
