"""The squared error of a reconstruction, and that of PCA of the same rank: every such number comes from here.

Both are measured on the model's scale (pixels in [0, 1]), summed over a sample's values, and leave missing values out.
Of tables of typed columns they are those of the linear features: every number, and for each category one feature per
frequent level, 1 where a row has it and of which a model gives the probability. PCA is that of the same features, which
is where training begins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from narrows.data.arrays import Array, Arrays, on_disk
from narrows.data.axes import AS_MODELS
from narrows.data.batches import chunk_size
from narrows.data.stored import Mapped
from narrows.errors import DataError
from narrows.estimators import PCA
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import codes, encoded, map_batches, reconstruct_encoded, values
from narrows.module import Batch
from narrows.nn.typed import TypedInput
from narrows.probability.typed_distribution import ColumnDistribution
from narrows.training import fingerprint
from narrows.training.arrays import as_array


def squared_errors(x: Array, x_hat: Array, mask: Array | None = None) -> Array:
    """Return the squared error of each pair, summed over its values: (N, *shape) twice to (N,), double precision.

    Parameters
    ----------
    x, x_hat
        Samples and their reconstructions, on one scale.
    mask
        (N, *shape), True where a value was observed; the others do not count.

    Examples
    --------
    >>> squared_errors(np.zeros((1, 2, 2)), np.ones((1, 2, 2))).tolist()
    [4.0]
    """
    difference = np.subtract(x, x_hat, dtype=np.float64)
    if mask is not None:
        difference = np.where(mask, difference, 0.0)
    return np.square(difference, out=difference).reshape(len(difference), -1).sum(1)


def squared_error(model: Autoencoder, X: ArrayLike | Arrays, y: Any = None) -> Array:
    """Return the squared error of a model's reconstruction of each sample: (N,)."""
    return _by_rows(model, encoded(model, X, y), lambda part: compared_reconstructions(model, part))


def squared_error_by_feature(model: Autoencoder, X: ArrayLike | Arrays, y: Any = None) -> Array:
    """Return the squared error of each sample in every column, feature of a sequence or channel: (N, features).

    They add up to `squared_error`. What is missing is nan, or of a sequence left out. The error of a category is that
    of its levels' probabilities.
    """
    arrays = encoded(model, X, y)
    size, parts = chunk_size(model.sample_shape_), []
    for start in range(0, len(arrays.x), size):
        part = model.schema_.some_rows(arrays, slice(start, start + size), model.computing_dtype)
        x, x_hat = compared_values(model, part), compared_reconstructions(model, part)
        errors = np.square(np.subtract(x, x_hat, dtype=np.float64))
        if errors.ndim == 2:
            if model.schema_.types is not None:
                errors = np.add.reduceat(errors, _first_features(model), axis=1)
            parts.append(errors if part.mask is None else np.where(part.mask, errors, np.nan))
            continue
        errors = errors if part.mask is None else np.where(part.mask, errors, 0.0)
        parts.append(errors.sum(1) if errors.ndim == 3 else errors.sum((2, 3)))
    return np.concatenate(parts)


def _by_rows(model: Autoencoder, arrays: Arrays, reconstruct: Callable[[Arrays], Array]) -> Array:
    """Compare samples with what a function returns for them, a bounded number of rows in double precision at once."""
    size = chunk_size(model.sample_shape_)
    errors = np.empty(len(arrays.x))
    for start in range(0, len(errors), size):
        rows = slice(start, start + size)
        part = model.schema_.some_rows(arrays, rows, model.computing_dtype)
        errors[rows] = squared_errors(compared_values(model, part), reconstruct(part), measured(model, part))
    return errors


def compared_values(model: Autoencoder, arrays: Arrays) -> Array:
    """Return what errors are measured of: (N, *shape) on the model's scale; (N, linear) of typed columns."""
    x = values(model, arrays)
    if model.schema_.types is None:
        return x
    mask = None if arrays.mask is None else torch.from_numpy(arrays.mask)
    with torch.no_grad():  # weights of embeddings are drawn, and play no part
        return as_array(_inputs(model).linear_features(torch.from_numpy(x), mask))


def compared_reconstructions(model: Autoencoder, arrays: Arrays) -> Array:
    """Return a model's reconstruction of `compared_values`: of typed columns means of numbers, and probabilities."""
    if model.schema_.types is None:
        return reconstruct_encoded(model, arrays)
    module = model.module_

    def features(batch: Batch) -> Tensor:
        return cast(ColumnDistribution, module.likelihood(module.encode(batch), batch)).features

    return map_batches(model, features, arrays)


def measured(model: Autoencoder, arrays: Arrays) -> Array | None:
    """Return which of `compared_values` were observed."""
    if model.schema_.types is None or arrays.mask is None:
        return arrays.mask
    return np.repeat(arrays.mask, [column.linear for column in model.schema_.features], axis=1)


def _first_features(model: Autoencoder) -> Array:
    return np.cumsum([0, *(column.linear for column in model.schema_.features)])[:-1]


def _inputs(model: Autoencoder) -> TypedInput:
    return TypedInput(model.schema_.features).double()


def baseline_rank(model: Autoencoder, n: int) -> int:
    """Return the rank of the baseline of a fitted model: the size of its code, or the most that n samples allow."""
    types = model.schema_.features
    features = sum(column.linear for column in types) if types else model.schema_.n_features
    return min(int(np.prod(model.code_.shape)), n, features)


class Baseline:
    """PCA of a model's rank, on the model's scale, which stands beside every result of the model.

    Attributes
    ----------
    rank
        Number of components.
    n
        Number of samples that it was fitted to.
    mean
        (D,), of the training samples, on the model's scale.
    components
        (rank, D), the principal axes.
    """

    def __init__(self, model: Autoencoder, pca: PCA, n: int) -> None:
        self.model, self.pca, self.n = model, pca, n
        self.rank = pca.latent_dim_
        self.mean, self.components = pca.mean_, pca.components_

    def transform(self, X: ArrayLike | Arrays) -> Array:
        """Return the coordinates along the principal axes: (N, rank)."""
        return codes(self.pca, self._values(X))

    def reconstruct(self, X: ArrayLike | Arrays) -> Array:
        """Return the reconstructions on the model's scale: (N, *shape); of typed columns those of their features."""
        return reconstruct_encoded(self.pca, self._values(X))

    @property
    def mean_sample(self) -> Array:
        """The mean training sample on the model's scale: (1, *shape)."""
        shape = self.model.sample_shape_ if self.model.schema_.types is None else self.mean.shape
        return self.mean.reshape(1, *shape)

    def squared_error(self, X: ArrayLike | Arrays) -> Array:
        """Return the squared error of each sample: (N,)."""
        return _by_rows(self.model, encoded(self.model, X), self.reconstruct)

    def squared_error_of_mean(self, X: ArrayLike | Arrays) -> Array:
        """Return the squared error of the mean training sample, as of a code without dimensions: (N,)."""
        mean = self.mean_sample
        return _by_rows(self.model, encoded(self.model, X), lambda part: mean)

    def log_likelihood(self, X: ArrayLike | Arrays) -> Array:
        """Return log p(X) of probabilistic PCA, exactly (Tipping & Bishop 1999): (N,), in nats of the data as given."""
        return self.pca.score_samples(self._values(X)) + self.model.schema_.log_jacobian

    def _values(self, X: ArrayLike | Arrays) -> Array:
        """Return what PCA takes: samples on the model's scale, the mean for missing values; pixels as they are."""
        return _filled(self.model, encoded(self.model, X), self.mean)


def _filled(model: Autoencoder, arrays: Arrays, mean: Array | None = None) -> Array:
    """Return samples on the model's scale, missing values replaced by the mean; pixels as they are."""
    if arrays.x.dtype == np.uint8:
        return arrays.x
    if on_disk(arrays.x) and model.schema_.types is not None:

        def linear(rows: Array) -> Array:
            x, mask = model.schema_.scaled(rows, np.dtype(np.float32))
            return _filled(model, Arrays(x, mask))

        rows: Any = arrays.x
        size, name = linear(np.asarray(rows[:1])).shape[1:], f"linear features of {rows.identity}"
        features: Any = Mapped(rows, linear, size, np.dtype(np.float64), name)
        return features
    if on_disk(arrays.x) and not (model.schema_.missing and mean is None):
        return model.schema_.on_scale(arrays, np.dtype(np.float64), fill=mean).x
    x = compared_values(model, arrays)
    if arrays.mask is None or model.schema_.types is not None:  # linear features stand at their mean already
        return x
    if mean is None:
        mean = x.sum(0) / np.maximum(arrays.mask.sum(0), 1)
    return np.where(arrays.mask, x, mean.reshape(1, *x.shape[1:]))


def pca_baseline(model: Autoencoder, X_train: ArrayLike | Arrays, y: Any = None) -> Baseline:
    """Return PCA of a model's rank, fitted to all training samples on the model's scale.

    The rank is that of `baseline_rank`. A model keeps its last baseline, so that asking again for the same samples
    costs nothing. Beyond 5e11 multiplications a range finder takes over, see `narrows.PCA`.

    Parameters
    ----------
    model
        A fitted model.
    X_train
        The samples that the model was fitted to, at least 2.
    y
        Their labels, for models with a condition.

    Raises
    ------
    DataError
        There are fewer than 2 samples.
    """
    arrays = encoded(model, X_train, y)
    if (n := len(arrays.x)) < 2:
        raise DataError(f"pca_baseline: X_train must have at least 2 samples; got {n}. Pass the training samples.")
    x = _filled(model, arrays)
    fields: dict[str, Any] = {"latent_dim": baseline_rank(model, n)}
    key = fields | fingerprint(x)
    known = _FITTED.get(model)
    if known is None or known[0] != key:
        known = _FITTED[model] = key, PCA(**fields).fit(x, axes=AS_MODELS[x.ndim])
    return Baseline(model, known[1], n)


_FITTED: WeakKeyDictionary[Autoencoder, tuple[Any, PCA]] = WeakKeyDictionary()
"""The last baseline of each model that is still in use, with the fingerprint of its samples."""
