"""The one way from a fitted estimator to tensors, for its verbs and for all measures.

Measures of reconstruction are taken on the model's scale: pixels in [0, 1], features as `scale` has them.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from narrows.data.arrays import Array, Arrays
from narrows.data.batches import Batches, chunk_size
from narrows.data.schema import Schema
from narrows.errors import DataError
from narrows.module import Batch, Module
from narrows.training.arrays import as_array


class Fitted(Protocol):
    """What is needed of an estimator."""

    module_: Module
    schema_: Schema

    def arrays(self, X: ArrayLike, y: Any = None) -> Arrays:
        """Return samples, checked, on the model's scale."""

    @property
    def computing_dtype(self) -> np.dtype[Any]:
        """The type in which the model computes."""

    def products(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which codes and reconstructions are computed."""


def encoded(estimator: Fitted, X: ArrayLike | Arrays, y: Any = None) -> Arrays:
    """Return samples, checked, on the model's scale; `Arrays` pass through.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        The estimator is not fitted.
    DataError
        X does not fit the model.
    """
    if isinstance(X, Arrays):
        return X
    if "module_" not in vars(estimator):  # quicker than what it calls
        check_is_fitted(estimator)
    return estimator.arrays(X, y)


def values(estimator: Fitted, X: ArrayLike | Arrays, y: Any = None) -> Array:
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


def batches(estimator: Fitted, X: ArrayLike | Arrays, y: Any = None, *, size: int | None = None) -> Iterator[Batch]:
    """Yield samples in order as batches of `size`, by default as many as pass through a module at once."""
    module, schema = estimator.module_, estimator.schema_
    rows = Batches(encoded(estimator, X, y), schema, module.device, module.dtype, module.density)
    return rows.chunks(size or chunk_size(schema.sample_shape))


def map_batches(
    estimator: Fitted, function: Callable[[Batch], Tensor], X: ArrayLike | Arrays, y: Any = None, *,
    exact: bool = False, size: int | None = None,
) -> Array:  # fmt: skip
    """Apply a function of batches to X in chunks, in evaluation mode: (N, ...) numpy.

    Parameters
    ----------
    estimator
        Fitted.
    function
        From a batch of B samples to a tensor (B, ...).
    X, y
        Samples, and labels for a model with a condition.
    exact
        Whether to compute in the precision of the weights, whatever `precision` says.
    size
        Samples in a chunk.

    Raises
    ------
    DataError
        What comes out is not finite.
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


def encode(estimator: Fitted, X: ArrayLike | Arrays, y: Any = None) -> Array:
    """Return the codes as a plain array, whatever `set_output` says: (N, *code shape)."""
    arrays = encoded(estimator, X, y)  # first: there may be no module yet
    return map_batches(estimator, estimator.module_.encode, arrays)


def reconstruct_encoded(estimator: Fitted, X: ArrayLike | Arrays, y: Any = None) -> Array:
    """Return reconstructions on the model's scale: (N, *shape)."""
    arrays, module = encoded(estimator, X, y), estimator.module_
    return map_batches(estimator, lambda batch: module.decode(module.encode(batch), batch), arrays)
