"""How measures reach into a fitted estimator: its data on the model's scale, and its module in evaluation mode."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from narrows.errors import ConfigError, DataError
from narrows.estimators.base import Autoencoder
from narrows.module import LatentVariableModule, Module
from narrows.training import Rows, subset

__all__ = ["BUDGET", "Array", "checked", "evaluating", "mapped", "same_length", "scaled", "subset", "variational"]

Array = NDArray[Any]

BUDGET = 2**20
"""Values of samples that pass through a module at once; layers of a convolution hold some 30 times as many."""


def checked(model: Autoencoder, X: ArrayLike) -> Array:
    """Return X as the fitted model takes it: (N, *sample_shape), float, or uint8 for pixels."""
    check_is_fitted(model)
    return model._checked(X, reset=False)


def scaled(model: Autoencoder, X: ArrayLike) -> Array:
    """Return X on the scale of the model's reconstructions, in double precision: pixels in [0, 1]."""
    data = checked(model, X)
    return data / 255.0 if data.dtype == np.uint8 else data.astype(np.float64)


def variational(model: Autoencoder, measure: str) -> LatentVariableModule:
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


@contextmanager
def evaluating(module: Module) -> Generator[None, None, None]:
    """Switch a module to evaluation, without gradients, and back."""
    training = module.training
    module.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        module.train(training)


def mapped(model: Autoencoder, function: Callable[[Tensor], Tensor], X: ArrayLike) -> Array:
    """Apply a function of tensors to X in chunks of bounded size: (N, *shape) -> (N, ...), double precision."""
    data, module = checked(model, X), model.module_
    size = max(1, min(BUDGET // max(1, model.n_features_in_), 4096))
    with evaluating(module):
        chunks = Rows(data, module.device, module.dtype).chunks(size)
        return np.concatenate([function(x).double().cpu().numpy() for x in chunks])


def same_length(measure: str, X: Array, y: ArrayLike) -> Array:
    """Return labels as an array (N,), one for each row of X.

    Raises
    ------
    DataError
        There are more or fewer of them.
    """
    labels = np.asarray(y)
    if labels.shape != (len(X),):
        raise DataError(f"{measure}: y must have one label per sample, shape ({len(X)},); got {labels.shape}.")
    return labels
