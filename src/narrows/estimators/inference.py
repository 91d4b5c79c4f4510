"""The one way from a fitted estimator to tensors, for its verbs and for all measures.

Measures of reconstruction are taken on the model's scale: pixels in [0, 1], features as `scale` has them.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.distributions import Distribution

from narrows.data.arrays import Array, Arrays
from narrows.data.batches import Batches, chunk_size
from narrows.errors import ConfigError, DataError
from narrows.module import Batch, LatentVariableModule, Module
from narrows.training.arrays import as_array

if TYPE_CHECKING:
    from narrows.estimators.base import Autoencoder


def encoded(estimator: Autoencoder, X: ArrayLike | Arrays, y: Any = None) -> Arrays:
    """Return samples, checked, on the model's scale; `Arrays` pass through.

    Raises: sklearn.exceptions.NotFittedError where the estimator is not fitted; DataError where X does not fit the
    model.
    """
    if isinstance(X, Arrays):
        return X
    if "module_" not in vars(estimator):  # quicker than what it calls
        check_is_fitted(estimator)
    return estimator.arrays(X, y)


def values(estimator: Autoencoder, X: ArrayLike | Arrays, y: Any = None) -> Array:
    """Return samples on the model's scale in double precision, pixels in [0, 1]: (N, *shape); masked values are 0."""
    return estimator.schema_.values(encoded(estimator, X, y))


@contextlib.contextmanager
def evaluating(module: Module) -> Generator[None, None, None]:
    """Switch a module to evaluation, without gradients, and back."""
    training = module.training
    if training:
        module.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        if training:
            module.train()


def batches(model: Autoencoder, X: ArrayLike | Arrays, y: Any = None, *, size: int | None = None) -> Iterator[Batch]:
    """Yield samples in order as batches of `size`, by default as many as pass through a module at once."""
    module, schema = model.module_, model.schema_
    rows = Batches(encoded(model, X, y), schema, module.device, module.dtype, module.density)
    return rows.chunks(size or chunk_size(schema.sample_shape))


def map_batches(
    estimator: Autoencoder, function: Callable[[Batch], Tensor], X: ArrayLike | Arrays, y: Any = None, *,
    exact: bool = False, size: int | None = None,
) -> Array:  # fmt: skip
    """Apply a function from a batch of B samples to (B, ...) to X in chunks, in evaluation mode: (N, ...) numpy.

    With `exact` it is computed in the precision of the weights, whatever `precision` says; `size` is that of a chunk.
    Raises: DataError where what comes out is not finite.
    """
    arrays = encoded(estimator, X, y)
    out: Array | None = None
    start, n = 0, len(arrays.x)
    products = contextlib.nullcontext() if exact else estimator.products()
    with evaluating(estimator.module_), np.errstate(over="ignore", invalid="ignore"), products:
        for batch in batches(estimator, arrays, size=size):
            result = as_array(function(batch))
            # The sum is the quick check: it is finite where all are, but for sums beyond float32.
            if not (math.isfinite(np.add.reduce(result, axis=None)) or np.isfinite(result).all()):
                low, high = float(arrays.x.min()), float(arrays.x.max())
                raise DataError(
                    f"{type(estimator).__name__}: what comes out must be finite; got nan or infinity for values from "
                    f"{low:.3g} to {high:.3g}. Scale them as in fit."
                )
            if len(result) == n:
                return result
            if out is None:
                out = np.empty((n, *result.shape[1:]), result.dtype)
            out[start : start + len(result)] = result
            start += len(result)
    assert out is not None  # X has at least one sample
    return out


def encode(estimator: Autoencoder, X: ArrayLike | Arrays, y: Any = None) -> Array:
    """Return the codes as a plain array, whatever `set_output` says: (N, *code shape)."""
    arrays = encoded(estimator, X, y)  # first: there may be no module yet
    return map_batches(estimator, estimator.module_.encode, arrays)


def reconstruct_encoded(estimator: Autoencoder, X: ArrayLike | Arrays, y: Any = None) -> Array:
    """Return reconstructions on the model's scale: (N, *shape)."""
    arrays, module = encoded(estimator, X, y), estimator.module_
    return map_batches(estimator, lambda batch: module.decode(module.encode(batch), batch), arrays)


def codes(model: Autoencoder, X: ArrayLike | Arrays, y: Any = None, k: int | None = None) -> Array:
    """Return the codes, or their first `k` dimensions, as rows of an array: (N, k), whatever `set_output` says.

    Codes that are indices are taken as numbers.

    Raises: ConfigError where `k` is out of bounds, or the model's codes are not ordered.
    """
    if k is not None:
        model.check_cut(k)
    Z = encode(model, X, y)
    return Z.reshape(len(Z), -1)[:, :k].astype(np.float64)


def latent_variable_module(model: Autoencoder, measure: str) -> LatentVariableModule:
    """Return the module of a model that has a posterior, a prior and a likelihood.

    Raises: ConfigError where the model has none of them.
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


def in_double(tensor: Tensor) -> Tensor:
    """Return a tensor in double precision on the CPU: some devices have none, so it is moved before it is converted."""
    return tensor.cpu().double()


def from_noise(noise: Array, like: Tensor) -> Tensor:
    """Return noise of numpy as a tensor of the type and on the device of another; converted before it is moved."""
    return torch.from_numpy(noise).to(like.dtype).to(like.device)


def check_labels(measure: str, n: int, y: ArrayLike) -> Array:
    """Return labels as an array (n,), one for each sample. Raises: DataError where there are more or fewer of them."""
    labels = np.asarray(y)
    if labels.shape != (n,):
        raise DataError(f"{measure}: y must have one label per sample, shape ({n},); got {labels.shape}.")
    return labels


def row_noise(rows: range, shape: tuple[int, ...], samples: int, draws: int, seed: int) -> Iterator[Array]:
    """Yield standard normal noise (k, B, *shape), at most `draws` of the `samples` at once, from a stream per row.

    Philox is counter-based: the key (seed, row) is a stream of its own, whoever else draws (Salmon et al. 2011).
    """
    streams = [np.random.Generator(np.random.Philox(key=[seed, row])) for row in rows]
    for start in range(0, samples, draws):
        k = min(draws, samples - start)
        yield np.stack([stream.standard_normal((k, *shape)) for stream in streams], axis=1)
