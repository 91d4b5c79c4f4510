"""Tensors of a request, checked before they wait: parts of typed columns, labels of text, padded sequences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from narrows.data.arrays import Array
from narrows.errors import DataError
from narrows.export.columns import LEVELS, NUMBERS, Columns


def checked_tensors(columns: Columns, tensors: Mapping[str, Array], owner: str) -> dict[str, Array]:
    """Return numbers and levels of typed columns. Raises: DataError where they are none."""
    parts = {name: tensors[name] for name in columns.names}
    sizes = {len(part) if part.ndim == 2 else -1 for part in parts.values()}
    wrong = any(
        part.shape[1:] != (len(names),) for part, names in zip(parts.values(), columns.names.values(), strict=True)
    )
    if wrong or len(sizes) != 1 or not min(sizes) > 0:
        shapes = ", ".join(f"{name} (rows, {len(names)})" for name, names in columns.names.items())
        raise DataError(f"{owner}: inputs must be {shapes}, of one row at least; got others.")
    if NUMBERS in parts:
        parts[NUMBERS] = parts[NUMBERS].astype(np.float64)
        if np.isinf(parts[NUMBERS]).any():
            raise DataError(f"{owner}: numbers must be finite, or NaN where a value is missing; got infinity.")
    if LEVELS in parts:
        given, most = parts[LEVELS], np.array([len(column.levels) for column in columns.levels])
        if given.dtype.kind not in "iu" or ((given < -1) | (given >= most)).any():
            raise DataError(f"{owner}: levels must be positions among those of each column, or -1; got others.")
        parts[LEVELS] = given.astype(np.int64)
    return parts


def plain(y: Array | None) -> Array | None:
    """Return labels of text as numpy holds text, which classes are compared with."""
    return y.astype(str) if y is not None and y.dtype == object and y.size else y


def cut(X: Array, lengths: Array, owner: str) -> list[Array]:
    """Return padded sequences (N, T, D) cut to their lengths."""
    sound = X.ndim == 3 and lengths.shape == (len(X),) and lengths.dtype.kind in "iu"
    if not sound or not len(X) or not (lengths.min() >= 1 and lengths.max() <= X.shape[1]):
        raise DataError(
            f"{owner}: lengths must be whole numbers from 1 to the steps of x (N, T, D), one for each; got shape "
            f"{list(lengths.shape)} for x of {list(X.shape)}."
        )
    return [x[:n] for x, n in zip(X, lengths, strict=True)]
