"""Checks of the options that data sets take: whole numbers and shares, of Python's types or numpy's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from narrows.errors import ConfigError


def whole_number(name: str, value: Any, low: int, high: float = math.inf, *, owner: str = "load_dataset") -> int:
    """Return a whole number within its bounds, or raise ConfigError."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool) and low <= value <= high:
        return int(value)
    bounds = f"of {low:,} or more" if math.isinf(high) else f"from {low:,} to {high:,}"
    raise ConfigError(f"{owner}: {name} must be a whole number {bounds}; got {value!r}.")


def share(name: str, value: Any, *, zero: bool = False) -> float:
    """Return a share of the rows, in (0, 1), or [0, 1) with `zero`; anything else is a ConfigError."""
    known = not isinstance(value, bool) and isinstance(value, int | float | np.integer | np.floating)
    if known and (0 < value < 1 or (zero and value == 0)):
        return float(value)
    bounds = "[0, 1)" if zero else "(0, 1)"
    raise ConfigError(f"load_dataset: {name} must be a share of the rows in {bounds}; got {value!r}.")
