"""The rows that fit a model least, and the columns that make them so."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from narrows.data.arrays import Array, Arrays, subset
from narrows.errors import ConfigError, DataError
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import encoded, map_batches
from narrows.evaluation.anomaly import anomaly_scores, auto_score, threshold

USUAL = 300
"""Rows of which it is learned what is usual for a column, at most."""


class Anomalies(NamedTuple):
    """What is found among N rows."""

    rows: Array
    """(K,), positions of the anomalies, least normal first."""
    scores: Array
    """(N,), of all rows, higher is more normal."""
    limit: float
    """Scores below it are anomalies."""
    by: str
    """Which score; see `anomaly_scores`."""
    columns: tuple[str, ...] | None
    """The names of the columns; None for sequences and images."""
    shares: Array | None
    """(K, D), the part that each column has in a row's being unusual, 1 in all; see `column_shares`."""


def anomalies(
    model: Autoencoder, X: ArrayLike | Arrays, y: Any = None, *, rate: float = 0.01, by: str = "auto",
    X_train: ArrayLike | Arrays | None = None, reference: Array | None = None, seed: int = 0,
) -> Anomalies:  # fmt: skip
    """Return the rows that fit a model least, with the columns that make them so.

    Parameters
    ----------
    model
        A fitted model.
    X
        (N, *shape): arrays or data frames, as the model takes them.
    y
        Labels (N,), for models with a condition.
    rate
        Which share counts as anomalies, in [0, 1): the limit is the score below which this share of `reference` lies.
    by
        Which score; "auto": see `anomaly_scores`.
    X_train
        Training rows, which some scores need and from which it is learned what is usual; None for X itself.
    reference
        Scores (M,) of rows that are known; None for those of X.
    seed
        Of draws and fits.

    Raises
    ------
    ConfigError
        `rate` is out of bounds, `by` is unknown, or it needs `X_train` and there is none.

    Examples
    --------
    >>> import narrows
    >>> X = np.random.default_rng(0).normal(size=(200, 3)) * [1, 5, 1]
    >>> X[7, 1] = 60
    >>> found = anomalies(narrows.PCA(latent_dim=2).fit(X), X, rate=0.005)
    >>> found.rows.tolist(), int(found.shares[0].argmax())
    ([7], 1)
    """
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate < 1:
        raise ConfigError(f"anomalies: rate must be a share >= 0 and < 1; got {rate!r}. 0.01 is one in a hundred.")
    arrays = encoded(model, X, y)
    train = None if X_train is None else encoded(model, X_train)
    chosen = auto_score(model, train) if by == "auto" else by
    scores = anomaly_scores(model, arrays, by=chosen, X_train=train, seed=seed)
    limit = threshold(scores if reference is None else reference, rate)
    rows = np.flatnonzero(scores < limit)
    rows = rows[np.argsort(scores[rows], kind="stable")]
    if model.schema_.kind != "table":
        return Anomalies(rows, scores, limit, chosen, None, None)
    names = model.schema_.columns or tuple(f"value_{i + 1}" for i in range(model.n_features_in_))
    shares = column_shares(model, arrays.rows(rows), arrays if train is None else train, seed=seed)
    return Anomalies(rows, scores, limit, chosen, tuple(names), shares)


def column_shares(model: Autoencoder, X: ArrayLike | Arrays, usual: ArrayLike | Arrays, *, seed: int = 0) -> Array:
    """Return the part that each column has in how unusual a row is: (N, D), 0 or more, 1 in all.

    The nats by which a value x_d is less likely than is usual for its column, max(0, m_d - s_d), divided by the sum
    over the columns of the row. s_d is `column_nats`, and m_d its median over at most 300 rows of `usual`. Missing
    values have no part.

    Parameters
    ----------
    model
        A fitted model of a table.
    X
        (N, D).
    usual
        Rows that are taken as usual, those of training.
    seed
        Of the choice among these.
    """
    known = encoded(model, usual)
    known = known.rows(subset(len(known.x), USUAL, seed))
    arrays = encoded(model, X)
    if not len(arrays.x):
        return np.zeros((0, arrays.x.shape[1]))
    excess = np.nanmedian(np.atleast_2d(column_nats(model, known)), 0) - column_nats(model, arrays)
    excess = np.maximum(np.nan_to_num(excess), 0)
    total = excess.sum(1, keepdims=True)
    return np.divide(excess, total, out=np.zeros_like(excess), where=total > 0)


def column_nats(model: Autoencoder, X: ArrayLike | Arrays) -> Array:
    """Return by how many nats each value changes the score of its row: (N, D); NaN for missing values.

    score(x) - score(x without x_d), which is log p(x_d | x_-d) exactly for PCA, the difference of two bounds for VAE,
    and for AE the nats of the value and of what its absence changes in the others.

    Raises
    ------
    DataError
        The model is one of sequences or images.
    """
    arrays = encoded(model, X)
    if model.schema_.kind != "table":
        raise DataError(f"column_nats: model must be one of a table; got one of {model.schema_.kind}.")
    arrays = model.schema_.in_memory(arrays, model.computing_dtype)
    mask = np.ones(arrays.x.shape, bool) if arrays.mask is None else arrays.mask
    whole = map_batches(model, model.module_.score, arrays, exact=True).astype(np.float64)
    nats = np.full(mask.shape, np.nan)
    for d in range(mask.shape[1]):
        rest = mask.copy()
        rest[:, d] = False
        rows = np.flatnonzero(mask[:, d])
        if len(rows):
            without = arrays.rows(rows)._replace(mask=rest[rows])
            nats[rows, d] = whole[rows] - map_batches(model, model.module_.score, without, exact=True)
    return nats
