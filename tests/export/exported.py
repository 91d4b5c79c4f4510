"""Small fitted models, and what torch makes of their samples, for tests of exports."""

import numpy as np
import pandas as pd

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


def frame(n=240):
    """Return a table of every kind of column, with missing values."""
    rng = np.random.default_rng(0)
    k = rng.integers(0, 3, n)
    table = pd.DataFrame({
        "key": [f"k{i:04d}" for i in range(n)], "age": (40 + 5 * k + rng.normal(size=n)).round(1),
        "income": np.exp(rng.normal(10 + k, 1, n)).round(2), "kids": rng.poisson(1.5 + 20 * k, n),
        "town": np.array(["Ulm", "Bonn", "Rome"])[k], "member": rng.random(n) < 0.4,
        "gain": np.where(rng.random(n) < 0.6, 0, rng.lognormal(3, 1, n)).round(2),
        "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D"),
        "grade": rng.integers(1, 6, n), "land": "DE",
    })  # fmt: skip
    table.loc[rng.random(n) < 0.1, "age"] = np.nan
    table.loc[rng.random(n) < 0.1, "town"] = None
    return table
