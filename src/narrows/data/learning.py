"""What a schema learns of the training samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import issparse

from narrows.data.axes import given_order
from narrows.data.classes import learnt_labels
from narrows.data.decimals import column_decimals
from narrows.data.facts import facts_of
from narrows.data.frames import frame_columns, frame_kind
from narrows.data.pixels import WHITE, counts_as_pixels, two_tone
from narrows.data.scales import check_scale, scaling_of
from narrows.data.stored import StoredRows
from narrows.data.types_gaps import patterns_of
from narrows.data.types_inferred import inferred
from narrows.data.types_table import MixedTable

KINDS = {1: "table", 2: "sequences", 3: "images"}
"""Of samples, by the number of their axes."""


def learnt(
    X: Any, y: Any, *, scale: str | float | None, columns: Sequence[str] | None, like: Any, owner: str, double: bool
) -> dict[str, Any]:
    """Return the fields of a schema; see `Schema.of`."""
    steps = None
    if isinstance(X, list):
        lengths = [len(sequence) for sequence in X]
        shape: tuple[int | None, ...] = (None if len(set(lengths)) > 1 else lengths[0], X[0].shape[1])
        steps, dtype = max(lengths), np.result_type(*(sequence.dtype for sequence in X))
    else:
        shape, dtype = tuple(int(n) for n in X.shape[1:]), X.dtype
    frame = frame_kind(like)
    names = (frame_columns(like) if frame is not None else None) or columns
    named = None if names is None else tuple(names)
    return {
        "kind": KINDS[len(shape)], "shape": shape, "dtype": dtype.name, "rows": len(X), "steps": steps,
        "columns": named if len(shape) == 1 else None, "frame": frame,
        "dtypes": None if frame is None else frame_columns(like, types=True), "axes": given_order(like, shape),
        "decimals": column_decimals(X) if named is not None and len(shape) == 1 else None,
        **learnt_labels(y, owner),
        **_scale(X, shape, scale, dtype, named, owner, double=double, table=named is not None or issparse(like)),
    }  # fmt: skip


def _scale(
    X: Any, shape: tuple[int | None, ...], scale: str | float | None, dtype: np.dtype[Any],
    names: Sequence[str] | None, owner: str, *, double: bool, table: bool,
) -> dict[str, Any]:  # fmt: skip
    """Return scale, offset, factor, limits, whether values are missing, and whether pixels are black and white."""
    check_scale(scale, owner)
    if not isinstance(X, list) and scale in ("auto", None) and counts_as_pixels(X, table=table):
        return {"scale": "pixels", "limits": (0.0, float(WHITE)), "two_tone": two_tone(X)}
    if not isinstance(X, list | StoredRows) and double and scale is None:  # a model of all digits needs no statistics
        limits = (float(X.min()), float(X.max()))
        if not math.isnan(limits[0]):
            return {"scale": None, "limits": limits}
    facts = X.facts.by_feature(X.shape[1:]) if isinstance(X, StoredRows) else facts_of(X, shape)
    counts = len(shape) == 3 and dtype == np.uint16
    return {
        **scaling_of(scale, facts, owner, double=double, columns=names, counts=counts),
        "missing": facts.missing, "limits": (float(facts.low.min()), float(facts.high.max())),
    }  # fmt: skip


def learnt_types(X: MixedTable, y: Any, *, types: Mapping[Any, str] | None, like: Any, owner: str) -> dict[str, Any]:
    """Return the fields of a schema of a table of typed columns; see `Schema.of`."""
    found, missing = inferred(X, types, owner)
    features = [column for column in found if column.modelled]
    frame = None if isinstance(like, MixedTable) else frame_kind(like)
    scaled = [column if column.numeric else replace(column, offset=0.0, factor=1.0) for column in features]
    return {
        "kind": "table", "shape": (len(features),), "dtype": "float64", "rows": len(X),
        "columns": tuple(column.name for column in features), "frame": frame,
        "dtypes": None if frame is None else tuple(column.dtype for column in found), "scale": "standard",
        "offset": np.array([column.offset for column in scaled]),
        "factor": np.array([column.factor for column in scaled]),
        "missing": any(column.missing > 0 for column in features), "types": found,
        "gaps": patterns_of(
            np.column_stack([gaps for column, gaps in zip(found, missing, strict=True) if column.modelled])
        ),
        **learnt_labels(y, owner),
    }  # fmt: skip
