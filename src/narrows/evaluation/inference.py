"""From a fitted estimator to tensors and back: the one way in which every measure reaches data and module."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.distributions import Distribution

from narrows.errors import ConfigError, DataError
from narrows.estimators.base import Autoencoder
from narrows.module import LatentVariableModule, Module
from narrows.training import Rows, subset

__all__ = [
    "BUDGET",
    "ROWS",
    "Array",
    "Arrays",
    "arrays_of",
    "batches",
    "check_labels",
    "codes",
    "encoded",
    "evaluating",
    "from_noise",
    "in_double",
    "latent_variable_module",
    "likelihood_of",
    "map_batches",
    "reconstruct_encoded",
    "subset",
]

Array = NDArray[Any]

BUDGET = 2**20
"""Values of samples that pass through a module at once; layers of a convolution hold some 30 times as many."""
ROWS = 4096
"""Samples that pass through a module at once."""


class Arrays(NamedTuple):
    """Samples and what goes with them, row by row."""

    x: Array
    mask: Array | None = None
    lengths: Array | None = None
    y: Array | None = None

    def rows(self, index: Any) -> Arrays:
        """Return the rows at an index or a slice."""
        return Arrays(*(None if part is None else part[index] for part in self))  # type: ignore[arg-type]


def arrays_of(model: Autoencoder, X: ArrayLike | Arrays, y: ArrayLike | None = None) -> Arrays:
    """Return samples checked, as the model takes them: float, or uint8 for pixels, which takes an eighth of `encoded`.

    `Arrays` are returned as they are: they have been here before.
    """
    if isinstance(X, Arrays):
        return X
    check_is_fitted(model)
    return Arrays(model._checked(X, reset=False))


def encoded(model: Autoencoder, X: ArrayLike | Arrays, y: ArrayLike | None = None) -> Arrays:
    """Return samples on the model's scale, in double precision: pixels in [0, 1]. Errors are measured on these."""
    arrays = arrays_of(model, X, y)
    x = arrays.x
    return arrays._replace(x=x / 255.0 if x.dtype == np.uint8 else x.astype(np.float64))


def batches(
    model: Autoencoder, X: ArrayLike | Arrays, y: ArrayLike | None = None, size: int | None = None
) -> Iterator[Tensor]:
    """Yield all samples in order, as batches of bounded size on the module's device."""
    module = model.module_
    size = size or max(1, min(BUDGET // max(1, model.n_features_in_), ROWS))
    yield from Rows(arrays_of(model, X, y).x, module.device, module.dtype).chunks(size)


def map_batches(
    model: Autoencoder, function: Callable[[Tensor], Tensor], X: ArrayLike | Arrays, y: ArrayLike | None = None
) -> Array:
    """Apply a function of batches to all samples, in evaluation mode: (N, ...), double precision."""
    arrays = arrays_of(model, X, y)
    with evaluating(model.module_):
        return np.concatenate([in_double(function(batch)).numpy() for batch in batches(model, arrays)])


def codes(model: Autoencoder, X: ArrayLike | Arrays, y: ArrayLike | None = None, k: int | None = None) -> Array:
    """Return the codes, or their first `k` dimensions: (N, latent_dim), double precision, whatever `set_output` says.

    Raises
    ------
    ConfigError
        `k` is out of bounds, or the model's codes are not ordered.
    """
    if k is not None:
        model._check_cut(k)
    return map_batches(model, model.module_.encode, X, y)[:, :k]


def reconstruct_encoded(model: Autoencoder, X: ArrayLike | Arrays, y: ArrayLike | None = None) -> Array:
    """Return the reconstructions on the model's scale: (N, *shape), double precision, pixels in [0, 1]."""
    module = model.module_
    return map_batches(model, lambda batch: module.decode(module.encode(batch)), X, y)


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


def likelihood_of(model: Autoencoder, X: ArrayLike | Arrays, y: ArrayLike | None = None) -> Distribution:
    """Return p(x | z) at the code of the first sample: its kind is the same for all."""
    module = latent_variable_module(model, "likelihood")
    with evaluating(module):
        batch = next(batches(model, arrays_of(model, X, y).rows(slice(1))))
        return module.likelihood(module.encode(batch))


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
