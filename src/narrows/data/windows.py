"""Windows of rows in the order of time: a log (N, D) as sequences (M, W, D)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.dataset import Dataset
from narrows.data.options import whole_number
from narrows.data.readers.columns import times_of
from narrows.errors import ConfigError, DataError


def windowed(data: Dataset, window: int, stride: int | None = None) -> Dataset:
    """Return a data set whose samples are windows of rows, in their order; the id of a window is that of its first row.

    Parameters
    ----------
    data
        A table, in the order of time. Where its ids are times, no window spans a gap.
    window
        Rows of a window.
    stride
        Rows from one window to the next; None: `window`, so that none is in two windows.

    Raises
    ------
    DataError
        The data are no table, or have fewer rows than a window.
    """
    window = whole_number("window", window, 1)
    step = window if stride is None else whole_number("stride", stride, 1)
    if data.typed:
        raise ConfigError(
            f"load_dataset: window must be left out for a table with text or times; got {window}. Leave those columns "
            "out with drop=."
        )
    changed: dict[str, Any] = {}
    row_ids, notes = dict(data.row_ids), [f"windows of {window} rows, {step} apart"]
    for split in data.split_names:
        name, X, y = data.split(split)
        if X.ndim != 2:
            raise DataError(f"load_dataset: window must go with a table of rows; got samples of shape {X.shape[1:]}.")
        if len(X) < window:
            raise DataError(f"load_dataset: window must be at most the {len(X)} {name} rows; got {window}.")
        ids = data.ids(split)
        starts, gaps = _starts(len(X), window, step, ids.values)
        if not len(starts):
            raise DataError(
                f"load_dataset: window must fit between the gaps in {ids.name!r}; got {window}. Shorten it."
            )
        if gaps:
            notes.append(f"{gaps} gaps in {ids.name!r}: no window spans one")
        row_ids[split] = ids.take(starts)
        # (M, D, W) of the view, as (M, W, D)
        view = np.lib.stride_tricks.sliding_window_view(X, window, axis=0)[starts]
        changed[split] = np.ascontiguousarray(np.moveaxis(view, 2, 1))
        changed[f"{split}_labels"] = None if y is None else _labels(y, starts, window)
    return replace(
        data, **changed, row_ids=row_ids, notes=(*data.notes, *notes), ordered=True, files=None,
        overlap=math.ceil(window / step) - 1,
    )  # fmt: skip


def _starts(rows: int, window: int, step: int, ids: Array) -> tuple[Array, int]:
    """Return the first rows of windows, and how many gaps in time there are, which none of them spans."""
    starts = np.arange(0, rows - window + 1, step)
    times = times_of(ids) if ids.dtype.kind == "U" else None
    if times is None:
        return starts, 0
    steps = np.diff(times).astype(np.int64)
    gap = np.abs(steps) > 1.5 * np.median(np.abs(steps))
    if gap.mean() > 0.05:  # steps that all differ are no gaps
        return starts, 0
    if gap.any():  # windows begin anew behind every gap
        first = np.concatenate([[0], np.flatnonzero(gap) + 1])
        last = np.concatenate([first[1:], [rows]])
        starts = np.concatenate([np.arange(a, b - window + 1, step) for a, b in zip(first, last, strict=True)])
    return starts, int(gap.sum())


def _labels(y: Array, starts: Array, window: int) -> Array:
    """Return one label a window: of 0 and 1 whether any row has 1, otherwise the most frequent one."""
    parts = np.lib.stride_tricks.sliding_window_view(y, window)[starts]
    if set(np.unique(y).tolist()) <= {0, 1}:
        return np.asarray(parts.max(axis=1))
    return np.array([_most_frequent(part) for part in parts])


def _most_frequent(values: Array) -> Any:
    unique, counts = np.unique(values, return_counts=True)
    return unique[counts.argmax()]
