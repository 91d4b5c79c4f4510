"""The check of X before anything is learned or computed from it, by scikit-learn's validation and the schema."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

from narrows.data.arrays import Array
from narrows.data.schema import Schema
from narrows.errors import DataError


@np.errstate(over="ignore", invalid="ignore")  # sums of large values, by which scikit-learn looks for nan
def check_samples(estimator: BaseEstimator, X: Any, schema: Schema | None, *, missing: bool) -> Array | list[Array]:
    """Return X as a numeric array (N, *shape), or as a list of sequences of different lengths.

    Parameters
    ----------
    estimator
        Whose X it is; with no schema yet its `n_features_in_` and `feature_names_in_` are set.
    X
        Anything that scikit-learn takes, arrays of 3 and 4 dimensions, or a list of (T_i, D).
    schema
        What was fitted; None in fit.
    missing
        Whether NaN counts as a missing value.

    Raises
    ------
    DataError
        X is empty, not numeric, not finite, or has another shape than in fit.
    """
    name = type(estimator).__name__
    if schema is not None and _is_ready(estimator, X, schema):
        ready: Array = X
        return ready
    sequences = sequences_of(X)
    if sequences is not None:
        return _check_sequences(estimator, sequences, schema, missing)
    finite: Any = "allow-nan" if missing else True
    try:
        if np.asarray(X).ndim in (3, 4):
            X = check_array(
                X, dtype="numeric", allow_nd=True, ensure_2d=False, ensure_all_finite=finite, input_name="X",
                estimator=estimator,
            )  # fmt: skip
            if schema is None:
                estimator.n_features_in_ = math.prod(X.shape[1:])
        else:
            X = validate_data(estimator, X, reset=schema is None, dtype="numeric", ensure_all_finite=finite)
    except ValueError as error:
        raise DataError(f"{name}: {_advice(str(error), missing)}") from error
    if schema is not None and schema.ragged and X.ndim == 3:
        return _check_sequences(estimator, list(X), schema, missing)
    if schema is not None and tuple(X.shape[1:]) != schema.sample_shape:
        raise DataError(
            f"{name}: X must have samples of shape {schema.sample_shape}, as in fit; got {tuple(X.shape[1:])}. "
            "Reshape it."
        )
    if math.prod(X.shape) == 0:
        raise DataError(f"{name}: X must hold at least one value per sample; got shape {tuple(X.shape)}.")
    return X


def _is_ready(estimator: Any, X: Any, schema: Schema) -> bool:
    """Return whether X needs no conversion and no complaint: scikit-learn takes longer than a model to find out."""
    if type(X) is not np.ndarray or X.shape[1:] != schema.sample_shape or not len(X):
        return False
    if "feature_names_in_" in vars(estimator) or schema.ragged:
        return False
    if X.dtype == np.uint8:
        return True
    # The sum is finite where all values are, but for sums beyond the type.
    with np.errstate(over="ignore", invalid="ignore"):
        return X.dtype in (np.float32, np.float64) and math.isfinite(X.sum())


def sequences_of(X: Any) -> list[Array] | None:
    """Return a list of (T_i, D) arrays where X is one of different lengths; None for anything else."""
    if isinstance(X, np.ndarray) and not (X.dtype == object and X.ndim == 1):
        return None
    if not isinstance(X, list | tuple | np.ndarray) or not len(X):
        return None
    if any(not hasattr(sequence, "__len__") or np.ndim(sequence) != 2 for sequence in X):
        return None
    sequences = [np.asarray(sequence) for sequence in X]
    return None if len({sequence.shape for sequence in sequences}) == 1 else sequences


def _check_sequences(estimator: Any, X: list[Array], schema: Schema | None, missing: bool) -> list[Array]:
    name, features = type(estimator).__name__, {sequence.shape[1] for sequence in X}
    if len(features) > 1 or min(len(sequence) for sequence in X) == 0 or features == {0}:
        raise DataError(
            f"{name}: X must be sequences (T_i, D) with the same D and at least one step; got shapes "
            f"{X[0].shape}, {X[-1].shape}, ..."
        )
    for i, sequence in enumerate(X):
        bad = sequence.dtype.kind not in "fiub" or (
            sequence.dtype.kind == "f" and not (np.isfinite(sequence) | (np.isnan(sequence) & missing)).all()
        )
        if bad:
            raise DataError(f"{name}: X must hold finite numbers; sequence {i} holds others.")
    if schema is None:
        estimator.n_features_in_ = features.pop() * max(len(sequence) for sequence in X)
    elif not schema.ragged or schema.shape[1] not in features:
        raise DataError(
            f"{name}: X must have samples of shape {schema.shape}, as in fit; got {X[0].shape}. Cut or pad the "
            "sequences."
        )
    return X


def _advice(text: str, missing: bool) -> str:
    """Return scikit-learn's sentence, without its list of estimators that take NaN."""
    if missing or "contains NaN" not in text:
        return text
    return f"{text.splitlines()[0]} This model takes no missing values. Fill them, drop those rows, or use AE or VAE."
