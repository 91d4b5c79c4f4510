"""Random tables as people have them: columns of every type, with nulls, an index, and names of any letters."""

import string
from datetime import timedelta

import numpy as np
import pandas as pd

NAMES = ["age", "größe", "Ünïcode 名前", "x.y", "a b", "1", "ROW", "value", "zip", "Datum", "🙂", "income"]


def random_frame(seed: int, n: int | None = None) -> pd.DataFrame:
    """Return a pandas frame of 2 to 10 columns of random types, nulls and order."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 60)) if n is None else n
    names = [str(name) for name in rng.permutation(NAMES)[: rng.integers(2, 11)]]
    kinds = [str(kind) for kind in rng.choice(list(COLUMNS), len(names))]
    kinds[:2] = [str(rng.choice(["normal", "truth", "counts"])), "words"]  # one of them is not plain numbers
    columns = {name: COLUMNS[kind](rng, n) for name, kind in zip(names, kinds, strict=True)}
    frame = pd.DataFrame(columns)
    if rng.random() < 0.5:
        frame.index = pd.Index(rng.permutation(n) + 100, name="key" if rng.random() < 0.5 else None)
    return frame


def _with_gaps(rng, values: list[object], share: float = 0.2) -> list[object]:
    return [None if rng.random() < share and i else value for i, value in enumerate(values)]


def _words(rng, n):
    words = ["".join(rng.choice(list(string.ascii_letters + "äß名 "), 4)) for _ in range(int(rng.integers(2, 9)))]
    return [str(rng.choice(words)) for _ in range(n)]


def _times(rng, n, unit="h"):
    return pd.Timestamp("2019-03-01") + pd.to_timedelta(rng.integers(0, 20_000, n), unit=unit)


COLUMNS = {
    "normal": lambda rng, n: rng.normal(10, 3, n),
    "float32": lambda rng, n: rng.normal(0, 1e-3, n).astype(np.float32),
    "gaps": lambda rng, n: np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n) * 1e6),
    "heavy": lambda rng, n: rng.standard_t(2, n),
    "amounts": lambda rng, n: np.where(rng.random(n) < 0.6, 0.0, np.exp(rng.normal(5, 1, n))).round(2),
    "positive": lambda rng, n: np.exp(rng.normal(size=n) * 2),
    "counts": lambda rng, n: rng.negative_binomial(2, 0.05, n),
    "uint8": lambda rng, n: rng.integers(0, 200, n).astype(np.uint8),
    "grades": lambda rng, n: rng.integers(1, 6, n),
    "nullable": lambda rng, n: pd.array(_with_gaps(rng, rng.integers(0, 90, n).tolist()), dtype="Int64"),
    "truth": lambda rng, n: rng.random(n) < 0.3,
    "maybe": lambda rng, n: pd.array(_with_gaps(rng, (rng.random(n) < 0.5).tolist()), dtype="boolean"),
    "words": _words,
    "gappy words": lambda rng, n: _with_gaps(rng, _words(rng, n)),
    "objects": lambda rng, n: pd.array(_with_gaps(rng, _words(rng, n)), dtype=object),
    "category": lambda rng, n: pd.Categorical(_words(rng, n)),
    "ordered": lambda rng, n: pd.Categorical(
        rng.choice(["low", "mid", "high"], n), categories=["low", "mid", "high", "never"], ordered=True
    ),
    "dates": lambda rng, n: _times(rng, n, "D"),
    "times": lambda rng, n: pd.Series(_times(rng, n)).where(rng.random(n) < 0.9).to_numpy(),
    "zoned": lambda rng, n: _times(rng, n).tz_localize("UTC").tz_convert("Europe/Berlin"),
    "spans": lambda rng, n: [timedelta(minutes=int(minutes)) for minutes in rng.integers(0, 5000, n)],
    "constant": lambda rng, n: np.full(n, 7),
    "always": lambda rng, n: ["yes"] * n,
    "empty": lambda rng, n: np.full(n, np.nan),
}
"""Makers of columns by name."""
