"""How far an exported function is from torch, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from narrows.data.arrays import Array
from narrows.data.schema import Schema
from narrows.errors import ConfigError
from narrows.export.columns import AGAIN, NUMBERS, Columns

TOLERANCE = 1e-5
"""The largest difference from torch that is exported, relative to the spread of what is computed."""
FEW = 1e-3
"""Share of indices that may differ: a latent that is as near to two entries of a codebook is rounded to either, and of
two levels that are as likely either is the likeliest."""
CALLS = 20
"""Of which the median time is taken."""

Run = Callable[[Mapping[str, Array]], dict[str, Array]]
"""An exported function: arrays by name to arrays by name."""


def compare(
    name: str, run: Run, given: Mapping[str, Array], wanted: Mapping[str, Array], agree: Array, schema: Schema
) -> tuple[float, Array]:
    """Return how far a function is from torch, for all samples together and for the first alone, and `agree`.

    `agree` (N,) says whose codes are the same indices: the others are left out of what depends on them.

    Raises: ConfigError where the difference is over the tolerance.
    """
    apart = 0.0
    for rows in (slice(None), slice(1)):
        got = run({key: array[rows] for key, array in given.items()})
        some = agree[rows]
        for key in [key for key, array in wanted.items() if array.dtype.kind in "iu"]:
            unlike = got[key] != wanted[key][rows]
            if unlike.sum() > max(1, FEW * unlike.size):
                _refuse(name, float(unlike.mean()))
            if key == "z" and len(some) == len(agree):
                agree = agree & ~unlike.reshape(len(unlike), -1).any(1)
        if some.any():
            real = {key: array for key, array in wanted.items() if array.dtype.kind == "f"}
            apart = max(apart, largest(
                {key: got[key][some] for key in real}, {key: a[rows][some] for key, a in real.items()}, schema,
                {key: spread_of(key, a, schema) for key, a in real.items()},
            ))  # fmt: skip
    if not apart <= TOLERANCE:
        _refuse(name, apart)
    return apart, agree


def _refuse(name: str, apart: float) -> None:
    raise ConfigError(
        f"export: {name} must be within {TOLERANCE:g} of torch, relative to the spread of its values; it is "
        f"{apart:.2g} away. Nothing was written."
    )


def largest(
    got: Mapping[str, Array], wanted: Mapping[str, Array], schema: Schema, spreads: Mapping[str, float] | None = None
) -> float:
    """Return the largest difference of a function's outputs, relative to their spreads; of indices, the share."""
    result = 0.0
    for name, reference in wanted.items():
        if reference.dtype.kind in "iu":
            result = max(result, float((got[name] != reference).mean()))
            continue
        spread = spread_of(name, reference, schema) if spreads is None else spreads[name]
        a, b = (on_scale(name, values, schema) for values in (got[name], reference))
        apart = float(np.abs(a - b).max()) if a.shape == b.shape and np.isfinite(a).all() else float("inf")
        result = max(result, apart / spread)
    return result


def on_scale(name: str, values: Array, schema: Schema) -> Array:
    """Return values in double precision; samples on the model's scale, so that all features count alike."""
    values = np.asarray(values, np.float64)
    if schema.types is not None and name in (NUMBERS, AGAIN[NUMBERS]):
        return Columns(schema.types).numbers_on_scale(values)
    if name not in ("x", "reconstruction") or schema.factor is None or schema.offset is None:
        return values
    wide = (-1, 1, 1) if schema.kind == "images" else (-1,)
    return (values - schema.offset.reshape(wide)) / schema.factor.reshape(wide)


def spread_of(name: str, values: Array, schema: Schema) -> float:
    """Return the standard deviation of codes or samples; of scores and log-variances their root mean square.

    A score is a sum over a sample's values, and is rounded by its size.
    """
    if values.dtype.kind in "iu":
        return 1.0
    x = on_scale(name, values, schema)
    centre = 0.0 if name in ("score", "log_variance") else x.mean()
    return float(np.sqrt(np.square(x - centre).mean())) or 1.0


def median_time(run: Run, arrays: Mapping[str, Array]) -> float:
    """Return the median time of a call, in seconds."""
    run(arrays)
    times = []
    for _ in range(CALLS):
        started = time.perf_counter()
        run(arrays)
        times.append(time.perf_counter() - started)
    return float(np.median(times))
