"""Small fitted models, and what torch makes of their samples, for tests of exports."""

import numpy as np

from drawn import structured

N = 24
DIGITS = (structured((1, 7, 6), N) * 255).round().astype(np.uint8)
TABLE = structured((6,), N).astype(np.float64) * 1e3 + 1e5
RAGGED = [x[: 2 + i % 4] * 10 for i, x in enumerate(structured((5, 3), N))]
LABELS = np.array(["a", "b", "c"])[np.arange(N) % 3]


def close(got, wanted, spread=None):
    """Compare with torch: 1e-5 of the spread."""
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    assert got.shape == wanted.shape
    scale = wanted.std() if spread is None else spread
    assert np.abs(got - wanted).max() <= 1e-5 * scale
