"""Every column's share of a model's score, in nats."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from narrows.data.arrays import Array, Arrays
from narrows.errors import DataError
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import encoded, in_double, map_batches, reconstruct_encoded, values
from narrows.module import Batch


class ColumnScores(NamedTuple):
    """Log p of every value, given the code of its row: higher is more normal."""

    names: tuple[str, ...]
    """(D,), of the columns; their numbers where they have no names."""
    values: Array
    """(N, D), in nats of the data as given; nan where a value is missing."""


def column_scores(model: Autoencoder, X: ArrayLike | Arrays, y: Any = None) -> ColumnScores:
    """Return log p(x_d | z) of every value x_d of a table, at the code z of its row (the posterior mean): (N, D).

    The observed values of a row add up to the score of AE; to that of VAE with the KL term, which belongs to no column:
    score = sum_d log p(x_d | z) - KL(q(z | x) || p(z)). For PCA they are those of its probabilistic form (Tipping &
    Bishop 1999, eq. 2), around the point on the axes.

    Parameters
    ----------
    model
        A fitted model of a table.
    X
        (N, D), as the model takes it.
    y
        Labels (N,), for models with a condition.

    Raises
    ------
    ConfigError
        The model has no likelihood.
    DataError
        The model is one of sequences or images.
    """
    arrays = encoded(model, X, y)
    schema, module = model.schema_, model.module_
    if schema.kind != "table":
        raise DataError(
            f"column_scores: model must be one of a table; got one of {schema.kind}. Use squared_error_by_feature."
        )

    def score(batch: Batch) -> Tensor:
        nats = in_double(module.likelihood(module.encode(batch), batch).log_prob(batch.x))
        return nats + in_double(schema.log_jacobian_of_values(batch.x)) if module.density else nats

    nats = map_batches(model, score, arrays, exact=True)
    names = schema.columns or tuple(map(str, range(schema.n_features)))
    return ColumnScores(names, nats if arrays.mask is None else np.where(arrays.mask, nats, np.nan))


def column_gains(model: Autoencoder, X: ArrayLike | Arrays, y: Any = None) -> dict[str, float]:
    """Return by how many nats a value the code explains each column of a table better than the column's own mean does.

    Of numbers -log(1 - R^2) / 2, the gain of a normal distribution whose variance is that of the residuals, with R^2
    on the model's scale; of categories the mean of log p(level | z), and the entropy of the levels of X. Below 0 where
    the model is worse than that. 0 for a column without observed values.

    Parameters
    ----------
    model
        A fitted model of a table.
    X, y
        As for `column_scores`.
    """
    arrays = model.schema_.in_memory(encoded(model, X, y), model.computing_dtype)
    scores = column_scores(model, arrays)
    numeric = model.schema_.numeric
    x, x_hat = values(model, arrays), reconstruct_encoded(model, arrays)
    gains = {}
    for d, name in enumerate(scores.names):
        observed = slice(None) if arrays.mask is None else arrays.mask[:, d]
        v = x[observed, d]
        if not len(v):
            gains[name] = 0.0
        elif numeric is None or numeric[d]:
            left, all_of_it = float(np.square(v - x_hat[observed, d]).mean()), float(v.var())
            gains[name] = -math.log(max(left, 1e-12) / max(all_of_it, 1e-12)) / 2
        else:
            shares = np.unique(v, return_counts=True)[1] / len(v)
            gains[name] = float(scores.values[observed, d].mean() - (shares * np.log(shares)).sum())
    return gains
