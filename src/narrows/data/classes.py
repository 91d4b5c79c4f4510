"""Labels y as models with a condition take them: classes as indices, or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.errors import DataError


def learnt_labels(y: Any, owner: str) -> dict[str, Any]:
    """Return the classes of y in order as "levels", or how many numbers a label has as "label_values"."""
    if y is None:
        return {}
    labels = np.asarray(y)
    if labels.ndim == 1 and (labels.dtype.kind in "iubUSO" or (labels.dtype.kind == "f" and _whole(labels))):
        plain = labels.tolist()
        if any(label is None or label != label for label in plain):
            raise DataError(f"{owner}: y must have a label for every sample; some are missing. Leave those rows out.")
        return {"levels": tuple(sorted(set(plain), key=lambda label: (str(type(label)), label)))}
    if labels.dtype.kind not in "iuf" or not np.isfinite(labels).all():
        raise DataError(f"{owner}: y must hold classes (N,) or finite numbers; got {labels.dtype}.")
    return {"label_values": 1 if labels.ndim == 1 else int(np.prod(labels.shape[1:]))}


def encoded_labels(y: Any, n: int, levels: Sequence[Any] | None, size: int, owner: str) -> Array:
    """Return n labels as the model takes them: (n,) indices of classes, or (n, size) numbers where there are no levels.

    Raises
    ------
    DataError
        There are none, more or fewer, or some of unknown classes.
    """
    if y is None:
        raise DataError(f"{owner}: y must be given, since the model takes a condition; got None. Pass y=labels.")
    labels = np.asarray(y)
    if len(labels) != n:
        raise DataError(f"{owner}: y must have one label per sample, {n}; got {len(labels)}.")
    if levels is None:
        numbers = labels.reshape(n, -1)
        if numbers.shape[1] != size:
            count = f"{size} number{'s' * (size > 1)}"
            raise DataError(f"{owner}: y must have {count} per sample; got {numbers.shape[1]}.")
        if numbers.dtype.kind not in "iufb" or not np.isfinite(numbers).all():
            raise DataError(f"{owner}: y must hold finite numbers, as in fit; got others.")
        return numbers.astype(np.float32)
    position = {level: i for i, level in enumerate(levels)}
    plain = labels.tolist()
    unknown = [label for label in plain if label not in position]
    if unknown:
        known = ", ".join(map(repr, levels[:10]))
        raise DataError(f"{owner}: y must hold classes of training, {known}; got {unknown[0]!r}.")
    return np.array([position[label] for label in plain], np.int64)


def _whole(labels: Array) -> bool:
    return bool(np.isfinite(labels).all() and (labels == np.round(labels)).all() and len(np.unique(labels)) <= 100)
