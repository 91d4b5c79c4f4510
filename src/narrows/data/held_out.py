"""Training rows held out as another split, of arrays in memory and of rows on disk."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from narrows.data.order import Division
from narrows.data.splits import divide, take_rows
from narrows.data.stored import StoredRows
from narrows.data.types_stored import StoredTable, chosen_rows

if TYPE_CHECKING:
    from narrows.data.dataset import Dataset


def amount(share: float) -> str:
    """Return a share, or a number of rows, in words."""
    return f"{share:,}" if isinstance(share, int) else f"{share:g}"


def held_out_rows(
    data: Dataset, split: str, share: float, *, seed: int, shuffle: bool | None
) -> tuple[dict[str, Any], tuple[int, int], str]:
    """Return the fields that change where training rows are held out as a split, both sizes, and how it was done."""
    labels = data.train_labels
    shuffle = not data.ordered if shuffle is None else shuffle
    if isinstance(data.train, StoredRows | StoredTable):
        return _of_stored(data, data.train, split, share, seed if shuffle else None)
    kept, held_out, files, how = divide(data.train, labels, data.files, share, seed=seed, shuffle=shuffle)
    if data.train.dtype == object and len(held_out) and len(kept):
        # A model takes sequences of at most the length of its training sequences: the longest one stays with these.
        longest = max(held_out, key=lambda row: len(data.train[row]))
        if len(data.train[longest]) > max(len(data.train[row]) for row in kept):
            held_out[held_out == longest], kept[0] = kept[0], longest
    if data.overlap and not shuffle and len(held_out):
        kept = kept[: -data.overlap]
    parts: dict[str, Any] = {"files": files}
    for name, rows in (("train", kept), (split, held_out)):
        parts |= {name: take_rows(data.train, rows), f"{name}_labels": None if labels is None else labels[rows]}
    ids = data.ids("train")
    parts["row_ids"] = {**data.row_ids, "train": ids.take(kept), split: ids.take(held_out)}
    return parts, (len(kept), len(held_out)), how


def _of_stored(
    data: Dataset, X: StoredRows | StoredTable, split: str, share: float, seed: int | None
) -> tuple[dict[str, Any], tuple[int, int], str]:
    """Return the same of stored rows, of which none is read: one of each of so many equal parts, or the last ones."""
    n = len(X)
    k = min(share if isinstance(share, int) else math.floor(share * n + 0.5), n)
    parts: dict[str, Any] = {"train": X[: n - k], split: X[n - k :]}
    division = Division(n, k, seed or 0)
    if seed is not None and k:
        parts = {
            "train": chosen_rows(X, n - k, division.kept, f" without {k} by {seed}"),
            split: chosen_rows(X, k, division.held, f", {k} by {seed}"),
        }
    rows_at = {"train": division.kept, split: division.held}
    known = data.row_ids.get("train")
    ids = dict(data.row_ids)
    for name, part in list(parts.items()):
        if data.train_labels is None and known is None:
            continue
        last = slice(n - k) if name == "train" else slice(n - k, None)
        rows = last if seed is None else rows_at[name](np.arange(len(part)))
        parts[f"{name}_labels"] = None if data.train_labels is None else data.train_labels[rows]
        if known is not None:
            ids[name] = known.take(rows)
    how = "the last ones, in file order" if seed is None else f"one of each of {k:,} equal parts, seed {seed}"
    return {**parts, "files": None, "row_ids": ids}, (n - k, k), how
