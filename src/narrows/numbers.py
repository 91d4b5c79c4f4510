"""How numbers and times are written for people."""

from __future__ import annotations

import math


def number(value: float | None) -> str:
    """Return a number with four digits that count, and thousands set apart."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 1e7 or abs(value) < 1e-3:
        return f"{value:.3e}"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def times(ratio: float) -> str:
    """Return a ratio as one would say it: 1.8, 21, 4,300."""
    return number(ratio) if not 1 <= ratio < 1e6 else f"{ratio:.1f}" if ratio < 9.95 else count(ratio)


def count(value: float) -> str:
    """Return a whole number with its thousands set apart."""
    return f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Return a time as one would say it: 0.8 s, 21 s, 3:05 min, 2:10 h."""
    if not 0 <= seconds < 1e9:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    rounded = round(seconds)
    if rounded < 60:
        return f"{rounded} s"
    if rounded < 3600:
        return f"{rounded // 60}:{rounded % 60:02d} min"
    return f"{rounded // 3600}:{rounded % 3600 // 60:02d} h"
