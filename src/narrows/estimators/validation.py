"""The check of X before anything is learned or computed from it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import DataConversionWarning

from narrows.components import resolve_all
from narrows.corruptions import Corruption
from narrows.data.arrays import Array, on_disk
from narrows.data.axes import ORDERS, order_for, order_of, turned
from narrows.data.columns import check_values, shortened
from narrows.data.conversion import FORMS, as_array
from narrows.data.frames import frame_of, numbers_of
from narrows.data.scales import finite_sum
from narrows.data.schema import Schema
from narrows.data.stored import HELD, MemoryMap, StoredRows, stored
from narrows.data.types_frames import is_plain, mixed_table
from narrows.data.types_inferred import holds_codes
from narrows.data.types_likelihood import check_columns
from narrows.data.types_schema import table_like
from narrows.data.types_stored import StoredTable
from narrows.data.types_table import MixedTable, Values
from narrows.errors import ConfigError, DataError


def check_samples(
    estimator: BaseEstimator,
    X: Any,
    schema: Schema | None,
    *,
    missing: bool,
    axes: str | None = None,
    columns: Sequence[str] | None = None,
) -> Any:
    """Return X as numbers (N, *shape), a list of sequences of different lengths, or a table of typed columns.

    Images have the channels first; a table whose columns have types of their own is a `MixedTable`.

    Parameters
    ----------
    estimator
        Whose `n_features_in_` and `feature_names_in_` are set in fit.
    X
        An array, a list, a data frame, a tensor or a sparse matrix; masked values and None are missing.
    schema
        What was fitted: None in fit. Columns of a frame are put in its order, by name.
    missing
        Whether NaN counts as a missing value.
    columns
        Names of the columns of a table in fit, where X has none itself; messages have them.
    axes
        The order of the axes in fit: "NCHW", "NHWC", "NHW", "NTD" or "ND"; None to recognise it.

    Raises
    ------
    DataError
        X is empty, not numeric, not finite, or does not fit what was fitted; the message names all that is wrong.
    """
    name = type(estimator).__name__
    if schema is not None and schema.types is not None:
        return _as_typed(estimator, X, schema)
    if schema is not None and _is_ready(estimator, X, schema):
        return X
    if isinstance(X, MixedTable):
        return _first_typed(estimator, X, name)
    frame = frame_of(X, name)
    if schema is None and _needs_types(estimator, X, frame, columns):
        return _first_typed(
            estimator, mixed_table(frame, name) if frame is not None else _named(X, columns, name), name
        )
    if frame is None:
        samples = as_array(X, name)
    else:
        samples = numbers_of(frame, name, columns=None if schema is None else schema.columns, missing=missing)
    _check_names(estimator, None if frame is None else list(frame.columns), X, schema)
    if isinstance(samples, list):
        return _check_sequences(estimator, samples, schema, missing)
    if not 2 <= samples.ndim <= 4:
        raise DataError(
            f"{name}: X must be {FORMS}; got an array of shape {samples.shape}. Reshape your data: X.reshape(-1, 1) if "
            "it has one feature, X.reshape(1, -1) if it is one sample."
        )
    if not samples.size:
        what = "sample(s)" if not len(samples) else "feature(s)"
        raise DataError(
            f"{name}: X must hold at least one value; got 0 {what} (shape={samples.shape}) while a minimum of 1 is "
            "required. Choose other rows or columns."
        )
    if on_disk(samples) and schema is None:
        samples = _on_disk(estimator, samples, axes, name)
    if frame is None:
        names = columns if schema is None else schema.columns
        fits = names is not None and samples.shape[1:] == (len(names),)
        check_values(samples, names if fits else None, name, missing=missing)
    if schema is None:
        table = frame is not None or issparse(X) or isinstance(samples, MemoryMap)  # which has been turned
        samples = turned(samples, None if table else _order(samples, axes, name))
        estimator.n_features_in_ = math.prod(samples.shape[1:])
        return samples
    return _as_fitted(estimator, samples, schema, missing)


def _on_disk(estimator: Any, X: Any, axes: str | None, name: str) -> Any:
    """Return rows on disk for fit, of which one pass has been taken; those that fill two windows at most are read."""
    if X.nbytes <= HELD:
        return np.array(X)
    rows = stored(X if isinstance(X, StoredRows) else turned(X, _order(X, axes, name)))
    rows.gather(*estimator.sums_of(rows))
    return rows


def _needs_types(estimator: Any, X: Any, frame: Any, names: Sequence[str] | None) -> bool:
    """Return whether columns have types: kinds are given, some hold no plain numbers, or most hold codes, with gaps."""
    if not estimator.takes_types:
        return False
    given = estimator.get_params(deep=False).get("columns")
    check_columns(given, type(estimator).__name__)
    if frame is None and given is not None and names is not None:
        return True
    if frame is None and given is not None:
        raise ConfigError(
            f"{type(estimator).__name__}: columns must go with a data frame; got X of type {type(X).__name__}. Name "
            "its columns: pandas.DataFrame(X)."
        )
    if frame is None:
        return names is not None and holds_codes(X)
    if not len(frame) or given is not None or not is_plain(frame):
        return len(frame) > 0
    return holds_codes(numbers_of(frame, type(estimator).__name__))


def typed_table(estimator: Any, X: Any, columns: Sequence[str] | None) -> MixedTable | None:
    """Return the table of typed columns that `fit` of an estimator takes samples for; None where it takes an array."""
    if isinstance(X, MixedTable):
        return X if estimator.takes_types else None
    return _named(X, columns, type(estimator).__name__) if _needs_types(estimator, X, None, columns) else None


def _named(X: Any, names: Sequence[str] | None, name: str) -> MixedTable:
    """Return an array (N, D) of numbers with names as a table of typed columns."""
    array = as_array(X, name)
    if isinstance(array, list) or array.ndim != 2 or len(names or ()) != array.shape[1]:
        raise ConfigError(f"{name}: columns must go with a table; got X of another shape. Leave it out.")
    if isinstance(X, StoredRows):
        return StoredTable.of_numbers(X, list(names or ()))
    return MixedTable(
        {column: Values("number", array[:, i].astype(np.float64)) for i, column in enumerate(names or ())}
    )


def _first_typed(estimator: Any, table: MixedTable, name: str) -> MixedTable:
    """Return a table of typed columns, checked, and set what fit learns of its columns."""
    if not estimator.takes_types:
        held = [column for column in table.columns if table.holds(column) not in ("number", "truth")]
        raise DataError(
            f"{name}: X must hold numbers; got others in {shortened(held)}. Leave them out, or use AE or VAE."
        )
    if not len(table) or not table.columns:
        raise DataError(
            f"{name}: X must hold at least one value; got shape {table.shape}. Choose other rows or columns."
        )
    estimator.n_features_in_ = len(table.columns)
    estimator.feature_names_in_ = np.array(list(table.columns), dtype=object)
    return table


def _as_typed(estimator: Any, X: Any, schema: Schema) -> MixedTable:
    """Return samples as a table with the columns of fit."""
    name = type(estimator).__name__
    assert schema.types is not None
    table = table_like(X, schema.types, name)
    if not len(table):
        raise DataError(f"{name}: X must hold at least one value; got 0 samples. Choose other rows.")
    return table


def _as_fitted(estimator: Any, X: Array, schema: Schema, missing: bool) -> Array | list[Array]:
    """Return samples in the shape of those of fit."""
    if schema.ragged and X.ndim == 3:
        return _check_sequences(estimator, list(X), schema, missing)
    X = turned(X, order_for(X.shape[1:], schema.sample_shape))
    if schema.kind == "sequences" and X.shape[1:] == (1, *schema.sample_shape):  # taken for grey images in a file
        X = X[:, 0]
    if X.shape[1:] == schema.sample_shape:
        return X
    name = type(estimator).__name__
    if X.ndim == 2 and schema.kind == "table":
        n, known = schema.n_features, f" They are {shortened(schema.columns)}." if schema.columns else ""
        raise DataError(
            f"{name}: X must have the {n} features of fit; got {X.shape[1]}. X has {X.shape[1]} features, but {name} "
            f"is expecting {n} features as input.{known}"
        )
    fix = "Bring the images to that size." if schema.kind == "images" and X.ndim > 2 else "Reshape it."
    raise DataError(
        f"{name}: X must have samples of shape {schema.sample_shape}, as in fit; got {tuple(X.shape[1:])}. {fix}"
    )


def _order(X: Array, axes: str | None, name: str) -> str | None:
    """Return how images are given; what is recognised and not told is said."""
    if axes is not None:
        if axes not in ORDERS or len(axes) != X.ndim:
            fit = ", ".join(repr(order) for order in ORDERS if len(order) == X.ndim)
            raise ConfigError(f"{name}: axes must be {fit} or None for X of {X.ndim} axes; got {axes!r}.")
        return axes
    order = order_of(X)
    if order is not None:
        what, other = ("images (N, H, W, C)", "NCHW") if order == "NHWC" else ("grey images (N, H, W)", "NTD")
        unless = "images (N, C, H, W)" if order == "NHWC" else "sequences (N, T, D)"
        warnings.warn(
            f"{name}: X of shape {X.shape} and type {X.dtype} is taken as {what}, and what comes back has the same "
            f"order. Call fit(X, axes={other!r}) if it holds {unless}; axes={order!r} says that it does not.",
            DataConversionWarning,
            stacklevel=5,
        )
    return order


def _check_names(estimator: Any, names: list[str] | None, X: Any, schema: Schema | None) -> None:
    """Set `feature_names_in_` in fit; after it warn, as scikit-learn does, where only fit or only X has names."""
    if names is not None and any(type(column) is not str for column in getattr(X, "columns", names)):
        names = names if hasattr(X, "column_names") else None  # of numbers, as pandas names columns without names
    if schema is None:
        vars(estimator).pop("feature_names_in_", None)
        if names:
            estimator.feature_names_in_ = np.array(names, dtype=object)
        return
    name, known = type(estimator).__name__, "feature_names_in_" in vars(estimator)
    if names is None and known:
        warnings.warn(f"X does not have valid feature names, but {name} was fitted with feature names", stacklevel=4)
    elif names and not known and schema.columns is None:
        warnings.warn(f"X has feature names, but {name} was fitted without feature names", stacklevel=4)


def _is_ready(estimator: Any, X: Any, schema: Schema) -> bool:
    """Return whether X needs no conversion and no complaint: to find out takes longer than a model."""
    if type(X) is not np.ndarray or X.shape[1:] != schema.sample_shape or not len(X):
        return False
    if "feature_names_in_" in vars(estimator) or schema.ragged:
        return False
    return X.dtype == np.uint8 or (X.dtype in (np.float32, np.float64) and finite_sum(X))


def _check_sequences(estimator: Any, X: list[Array], schema: Schema | None, missing: bool) -> list[Array]:
    name, features = type(estimator).__name__, {sequence.shape[1] for sequence in X}
    if len(features) > 1 or min(len(sequence) for sequence in X) == 0 or features == {0}:
        raise DataError(
            f"{name}: X must be sequences (T_i, D) with the same D and at least one step; got shapes "
            f"{X[0].shape}, {X[-1].shape}, ..."
        )
    bad = [i for i, x in enumerate(X) if x.dtype.kind == "f" and not (np.isfinite(x) | (np.isnan(x) & missing)).all()]
    if bad:
        which = shortened([str(i) for i in bad])
        fix = "Leave them out, or replace those values" + (" by NaN." if missing else ".")
        raise DataError(f"{name}: X must hold finite numbers; got others (NaN, inf) in sequences {which}. {fix}")
    if schema is None:
        estimator.n_features_in_ = features.pop() * max(len(sequence) for sequence in X)
    elif not schema.ragged or schema.shape[1] not in features:
        raise DataError(
            f"{name}: X must have samples of shape {schema.shape}, as in fit; got {X[0].shape}. Cut or pad the "
            "sequences."
        )
    return X


def check_types(estimator: Any, schema: Schema, corruption: Corruption | None) -> None:
    """Raise ConfigError where typed columns go with a corruption or a penalty that computes with their indices."""
    if schema.types is None:
        return
    name = type(estimator).__name__
    if corruption is not None and not corruption.takes_types:
        raise ConfigError(
            f"{name}: corruption must be one that hides values for a table of typed columns; got "
            f"{str(estimator.corruption)!r}, which computes with indices of levels. Leave it out."
        )
    if any(
        penalty.slope for penalty in resolve_all("penalty", estimator.get_params(deep=False).get("penalty", ()), name)
    ):
        raise ConfigError(
            f"{name}: penalty must not be of the encoder's slope for a table of typed columns: levels have none. "
            "Use l1 or sparsity."
        )
