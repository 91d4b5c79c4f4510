"""Missing values filled in from a fitted model: by their mean, or by draws; and rows drawn with some columns given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from narrows.data.arrays import Array, Arrays
from narrows.data.batches import VALUES, Batches, chunk_size
from narrows.data.types_given import given_row
from narrows.data.types_schema import as_given, decoded_table
from narrows.errors import ConfigError, did_you_mean
from narrows.estimators import inference
from narrows.estimators.importance import weighted_draws
from narrows.estimators.validation import check_samples
from narrows.module import Batch, ExactModule
from narrows.training.arrays import as_array

BLOCK = 32
"""Rows that draws are made for at once, at most; the last block is filled up, so that no draw depends on other rows."""
WIDE = 20
"""Importance draws for each row of `conditional`, at least."""


def impute(
    model: Any, X: ArrayLike, y: Any = None, *, samples: int | None = None, importance_samples: int = 1000,
    seed: int = 0,
) -> Any:  # fmt: skip
    """Return X with its missing values filled in: like X, in its units; observed values stay as they are.

    PCA gives the conditional mean, exactly. A model with a posterior gives the mean over x of importance-weighted draws
    z_k ~ q(z | x observed), sum_k w_k E[x | z_k] / sum_k w_k with w_k = p(x observed | z_k) p(z_k) / q(z_k | .)
    (Mattei & Frellsen 2019, arXiv:1812.02633, eq. 11), where p(mask | x_k) is a factor of w_k if missingness is
    modelled (Ipsen et al. 2021, arXiv:2006.12871). Others give the reconstruction. Of categories it is the likeliest
    level, by probabilities averaged as means of numbers are. A level that fit did not see is observed: it stays.

    Parameters
    ----------
    model
        A fitted estimator that takes missing values.
    X
        Samples, NaN where a value is missing.
    y
        Labels, for a model with a condition.
    samples
        None for the mean; or how many completed data sets to draw from p(x missing | x observed), which are returned as
        a list: exact draws of PCA, sampling-importance-resampling of a model with a posterior.
    importance_samples
        Draws per row, for a model with a posterior.
    seed
        Of the draws; those of a row depend on the seed and on its position alone.

    Raises
    ------
    ConfigError
        The model takes no missing values, has no distribution to draw from, or a number of draws is below 1.
    """
    name = type(model).__name__
    if not model.takes_missing:
        raise ConfigError(f"{name}: impute must have a model that takes missing values; use PCA, AE or VAE.")
    for key, value in (("samples", 1 if samples is None else samples), ("importance_samples", importance_samples)):
        _check_count(name, key, value)
    check_is_fitted(model)
    schema, module = model.schema_, model.module_
    given = check_samples(model, X, schema, missing=True)
    data = schema.in_memory(model._encode(given, y), model.computing_dtype)
    if samples is not None:
        drawn = _drawn(model, data, int(samples), int(importance_samples), seed)
        return [_presented(model, x, given, data, X) for x in drawn]
    if data.mask is None:
        filled = data.x
    elif isinstance(module, ExactModule):
        filled = inference.map_batches(model, module.complete, data, exact=True)
    elif module.probabilistic:
        filled = _weighted_means(model, data, int(importance_samples), seed)
    else:
        filled = inference.reconstruct_encoded(model, data)
    return _presented(model, filled, given, data, X)


def missing_values(model: Any, X: ArrayLike) -> dict[str, int]:
    """Return how many values of each column of a table `impute` fills in: those that are missing in X.

    Levels that fit did not see are missing for the model alone: `impute` leaves them as they are.
    """
    schema = model.schema_
    given = check_samples(model, X, schema, missing=True)
    if schema.types is not None:
        filled = [column.name for column in schema.types if column.kind != "identifier"]
        return {name: int(given.columns[name].missing.sum()) for name in filled if name in given.columns}
    mask = model._encode(given, None).mask
    names = schema.columns or tuple(map(str, range(schema.n_features)))
    return dict(zip(names, [0] * len(names) if mask is None else (~mask).sum(0).tolist(), strict=True))


def conditional(
    model: Any, given: Mapping[str | int, Any], n: int = 1, y: Any = None, *, importance_samples: int = 10_000,
    seed: int = 0,
) -> Any:  # fmt: skip
    """Return rows of a table drawn with some columns fixed: (n, D), in the units and the kind of frame of fit's X.

    Draws from p(x others | x given): exact of PCA; of a model with a posterior by sampling-importance-resampling from
    q(z | x given) and the prior in equal parts.

    Parameters
    ----------
    model
        A fitted estimator of tables with a distribution over x.
    given
        The value of each column that is fixed, by name or by position; of typed columns by name: a level, a number, a
        time.
    n
        How many rows.
    y
        One label, for a model with a condition.
    importance_samples
        Draws for all rows together, at least 20 for each of them.
    seed
        Of the draws.

    Raises
    ------
    ConfigError
        There is no such column, a value is no finite number, or the model is not of tables or has no distribution.
    """
    name = type(model).__name__
    check_is_fitted(model)
    for key, count in (("n", n), ("importance_samples", importance_samples)):
        _check_count(name, key, count)
    schema = model.schema_
    if schema.kind != "table":
        raise ConfigError(f"{name}: conditional must have a model of tables; got one of {schema.kind}.")
    labels = None if y is None else np.broadcast_to(np.asarray(y), (1,))
    if schema.types is not None:
        return _typed_rows(model, given, n, labels, importance_samples, seed)
    row = np.full((1, schema.n_features), np.nan)
    for column, value in given.items():
        row[0, _position(name, column, schema)] = _number(name, column, value)
    data = model._encode(row, labels)
    (drawn,) = _drawn(model, data, int(n), max(int(importance_samples), WIDE * int(n)), seed, wide=True).swapaxes(0, 1)
    filled = schema.in_units(drawn, decimals=True)
    exact = ~np.isnan(row[0])
    filled[:, exact] = row[:, exact].astype(filled.dtype)
    return schema.presented(filled)


def _typed_rows(model: Any, given: Mapping[Any, Any], n: int, y: Any, draws: int, seed: int) -> Any:
    """Return rows of typed columns of which some are given; see `conditional`."""
    schema = model.schema_
    row = given_row(given, schema.types, type(model).__name__)
    data = model._encode(row, y)
    (drawn,) = _drawn(model, data, int(n), max(int(draws), WIDE * int(n)), seed, wide=True).swapaxes(0, 1)
    table = decoded_table(drawn, schema.types, rng=np.random.default_rng([seed, 1]), decimals=True)
    known = row[np.zeros(int(n), int)].filled(table)
    return as_given(known.chosen(list(table.columns)), schema.frame, None)


def _drawn(model: Any, data: Arrays, samples: int, draws: int, seed: int, *, wide: bool = False) -> Array:
    """Return completed samples on the model's scale: (samples, N, *shape)."""
    module, n = model.module_, len(data.x)
    exact = isinstance(module, ExactModule)
    if not exact and not module.probabilistic:
        raise ConfigError(
            f"{type(model).__name__}: samples must be None for a model without a distribution over x; got {samples}. "
            "Use VAE or PCA."
        )
    values = model.schema_.n_features * (samples if exact else max(samples, draws))
    size = max(1, min(BLOCK, VALUES // values))
    batches = Batches(data, model.schema_, module.device, module.dtype, module.density)
    out = np.empty((samples, n, *model.schema_.sample_shape), model.computing_dtype)
    with inference.evaluating(module):
        for start in range(0, n, size):
            rows = range(start, start + size)
            batch = batches.take(torch.arange(start, start + size, device=module.device).clamp(max=n - 1))
            if exact:
                (noise,) = inference.row_noise(rows, (module.noise_size,), samples, samples, seed)
                x = module.complete(batch, inference.from_noise(noise, batch.x))
            else:
                weighted = weighted_draws(module, batch, rows, draws, seed, wide=wide)
                x = weighted.draw(rows, samples, module, batch, seed)
            out[:, start : start + size] = as_array(x)[:, : n - start]
    return out


def _weighted_means(model: Any, data: Arrays, samples: int, seed: int) -> Array:
    """Return the mean over x by importance weights, on the model's scale: (N, *shape)."""
    first = [0]

    def fill(batch: Batch) -> Tensor:
        start = first[0]
        first[0] += len(batch)
        return weighted_draws(model.module_, batch, range(start, first[0]), samples, seed).mean

    size = max(1, chunk_size(model.schema_.sample_shape, VALUES // samples))
    return inference.map_batches(model, fill, data, exact=True, size=size)


def _presented(model: Any, filled: Array, given: Any, data: Arrays, X: Any) -> Any:
    """Return filled samples of the model's scale as X was; what was observed comes back to the last digit."""
    schema = model.schema_
    if schema.types is not None:
        return as_given(given.filled(decoded_table(filled, schema.types, given=given, decimals=True)), schema.frame, X)
    mask = np.ones(filled.shape, bool) if data.mask is None else data.mask
    if schema.pixels:  # given on [0, 1], or nothing could be missing
        filled = schema.in_units(np.where(mask, schema.values(data), filled))
    else:
        filled = np.where(mask, _padded(given, data), schema.in_units(filled, decimals=True))
    return schema.presented(filled, like=X, lengths=data.lengths)


def _padded(X: Array | list[Array], data: Arrays) -> Array:
    """Return samples as they were given, sequences padded with 0: (N, *shape)."""
    if not isinstance(X, list):
        return X
    padded = np.zeros(data.x.shape, np.result_type(*X))
    for row, sequence in enumerate(X):
        padded[row, : len(sequence)] = sequence
    return padded


def _check_count(name: str, key: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ConfigError(f"{name}: {key} must be a whole number >= 1; got {value!r}.")


def _position(name: str, column: Any, schema: Any) -> int:
    """Return the position of a column, given by name or by position."""
    names = schema.columns or ()
    if column in names:
        return int(names.index(column))
    if isinstance(column, int | np.integer) and not isinstance(column, bool) and 0 <= column < schema.n_features:
        return int(column)
    known = f"the names {', '.join(names)} or " if names else ""
    raise ConfigError(
        f"{name}: given must have columns by {known}positions below {schema.n_features}; got {column!r}."
        f"{did_you_mean(str(column), names)}"
    )


def _number(name: str, column: Any, value: Any) -> float:
    if isinstance(value, bool | int | float | np.number | np.bool_) and np.isfinite(value):
        return float(value)
    raise ConfigError(f"{name}: given must hold finite numbers; got {value!r} for column {column!r}.")


class ImputerMixin:
    """The verbs of an estimator that fill in what is missing."""

    _takes_condition: Any

    def impute(
        self, X: ArrayLike, y: Any = None, *, samples: int | None = None, importance_samples: int = 1000, seed: int = 0
    ) -> Any:
        """Return X with its missing values filled in, or a list of `samples` draws of it.

        See `narrows.estimators.imputation.impute`.
        """
        labels = y if self._takes_condition else None
        return impute(self, X, labels, samples=samples, importance_samples=importance_samples, seed=seed)

    def conditional(
        self, given: Mapping[str | int, Any], n: int = 1, y: Any = None, *, importance_samples: int = 10_000,
        seed: int = 0,
    ) -> Any:  # fmt: skip
        """Return n rows drawn with some columns given; see `narrows.estimators.imputation.conditional`."""
        labels = y if self._takes_condition else None
        return conditional(self, given, n, labels, importance_samples=importance_samples, seed=seed)
