"""Scales of values, made of the moments and ranges of the training rows, feature by feature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.columns import shortened
from narrows.data.facts import Facts
from narrows.errors import ConfigError, DataError

SCALES = ("auto", "standard", "minmax")
"""Names of scales; None and a number, by which all values are divided, are scales as well."""
PART = 2**21
"""Values that are scaled at once in double precision."""
RESOLUTION = 2.0**-24
"""Relative rounding error of float32."""


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
