"""Requests that are computed together, as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from narrows.data.arrays import Array, Arrays


def joined(parts: Sequence[Arrays]) -> Arrays:
    """Return the rows of several samples as one, whatever type and mask each has."""
    if len(parts) == 1:
        return parts[0]
    xs = [part.x for part in parts]
    if len({x.dtype for x in xs}) > 1:  # of one model some give pixels, and others pixels divided by 255
        xs = [x.astype(np.float32) / np.float32(255) if x.dtype == np.uint8 else x for x in xs]
    masks = [part.mask for part in parts]
    mask = None
    if any(each is not None for each in masks):
        mask = np.concatenate([np.ones(x.shape, bool) if m is None else m for m, x in zip(masks, xs, strict=True)])
    return Arrays(
        np.concatenate(xs), mask, _concatenated([part.lengths for part in parts]),
        _concatenated([part.y for part in parts]),
    )  # fmt: skip


def joined_tensors(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Return the inputs of several requests to an exported model as one, sequences filled up with 0 to the longest."""
    if len(parts) == 1:
        return dict(parts[0])
    if "lengths" in parts[0]:
        longest = max(part["x"].shape[1] for part in parts)
        ends = [(0, longest - part["x"].shape[1]) for part in parts]
        parts = [{**part, "x": np.pad(part["x"], ((0, 0), e, (0, 0)))} for part, e in zip(parts, ends, strict=True)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _concatenated(parts: Sequence[Array | None]) -> Array | None:
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if there else None
