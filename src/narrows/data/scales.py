"""Scales of values: moments and ranges of the training rows, feature by feature, and what is made of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.columns import shortened
from narrows.errors import ConfigError, DataError

SCALES = ("auto", "standard", "minmax")
"""Names of scales; None and a number, by which all values are divided, are scales as well."""
PART = 2**21
"""Values that are looked at at once in double precision."""
RESOLUTION = 2.0**-24
"""Relative rounding error of float32."""


@dataclass
class Facts:
    """What one pass over the training rows tells, feature by feature, of the observed values."""

    count: Array
    mean: Array
    squares: Array
    """Sums of squares about `mean`."""
    low: Array
    high: Array
    missing: bool


def _parts(X: Any, shape: tuple[int | None, ...]) -> Iterator[Array]:
    """Yield rows in double precision, a feature in each column: (n, features)."""
    if isinstance(X, list):
        for sequence in X:
            yield np.asarray(sequence, np.float64)
        return
    size = max(1, PART // max(1, math.prod(X.shape[1:])))
    for start in range(0, len(X), size):
        part = np.asarray(X[start : start + size]).astype(np.float64)
        yield (
            np.moveaxis(part, 1, -1).reshape(-1, part.shape[1]) if len(shape) == 3 else part.reshape(-1, part.shape[-1])
        )


@np.errstate(over="ignore", invalid="ignore")  # moments that overflow are refused where a scale is made of them
def facts_of(X: Any, shape: tuple[int | None, ...]) -> Facts:
    """Return moments and ranges, merged over parts (Chan et al. 1979)."""
    facts: Facts | None = None
    for part in _parts(X, shape):
        there = ~np.isnan(part)
        count = there.sum(0)
        filled = np.where(there, part, 0.0)
        mean = filled.sum(0) / np.maximum(count, 1)
        centred = np.where(there, part - mean, 0.0)
        mean = mean + centred.sum(0) / np.maximum(count, 1)  # a second pass: the first rounds at large offsets
        squares = np.square(np.where(there, part - mean, 0.0)).sum(0)
        low = np.where(there, part, np.inf).min(0)
        high = np.where(there, part, -np.inf).max(0)
        if facts is None:
            facts = Facts(count, mean, squares, low, high, not there.all())
            continue
        total = facts.count + count
        apart = mean - facts.mean
        facts.squares = facts.squares + squares + apart**2 * facts.count * count / np.maximum(total, 1)
        facts.mean = facts.mean + apart * count / np.maximum(total, 1)
        facts.count, facts.missing = total, facts.missing or not there.all()
        facts.low, facts.high = np.minimum(facts.low, low), np.maximum(facts.high, high)
    assert facts is not None  # X has at least one row
    return facts


def check_scale(scale: Any, owner: str) -> None:
    """Raise ConfigError unless it is a scale."""
    number = isinstance(scale, int | float) and not isinstance(scale, bool)
    if not (scale is None or scale in SCALES or (number and math.isfinite(scale) and scale > 0)):
        raise ConfigError(
            f"{owner}: scale must be one of {', '.join(map(repr, SCALES))}, a number > 0 or None; got {scale!r}."
        )


def scaling_of(
    scale: str | float | None, facts: Facts, owner: str, *, double: bool, columns: Sequence[str] | None, counts: bool
) -> dict[str, Any]:
    """Return scale, offset and factor.

    Parameters
    ----------
    scale
        "auto", "standard", "minmax", a number, or None; see `Schema.of`.
    facts
        Of the training rows.
    owner
        Of the error messages.
    double
        Whether the model computes in double precision.
    columns
        Names of the features, where they have any.
    counts
        Whether values are images' counts of 16 bits, whose range is the scale.
    """

    def named(bad: Array) -> str:
        names = [f"column {columns[int(i)]!r}" if columns else f"feature {i}" for i in np.flatnonzero(bad)]
        return shortened(names)

    if (empty := facts.count == 0).any():
        fix = f"Leave {'it' if empty.sum() == 1 else 'them'} out."
        raise DataError(f"{owner}: X must have an observed value in every feature; got none in {named(empty)}. {fix}")
    largest = np.maximum(np.abs(facts.low), np.abs(facts.high))
    with np.errstate(over="ignore", invalid="ignore"):
        deviation, span = np.sqrt(facts.squares / facts.count), facts.high - facts.low
    deviation = np.where(deviation > 1e-14 * largest, deviation, 0.0)  # below that it is rounding: a constant
    if scale == "auto":
        unit = facts.low.min() >= 0 and facts.high.max() <= 1
        scale = None if unit else "minmax" if counts else "standard"
    if scale is None:
        lost = (deviation > 0) & (deviation < 4 * RESOLUTION * largest)
        if not double and lost.any():
            first = int(np.flatnonzero(lost)[0])
            raise DataError(
                f"{owner}: X must vary by more than float32 resolves where scale=None; {named(lost)} lies around "
                f"{facts.mean[first]:.6g} with a deviation of {deviation[first]:.3g}. Set scale='standard'."
            )
        return {"scale": None}
    zeros, ones = np.zeros(len(facts.mean)), np.ones(len(facts.mean))
    if not isinstance(scale, str):
        return {"scale": float(scale), "offset": zeros, "factor": ones * float(scale)}
    if not (np.isfinite(facts.mean) & np.isfinite(deviation) & np.isfinite(span)).all():
        raise DataError(
            f"{owner}: X must lie within +-1e154 for scale={scale!r}, so that its squares are finite; got values from "
            f"{facts.low.min():.3g} to {facts.high.max():.3g}. Divide X first."
        )
    if scale == "standard":
        return {"scale": scale, "offset": facts.mean, "factor": np.where(deviation > 0, deviation, ones)}
    return {"scale": scale, "offset": facts.low, "factor": np.where(span > 0, span, ones)}


def scaled_rows(X: Array, offset: Array, factor: Array, dtype: np.dtype[Any]) -> Array:
    """Return (X - offset) / factor, computed in double precision, part by part, in a type."""
    x = np.empty(X.shape, dtype)
    size = max(1, PART // max(1, math.prod(X.shape[1:])))
    with np.errstate(over="ignore"):
        for start in range(0, len(X), size):
            part = slice(start, start + size)
            x[part] = (X[part].astype(np.float64) - offset) / factor
    return x


def finite_sum(X: Array) -> bool:
    """Return whether the sum is finite: then all values are, but for sums beyond the type."""
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(float(X.sum()))
