"""Which values of a table are missing together: patterns of training rows, from which those of drawn rows are drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from narrows.data.arrays import Array

PATTERNS = 1000
"""Patterns that are kept; of tables with more, those of rows spread over all."""

Pattern = tuple[int, ...]
"""How many training rows have it, and the positions of the columns that are missing then."""


def patterns_of(missing: Array) -> tuple[Pattern, ...]:
    """Return the patterns of rows (N, D), True where a value is missing; none where all values are there."""
    if not missing.any():
        return ()
    packed = np.packbits(missing, axis=1)
    rows, counts = np.unique(packed, axis=0, return_counts=True)
    if len(rows) > PATTERNS:
        rows = packed[np.linspace(0, len(packed) - 1, PATTERNS).round().astype(int)]
        counts = np.ones(PATTERNS, int)
    patterns = np.unpackbits(rows, axis=1, count=missing.shape[1])
    return tuple(
        (int(count), *np.flatnonzero(pattern).tolist()) for count, pattern in zip(counts, patterns, strict=True)
    )


def drawn_gaps(patterns: Sequence[Pattern], n: int, d: int, rng: np.random.Generator) -> Array:
    """Return where values of n drawn rows of d columns are missing, each row like a training row: (n, d)."""
    if not patterns:
        return np.zeros((n, d), bool)
    table = np.zeros((len(patterns), d), bool)
    for row, (_, *positions) in zip(table, patterns, strict=True):
        row[positions] = True
    counts = np.array([count for count, *_ in patterns], np.float64)
    gaps: Array = table[rng.choice(len(table), n, p=counts / counts.sum())]
    return gaps
