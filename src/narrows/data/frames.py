"""Data frames of pandas, polars and pyarrow, by narwhals: which kind one is, and arrays as such a frame again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

TYPES = ("Boolean", "Float32", "Float64", *(f"{u}Int{bits}" for u in ("", "U") for bits in (8, 16, 32, 64)))
"""Types of columns that numbers are cast to; a saved schema may name others."""


def _frame(X: Any) -> Any:
    return nw.from_native(X, eager_only=True, pass_through=True)


def frame_kind(X: Any) -> str | None:
    """Return "pandas", "polars" or "pyarrow"; None for what is no data frame."""
    frame = _frame(X)
    return str(frame.implementation).lower() if isinstance(frame, nw.DataFrame) else None


def frame_columns(X: Any, *, types: bool = False) -> tuple[str, ...] | None:
    """Return the names of a frame's columns, or the names of their types; None for what is no data frame."""
    frame = _frame(X)
    if not isinstance(frame, nw.DataFrame):
        return None
    return tuple(str(kind) for kind in frame.schema.values()) if types else tuple(map(str, frame.columns))


def to_frame(X: Any, kind: str, columns: Sequence[str], types: Sequence[str], like: Any = None) -> Any:
    """Return an array (N, D) as a data frame; a pandas frame takes the index of `like` where the rows correspond.

    `kind` is what `frame_kind` returned; columns and their types are named as narwhals names them.
    """
    series: dict[str, Any] = {}
    backend: Any = kind
    for position, (name, type_name) in enumerate(zip(columns, types, strict=True)):
        values, wanted = X[:, position], getattr(nw, type_name) if type_name in TYPES else None
        if type_name.startswith(("Int", "UInt")):
            values = np.rint(values)
        elif type_name == "Boolean":
            values = values >= 0.5
        column = nw.new_series(name, np.ascontiguousarray(values), backend=backend)
        series[name] = column.cast(wanted) if wanted is not None else column
    frame = nw.from_dict(series, backend=backend)
    native = frame.to_native()
    if kind == "pandas" and frame_kind(like) == "pandas" and len(like) == len(X):
        native.index = like.index
    return native
