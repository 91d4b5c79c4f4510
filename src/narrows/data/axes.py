"""The order of the axes of images: (N, C, H, W) where models see them, and as they were given outside."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.pixels import SMALLEST, grey_levels

CHANNELS = (1, 3, 4)
"""Numbers of channels by which a last axis is recognised as that of the channels."""
ORDERS = {"NCHW": (0, 1, 2, 3), "NHWC": (0, 3, 1, 2), "NHW": (0, 1, 2), "NTD": (0, 1, 2), "ND": (0, 1)}
"""Orders that X may have, and where the axes of models stand in them."""
AS_MODELS = {2: "ND", 3: "NTD", 4: "NCHW"}
"""The order in which models take samples, by the number of axes."""
LOOKED_AT = 500
"""Samples that are looked at to find out whether they are grey levels."""


def order_of(X: Array) -> str | None:
    """Return how X is given where that is not how models take it: "NHWC" or "NHW"; else None.

    (N, H, W, C) has 1, 3 or 4 values on its last axis, more on the two before, and another number on its second.
    (N, H, W) are grey images, not sequences (N, T, D), where they are uint8, or at least 8 x 8 and uint16, bool, whole
    numbers 0..255 that reach beyond 127, or such numbers divided by 255.
    """
    if X.ndim == 4:
        last = X.shape[3] in CHANNELS and X.shape[1] not in CHANNELS and X.shape[3] < min(X.shape[1:3])
        return "NHWC" if last else None
    if X.ndim != 3 or not X.size:
        return None
    if X.dtype == np.uint8:
        return "NHW"
    if min(X.shape[1:]) < SMALLEST:
        return None
    return (
        "NHW" if X.dtype in (np.uint16, bool) or grey_levels(np.asarray(X[:: math.ceil(len(X) / LOOKED_AT)])) else None
    )


def turned(X: Array, order: str | None) -> Array:
    """Return X with its axes as models take them; a view of a memory map, else contiguous."""
    if order == "NHW":
        return X[:, None]
    if order != "NHWC":
        return X
    view = X.transpose(ORDERS[order])
    return view if isinstance(X, np.memmap) else np.ascontiguousarray(view)


def order_for(given: tuple[int, ...], shape: tuple[int, ...]) -> str | None:
    """Return how samples of shape `given` become those of a model's `shape`; None where nothing turns them into it."""
    if len(shape) != 3 or given == shape:
        return None
    if len(given) == 3 and (given[2], *given[:2]) == shape:
        return "NHWC"
    return "NHW" if (1, *given) == shape else None


def given_order(X: Any, shape: tuple[int | None, ...]) -> str | None:
    """Return the order in which a user's X holds samples that models see in `shape`."""
    given = getattr(X, "shape", None)
    if given is None and isinstance(X, list | tuple) and len(X) and len(shape) == 3:
        given = (len(X), *np.shape(X[0]))
    if not isinstance(given, tuple) or None in shape:
        return None
    return order_for(tuple(int(n) for n in given[1:]), shape)  # type: ignore[arg-type]


def returned(X: Array, order: str | None) -> Array:
    """Return images (N, C, H, W) in the order in which they were given."""
    if order == "NHWC":
        return np.ascontiguousarray(X.transpose(0, 2, 3, 1))
    return X[:, 0] if order == "NHW" else X


def axes_of(array: Array) -> dict[str, Any]:
    """Return the fields of a data set that say how the axes of images lie in its file."""
    order = order_of(array)
    if order is None:
        return {}
    other = "sequence" if order == "NHW" else "x".join(map(str, array.shape[1:]))
    form = "grey images" if order == "NHW" else "images with the channels last"
    note = f"{' x '.join(map(str, array.shape[1:]))} are {form} (otherwise: shape={other})"
    return {"axes": order, "notes": (note,)}
