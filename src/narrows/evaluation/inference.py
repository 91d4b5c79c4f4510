"""What measures need of a fitted estimator beside `narrows.estimators.inference`: codes, distributions, precision."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.distributions import Distribution

from narrows.data.arrays import Array, Arrays
from narrows.errors import ConfigError, DataError
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import batches, encode, encoded, evaluating
from narrows.module import Batch, LatentVariableModule


def codes(model: Autoencoder, X: ArrayLike | Arrays, y: Any = None, k: int | None = None) -> Array:
    """Return the codes, or their first `k` dimensions, as rows of an array: (N, k), whatever `set_output` says.

    Codes that are indices are taken as numbers.

    Raises
    ------
    ConfigError
        `k` is out of bounds, or the model's codes are not ordered.
    """
    if k is not None:
        model.check_cut(k)
    Z = encode(model, X, y)
    return Z.reshape(len(Z), -1)[:, :k].astype(np.float64)


def latent_variable_module(model: Autoencoder, measure: str) -> LatentVariableModule:
    """Return the module of a model that has a posterior, a prior and a likelihood.

    Raises
    ------
    ConfigError
        The model has none of them.
    """
    check_is_fitted(model)
    if not model.module_.probabilistic:
        name = type(model).__name__
        raise ConfigError(
            f"{measure}: model must have a posterior, a prior and a likelihood; got {name}, which has none. "
            "Use VAE, or compare by narrows.evaluation.measure_reconstruction."
        )
    return cast(LatentVariableModule, model.module_)


def likelihood_of(model: Autoencoder, X: ArrayLike | Arrays, y: Any = None) -> Distribution:
    """Return p(x | z) at the code of the first sample: its family is the same for all."""
    module = latent_variable_module(model, "likelihood")
    with evaluating(module):
        (batch,) = batches(model, encoded(model, X, y).rows(slice(1)))
        return module.likelihood(module.encode(batch), batch)


def repeated(batch: Batch, k: int) -> Batch:
    """Return a batch k times: that of (k, B) codes, flattened to (k * B)."""
    parts = (
        None if part is None else part.expand(k, *part.shape).flatten(0, 1)
        for part in (batch.x, batch.mask, batch.lengths, batch.y)
    )
    return Batch(*parts)  # type: ignore[arg-type]


def in_double(tensor: Tensor) -> Tensor:
    """Return a tensor in double precision on the CPU: some devices have none, so it is moved before it is converted."""
    return tensor.cpu().double()


def from_noise(noise: Array, like: Tensor) -> Tensor:
    """Return noise of numpy as a tensor of the type and on the device of another; converted before it is moved."""
    return torch.from_numpy(noise).to(like.dtype).to(like.device)


def check_labels(measure: str, n: int, y: ArrayLike) -> Array:
    """Return labels as an array (n,), one for each sample.

    Raises
    ------
    DataError
        There are more or fewer of them.
    """
    labels = np.asarray(y)
    if labels.shape != (n,):
        raise DataError(f"{measure}: y must have one label per sample, shape ({n},); got {labels.shape}.")
    return labels
