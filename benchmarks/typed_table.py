"""Memory and time of a large table of typed columns: of flights, one column with 50,000 levels.

    python benchmarks/typed_table.py --rows 1000000

Prints one line: rows, columns, levels, seconds by the clock and of processors to make the frame, to fit, to encode,
to draw, and the peak of memory in MB; the frame itself is in that peak. The table is drawn with a
seed, in the manner of nycflights13.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import pandas as pd

import narrows


def flights(rows: int, levels: int, seed: int = 0) -> pd.DataFrame:
    """Return a table of 20 columns: times, codes, counts, amounts, and `tail`, with so many levels."""
    rng = np.random.default_rng(seed)
    day = rng.integers(0, 365, rows)
    hour = np.clip(rng.normal(13, 4, rows), 0, 23).astype(int)
    carrier = rng.choice(["UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN", "VX"], rows)
    distance = rng.choice(rng.integers(80, 5000, 200), rows)
    late = np.where(rng.random(rows) < 0.3, rng.exponential(40, rows), rng.normal(-3, 5, rows))
    flown = distance / 7.5 + rng.normal(20, 5, rows)
    gone = rng.random(rows) < 0.03
    tail = np.minimum(rng.zipf(1.2, rows), levels)
    scheduled = pd.Timestamp("2013-01-01") + pd.to_timedelta(day * 24 + hour, unit="h")
    return pd.DataFrame(
        {
            "month": scheduled.month, "weekday": scheduled.day_of_week, "hour": hour, "scheduled": scheduled,
            "carrier": pd.Categorical(carrier),
            "tail": pd.Categorical.from_codes(tail - 1, [f"N{i}" for i in range(levels)]),
            "origin": pd.Categorical(rng.choice(["EWR", "JFK", "LGA"], rows)),
            "destination": pd.Categorical(rng.choice([f"D{i:03d}" for i in range(105)], rows)),
            "distance": distance, "delay": np.where(gone, np.nan, late.round()),
            "arrival_delay": np.where(gone, np.nan, (late + rng.normal(0, 10, rows)).round()),
            "air_time": np.where(gone, np.nan, flown.round()), "cancelled": gone,
            "temperature": rng.normal(55, 18, rows).round(1), "wind": rng.gamma(4, 2.5, rows),
            "rain": np.where(rng.random(rows) < 0.9, 0.0, rng.exponential(0.05, rows)),
            "seats": rng.choice([20, 55, 140, 178, 182, 200, 330], rows), "bags": rng.poisson(60, rows),
            "fare": np.exp(rng.normal(5.2, 0.6, rows)).round(2), "year": 2013,
        }
    )  # fmt: skip


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--levels", type=int, default=50_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=512)
    asked = parser.parse_args()
    seconds, started = [], (time.perf_counter(), time.process_time())

    def lap() -> None:
        nonlocal started
        now = (time.perf_counter(), time.process_time())
        seconds.append((now[0] - started[0], now[1] - started[1]))
        started = now

    frame = flights(asked.rows, asked.levels)
    lap()
    vae = narrows.VAE(epochs=asked.epochs, batch_size=asked.batch_size).fit(frame)
    lap()
    vae.transform(frame)
    lap()
    drawn = vae.sample(min(asked.rows, 100_000), seed=0)
    lap()
    assert drawn.dtypes.equals(frame.dtypes) or drawn.isna().any(axis=None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    named = zip(("made", "fit", "encoded", "drawn"), seconds, strict=True)
    steps = ", ".join(f"{name} {clock:.1f} s ({processor:.1f} s of processors)" for name, (clock, processor) in named)
    print(f"{asked.rows:,} rows, {frame.shape[1]} columns, {asked.levels:,} levels: {steps}; peak {peak:,.0f} MB")


if __name__ == "__main__":
    main()
