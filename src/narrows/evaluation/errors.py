"""The squared error of a reconstruction, and that of PCA of the same rank: every such number comes from here.

Both are measured on the model's scale (pixels in [0, 1]), summed over a sample's values, and leave missing values out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike

from narrows.errors import DataError
from narrows.estimators import PCA
from narrows.estimators.base import Autoencoder
from narrows.evaluation.inference import BUDGET, Array, Arrays, arrays_of, codes, encoded, reconstruct_encoded
from narrows.training import fingerprint

__all__ = ["Baseline", "baseline_rank", "pca_baseline", "squared_error", "squared_errors"]


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


def squared_error(model: Autoencoder, X: ArrayLike | Arrays, y: ArrayLike | None = None) -> Array:
    """Return the squared error of a model's reconstruction of each sample: (N,)."""
    return _by_rows(model, arrays_of(model, X, y), lambda part: reconstruct_encoded(model, part))


def _by_rows(model: Autoencoder, arrays: Arrays, reconstruct: Callable[[Arrays], Array]) -> Array:
    """Compare samples with what a function returns for them, a bounded number of rows in double precision at once."""
    size = max(1, 8 * BUDGET // max(1, model.n_features_in_))
    errors = np.empty(len(arrays.x))
    for start in range(0, len(errors), size):
        rows = slice(start, start + size)
        part = arrays.rows(rows)
        errors[rows] = squared_errors(encoded(model, part).x, reconstruct(part), part.mask)
    return errors


def baseline_rank(model: Autoencoder, n: int) -> int:
    """Return the rank of the baseline of a fitted model: its latent_dim, or the most that n training samples allow."""
    return min(model.latent_dim_, n, model.n_features_in_)


class Baseline:
    """PCA of a model's rank, on the model's scale, which stands beside every result of the model.

    Attributes
    ----------
    rank
        Number of components.
    n
        Number of samples that it was fitted to.
    pca
        The fitted estimator, whose samples are on the model's scale: `mean_` and `components_` are as well.
    """

    def __init__(self, model: Autoencoder, pca: PCA, n: int) -> None:
        self.model, self.pca, self.n = model, pca, n
        self.rank = pca.latent_dim_

    def transform(self, X: ArrayLike | Arrays) -> Array:
        """Return the coordinates along the principal axes: (N, rank)."""
        return codes(self.pca, arrays_of(self.model, X))

    def reconstruct(self, X: ArrayLike | Arrays) -> Array:
        """Return the reconstructions on the model's scale: (N, *shape)."""
        return reconstruct_encoded(self.pca, arrays_of(self.model, X))

    def squared_error(self, X: ArrayLike | Arrays) -> Array:
        """Return the squared error of each sample: (N,)."""
        return _by_rows(self.model, arrays_of(self.model, X), self.reconstruct)

    def squared_error_of_mean(self, X: ArrayLike | Arrays) -> Array:
        """Return the squared error of the mean training sample, which a code of no dimension would give: (N,)."""
        mean = self.pca.mean_.reshape(1, *self.model.sample_shape_)
        return _by_rows(self.model, arrays_of(self.model, X), lambda part: mean)

    def log_likelihood(self, X: ArrayLike | Arrays) -> Array:
        """Return log p(x) of probabilistic PCA, exactly (Tipping & Bishop 1999): (N,), in nats."""
        return np.asarray(self.pca.score_samples(arrays_of(self.model, X).x), np.float64)


def pca_baseline(model: Autoencoder, X_train: ArrayLike | Arrays) -> Baseline:
    """Return PCA of a model's rank, fitted to all training samples on the model's scale.

    The rank is that of `baseline_rank`. A model keeps its last baseline, so that whoever asks again for the same
    samples does not wait again. For large data see `narrows.PCA`: beyond 5e11 multiplications a range finder is used.

    Parameters
    ----------
    model
        A fitted model.
    X_train
        The samples that the model was fitted to, at least 2.

    Raises
    ------
    DataError
        There are fewer than 2 samples.
    """
    arrays = arrays_of(model, X_train)
    if (n := len(arrays.x)) < 2:
        raise DataError(f"pca_baseline: X_train must have at least 2 samples; got {n}. Pass the training samples.")
    fields: dict[str, Any] = {"latent_dim": baseline_rank(model, n)}
    key = fields | fingerprint(arrays.x)
    known = _FITTED.get(model)
    if known is None or known[0] != key:
        known = _FITTED[model] = key, PCA(**fields).fit(arrays.x)
    return Baseline(model, known[1], n)


_FITTED: WeakKeyDictionary[Autoencoder, tuple[Any, PCA]] = WeakKeyDictionary()
"""The last baseline of each model that is still in use, with the fingerprint of its samples."""
