"""Anomalies in ten tables of ADBench: narrows and pyod at their defaults, on the same splits.

python benchmarks/anomalies.py                        three splits of every table; pyod's environment is set up
python benchmarks/anomalies.py --splits 1             one split
python benchmarks/anomalies.py --only narrows         without pyod
python benchmarks/anomalies.py --results FILE         where results are kept; what is there is not computed again

Of each table 70% of the normal rows and of the anomalies are for training, which nobody labels, the others are scored.
Nothing is chosen on these tables: narrows' models are those of `PCA()`, `AE()` and `VAE()`, and the score is what
`narrows anomalies` takes by itself ("auto"); "score" is `score_samples`. The tables must lie in NARROWS_DATA/adbench.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from environments import python, set_up

from narrows import AE, PCA, VAE
from narrows.evaluation import anomaly_scores, detection

HERE = Path(__file__).parent
SHARE = 0.7
"""Of the rows of each kind, for training."""
BY = ("auto", "score")


def splits(seeds: int) -> Iterator[tuple[str, int, dict[str, np.ndarray]]]:
    """Yield the name of a table, the seed, and its training rows, test rows and their labels."""
    for seed in range(seeds):
        for path in sorted((Path(os.environ["NARROWS_DATA"]) / "adbench").glob("*.npz")):
            with np.load(path) as held:
                X, y = held["X"].astype(np.float64), held["y"].astype(int)
            rng = np.random.default_rng(seed)
            parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
            for kind in (0, 1):
                rows = rng.permutation(np.flatnonzero(y == kind))
                parts[0].append(rows[: round(SHARE * len(rows))])
                parts[1].append(rows[round(SHARE * len(rows)) :])
            train, test = (np.sort(np.concatenate(part)) for part in parts)
            yield path.stem, seed, {"X": X[train], "X_test": X[test], "y_test": y[test]}


def ours(results: Path, seeds: int) -> None:
    """Fit narrows' models and append their AUROC to the results."""
    done = {(r["detector"], r["table"], r["seed"]) for r in read(results)}
    for table, seed, parts in splits(seeds):
        for kind in (PCA, AE, VAE):
            if all((f"narrows {kind.__name__}, {by}", table, seed) in done for by in BY):
                continue
            started = time.perf_counter()
            model = (kind() if kind is PCA else kind(seed=seed)).fit(parts["X"])
            for by in BY:
                scores = anomaly_scores(model, parts["X_test"], by=by, X_train=parts["X"])
                append(results, {
                    "detector": f"narrows {kind.__name__}, {by}", "table": table, "seed": seed,
                    "auroc": detection(scores, parts["y_test"]).auroc, "seconds": time.perf_counter() - started,
                })  # fmt: skip


def theirs(results: Path, seeds: int) -> None:
    """Run pyod's detectors in an environment of their own and append their AUROC to the results."""
    if problem := set_up("pyod"):
        print(f"pyod is left out: {problem}", file=sys.stderr)
        return
    done = {(r["table"], r["seed"]) for r in read(results) if r["detector"] == "pyod VAE"}
    with tempfile.TemporaryDirectory() as folder:
        for table, seed, parts in splits(seeds):
            if (table, seed) not in done:
                np.savez(Path(folder) / f"{table}-{seed}.npz", **parts)  # type: ignore[arg-type]
        script = [str(python("pyod")), str(HERE / "contenders" / "pyod_tables.py"), folder]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        with subprocess.Popen(script, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            for line in process.stdout:
                append(results, json.loads(line))
        if process.returncode:
            raise SystemExit(process.returncode)


def append(results: Path, record: dict[str, Any]) -> None:
    with results.open("a") as file:
        file.write(json.dumps(record) + "\n")
    auroc = "not finite" if record["auroc"] is None else f"{record['auroc']:.4f}"
    print(f"{record['detector']:24} {record['table']:20} split {record['seed']}  {auroc}", flush=True)


def read(results: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []


def table_of(records: list[dict[str, Any]]) -> str:
    """Return the mean AUROC over the splits of every table, in Markdown, the best detector first.

    A detector without a finite score for a table counts as 0.5 there; one that lacks a table is named so.
    """
    tables = sorted({record["table"] for record in records})
    by: dict[str, dict[str, list[float]]] = {}
    for record in records:
        value = 0.5 if record["auroc"] is None else record["auroc"]
        by.setdefault(record["detector"], {}).setdefault(record["table"], []).append(value)
    means = {name: {table: float(np.mean(values)) for table, values in per.items()} for name, per in by.items()}
    short = [table.partition("_")[2] for table in tables]
    lines = ["| | mean | " + " | ".join(short) + " |", "|---|" + "---|" * (len(tables) + 1)]
    for name, per in sorted(means.items(), key=lambda item: -np.mean(list(item[1].values()))):
        cells = [f"{per[table]:.3f}" if table in per else "" for table in tables]
        mean = f"{np.mean(list(per.values())):.3f}" if len(per) == len(tables) else "incomplete"
        lines.append(f"| {name} | {mean} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--only", choices=("narrows", "pyod"))
    parser.add_argument("--results", type=Path, default=Path("anomalies.jsonl"))
    given = parser.parse_args()
    if given.only != "pyod":
        ours(given.results, given.splits)
    if given.only != "narrows":
        theirs(given.results, given.splits)
    print(table_of(read(given.results)))
