"""Which likelihood a column of numbers has: the one under which its training values are most probable."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import gammaln

from narrows.data.arrays import Array
from narrows.data.types import KINDS, LIKELIHOODS
from narrows.errors import ConfigError, did_you_mean

LOOKED_AT = 20_000
"""Values from which a likelihood is chosen, spread over the rows."""
SPIKE = 0.15
"""Share of rows that one value has, where it gets a probability of its own."""
APART = 2.5
"""Times more rows than the next one that such a value has."""
GAIN = 0.05
"""Nats a value by which a likelihood must be better than the normal one."""
NEAR = 3.0
"""Deviations between the mean of whole numbers and 0, below which they are counts."""
FREEDOM = (2.5, 4.0, 8.0)
"""Degrees of freedom that are tried."""


def chosen_likelihood(numbers: Array, kind: str, levels: tuple[Any, ...], counts: tuple[int, ...]) -> str:
    """Return the likelihood that gives the values the greatest probability, with parameters of their own.

    One value that many rows have gets a probability of its own. Beyond the normal distribution a gain of 0.05 nats a
    value is asked for; whole numbers have unit steps, so that densities and probabilities compare.
    """
    v = numbers[:: max(1, len(numbers) // LOOKED_AT)]
    most = max(range(len(counts)), key=counts.__getitem__)
    mode, share, least = float(levels[most]), counts[most] / len(numbers), float(numbers.min())
    allowed = [name for k, names in LIKELIHOODS.items() if k in ("real", "positive", "count") and kind in ("", k)
               for name in names]  # fmt: skip
    second = max((count for i, count in enumerate(counts) if i != most), default=0) / len(numbers)
    if share > max(SPIKE, APART * second) and len(levels) > 2:
        rest = v[v != mode]
        if mode == 0 and least == 0 and "log_spike" in allowed and len(rest) and _log_normal(rest) > _normal(rest):
            return "log_spike"
        if "spike" in allowed:
            return "spike"
    fits = {"gaussian": _normal(v) + GAIN, "student": _student(v)}
    if least > 0:
        fits["log_normal"] = _log_normal(v)
    if is_whole(numbers) and least >= 0 and float(numbers.max()) < 1e4 and len(levels) > 2:
        if float(v.mean()) < NEAR * float(v.std()):  # a normal distribution would draw numbers below 0
            fits = {name: fit for name, fit in fits.items() if name == "log_normal" or kind == "real"}
        fits |= {"poisson": _poisson(v), "negative_binomial": _negative_binomial(v)}
    fits = {name: fit for name, fit in fits.items() if name in allowed}
    if not fits:
        return "log_spike" if kind == "positive" else "negative_binomial"
    return max(fits, key=lambda name: fits[name])


def _normal(v: Array) -> float:
    return -0.5 * math.log(2 * math.pi * math.e * max(float(v.var()), 1e-300))


def _log_normal(v: Array) -> float:
    return _normal(np.log(v)) - float(np.log(v).mean())


def _student(v: Array) -> float:
    middle, width = float(np.median(v)), half_width(v)
    best = -math.inf
    for df in FREEDOM:
        scale = width / _QUARTILE[df]
        constant = gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * math.log(df * math.pi) - math.log(scale)
        best = max(best, float(constant - (df + 1) / 2 * np.log1p(((v - middle) / scale) ** 2 / df).mean()))
    return best


_QUARTILE = {2.5: 0.7812, 4.0: 0.7407, 8.0: 0.7064}
"""Upper quartiles of Student's distributions."""


def half_width(v: Array) -> float:
    """Return half the distance of the quartiles; the deviation where they are one."""
    low, high = np.quantile(v, [0.25, 0.75])
    return float(high - low) / 2 or float(v.std()) or 1.0


def _poisson(v: Array) -> float:
    rate = max(float(v.mean()), 1e-12)
    return float((v * math.log(rate) - rate - gammaln(v + 1)).mean())


def _negative_binomial(v: Array) -> float:
    mean, variance = max(float(v.mean()), 1e-12), float(v.var())
    r = mean**2 / max(variance - mean, 1e-3 * mean)
    return float(
        (
            gammaln(v + r)
            - gammaln(r)
            - gammaln(v + 1)
            + r * math.log(r / (r + mean))
            + v * math.log(mean / (r + mean))
        ).mean()
    )


def is_whole(numbers: Array) -> bool:
    """Return whether all are whole numbers."""
    return bool((numbers == np.rint(numbers)).all())


def check_columns(columns: Any, owner: str) -> None:
    """Raise ConfigError unless it is a mapping from names of columns to kinds, such as "real" or "real:student"."""
    if columns is None:
        return
    for name, text in columns.items():
        kind, _, likelihood = str(text).partition(":")
        if kind not in KINDS or (likelihood and likelihood not in LIKELIHOODS[kind]):
            choices = LIKELIHOODS[kind] if kind in KINDS else KINDS
            raise ConfigError(
                f"{owner}: columns must give every column one of {', '.join(choices) or 'no likelihood'}; got "
                f"{name!r}: {text!r}.{did_you_mean(likelihood or kind, choices)}"
            )
