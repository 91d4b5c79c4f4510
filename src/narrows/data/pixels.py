"""Which values are pixels: the type of an array says it, its values say it, and a fitted model expects them so."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from narrows.data.arrays import Array, on_disk
from narrows.data.stored import StoredRows
from narrows.errors import DataError

WHITE = 255
HALF = 127
"""Pixels reach beyond it; counts, ratings and classes in uint8 seldom do."""
SMALLEST = 8
"""Rows and columns of pictures, at least, where the type alone does not tell them from sequences or tables."""
SEEN = 1000
"""Samples by which pixels are told to be black and white."""
FAR = 10
"""Times by which the range of new samples may differ from that of training before it is said."""


def counts_as_pixels(X: Array, *, table: bool = False) -> bool:
    """Return whether an array holds pixels 0..255: uint8 that is no table of counts, and no mask of 0 and 1.

    `table` says that X was a data frame or a sparse matrix, or that its columns have names: it holds no pixels. Nor
    does an array (N, D) of less than 64 columns, the values of a picture of 8 x 8, or of values up to 127.
    """
    if X.dtype != np.uint8 or table or not X.size or (X.ndim == 2 and X.shape[1] < SMALLEST**2):
        return False
    high = int(X.max())
    return high > HALF if X.ndim == 2 else high != 1


def two_tone(X: Array) -> bool:
    """Return whether pixels x in [0, 1] are nearer black and white than their own mean: E[x (1 - x)] < Var[x].

    For such the cross-entropy tells the samples apart; where greys prevail, it hardly depends on x. It goes by a
    thousand samples at most, on disk by all.
    """
    if isinstance(X, StoredRows):
        mean, variance = X.facts.mean / WHITE, X.facts.squares / X.facts.count / WHITE**2
        return bool((mean - mean**2 - variance).mean() < variance.mean())
    x = np.asarray(X[:: max(1, len(X) // SEEN)]).reshape(-1, X[0].size).astype(np.float64) / WHITE
    return bool((x * (1 - x)).mean() < x.var(0).mean())


def grey_levels(X: Array) -> bool:
    """Return whether values are whole numbers 0..255 that reach beyond 127, or such numbers divided by 255."""
    if X.dtype.kind not in "iuf" or not X.size:
        return False
    low, high = X.min(), X.max()
    if not 0 <= low <= high <= WHITE:  # not for nan either
        return False
    return divided(X) if high <= 1 else bool(high > HALF and whole(X))


def divided(X: Array) -> bool:
    """Return whether values in [0, 1] are grey levels divided by 255, and more than black and white."""
    levels = X.astype(np.float64) * WHITE
    grey = np.abs(levels - np.round(levels)) < (0.2 if X.dtype == np.float16 else 1e-3)
    return bool(grey.all() and ((X > 0) & (X < 1)).any())


def whole(X: Array) -> bool:
    """Return whether all values are whole numbers."""
    return X.dtype.kind in "iub" or bool((np.round(X) == X).all())


def as_fitted(X: Array, schema: Any, owner: str) -> Array:
    """Return new samples in the unit of those that the model of a `Schema` was fitted to, grey levels above all.

    Levels 0..255 and levels divided by 255 are recognised by type and values, so that they give the same codes. What
    two units could be meant by is said (DataConversionWarning); what is neither is a DataError for a model of pixels.
    """
    if schema.pixels:
        return X if X.dtype == np.uint8 and on_disk(X) else _pixels(X, owner)
    if on_disk(X) or schema.limits is None or not X.size or X.dtype.kind not in "iuf":
        return X
    low, high = schema.limits
    if schema.columns is not None or schema.ragged or low < 0:
        return _near(X, schema, owner)
    seen = X[~np.isnan(X)] if X.dtype.kind == "f" and np.isnan(X).any() else X
    if high <= 1 and seen.size and seen.max() > 1:
        pictures = schema.kind == "images" or schema.n_features >= SMALLEST**2
        if counts_as_pixels(X) or (pictures and grey_levels(seen)):
            return X / (np.float64(WHITE) if X.dtype == np.float64 else np.float32(WHITE))
    elif HALF < high <= WHITE and X.dtype.kind == "f" and grey_levels(seen) and seen.max() <= 1:
        return X * X.dtype.type(WHITE)
    return _near(X, schema, owner)


def _pixels(X: Array, owner: str) -> Array:
    """Return what a model of uint8 pixels is given as uint8 or on [0, 1]."""
    low, high = (float(np.nanmin(X)), float(np.nanmax(X))) if X.size else (0.0, 0.0)
    if X.dtype == bool:
        return X.astype(np.float32)
    if high == 1 and low >= 0 and whole(X):
        unit = "white" if X.dtype.kind == "f" else "a grey level of 1 out of 255"
        _warn(f"{owner}: X holds 0 and 1 alone, and the model was fitted to pixels 0..255. 1 counts as {unit}.")
    if X.dtype == np.uint8:
        return X
    if low >= 0 and high <= WHITE:
        if X.dtype.kind in "iu":
            return X.astype(np.uint8)
        if high <= 1:
            return X
        if whole(X):
            return X.astype(np.uint8)
        if high > HALF:
            return X / X.dtype.type(WHITE)
    raise DataError(
        f"{owner}: X must be pixels as in fit, 0..255 or divided by 255; got {X.dtype} from {low:.6g} to {high:.6g}. "
        "Bring X to that range, as the samples of fit were."
    )


def _near(X: Array, schema: Any, owner: str) -> Array:
    """Return X as it is; say it where an array's type and range are far from those of training."""
    low, high = schema.limits
    if schema.columns is None and X.dtype.name != schema.dtype:
        least, most = float(np.fmin.reduce(X, axis=None)), float(np.fmax.reduce(X, axis=None))
        before, now = max(abs(low), abs(high)), max(abs(least), abs(most))
        if now and before and not 1 / FAR < now / before < FAR:
            _warn(
                f"{owner}: X lies from {least:.4g} to {most:.4g} ({X.dtype}), and the samples of fit from {low:.4g} to "
                f"{high:.4g} ({schema.dtype}). Give it in the unit that those had."
            )
    return X


def _warn(message: str) -> None:
    try:
        from sklearn.exceptions import DataConversionWarning as Kind  # takes half a second
    except ImportError:  # an exported model runs without scikit-learn
        Kind = UserWarning
    warnings.warn(message, Kind, stacklevel=2)
