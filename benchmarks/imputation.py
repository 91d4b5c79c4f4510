"""Measure how well missing values are filled in, beside scikit-learn's imputers, and write what came of it.

python benchmarks/imputation.py                        five tables, three mechanisms, three splits: hours on two cores
python benchmarks/imputation.py --methods vae,iterative    some of the methods
python benchmarks/imputation.py --only banknote --seeds 1  some of the tables, one split
python benchmarks/imputation.py --page                 write the table of docs/imputation.md from what was measured

What was measured is kept in benchmarks/imputation.json, written after each fit: the same command goes on where it was
stopped. Tables that this machine lacks are said and left out; NARROWS_DATA is the folder that holds them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CASES = (("MCAR", 0.3), ("MAR", 0.3), ("MNAR", 0.3), ("MCAR", 0.5))
"""Mechanism, and share of the values that it removes; half of them of the breast cancer table alone."""
HALF = "breast cancer"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def main() -> None:
    """Measure what the file does not hold yet, or write the page."""
    for name in ("OMP", "MKL", "OPENBLAS"):  # before numpy and torch are there
        os.environ.setdefault(f"{name}_NUM_THREADS", "1")
    from imputation_data import TABLES
    from imputation_methods import METHODS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(TABLES), help="tables, with commas between")
    parser.add_argument("--methods", default=",".join(METHODS), help="methods, with commas between")
    parser.add_argument("--seeds", type=int, default=3, help="splits: 0, 1 and so on (default 3)")
    parser.add_argument("--again", action="store_true", help="measure anew what the file holds already")
    parser.add_argument("--page", action="store_true", help="write docs/imputation.md from the file")
    parser.add_argument("--out", type=Path, default=HERE / "imputation.json", help="the file")
    asked = parser.parse_args()
    if asked.page:
        write_page(asked.out, HERE.parent / "docs" / "imputation.md")
        return
    tables, methods = asked.only.split(","), asked.methods.split(",")
    for names, known in ((tables, TABLES), (methods, METHODS)):
        if unknown := [name for name in names if name not in known]:
            parser.error(f"{', '.join(unknown)} must be among {', '.join(known)}")
    run(tables, methods, asked.seeds, asked.out, again=asked.again)


def run(tables: list[str], methods: list[str], seeds: int, path: Path, *, again: bool) -> None:
    """Measure, print a line per fit, and write the file after each."""
    from imputation_data import TABLES, MissingDataError, split
    from imputation_methods import METHODS, ONLY

    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for seed in range(seeds):
        for mechanism, share in CASES:
            for table in tables:
                if share > 0.3 and table != HALF:
                    continue
                try:
                    data = split(TABLES[table](), mechanism, share, seed)
                except MissingDataError as error:
                    print(f"{table}: left out, {error}", flush=True)
                    continue
                for method in methods:
                    key = f"{table}; {mechanism} {share:g}; split {seed}; {method}"
                    if (key in found and not again) or mechanism not in ONLY.get(method, (mechanism,)):
                        continue
                    started = time.perf_counter()
                    filled = METHODS[method](data.train, data.test, seed)
                    found[key] = _measured(filled, data.test, data.test_truth) | {
                        "table": table, "mechanism": mechanism, "share": share, "split": seed, "method": method,
                        "seconds": time.perf_counter() - started,
                    }  # fmt: skip
                    new = path.with_suffix(".new")
                    new.write_text(json.dumps(found, indent=1) + "\n")
                    new.replace(path)
                    print(f"{key}: R2 {found[key]['r2']:.3f}, MSE {found[key]['mse']:.3f}", flush=True)


def _measured(filled: Any, holes: Any, truth: Any) -> dict[str, float]:
    """Return R2 and the mean squared error of the values that were removed, in deviations of the complete column."""
    import numpy as np

    gaps = np.isnan(holes)
    errors = np.square(filled - truth)[gaps]
    return {"r2": float(1 - errors.sum() / np.square(truth[gaps]).sum()), "mse": float(errors.mean())}


def write_page(path: Path, page: Path) -> None:
    """Write the tables of the page, between its markers: means over the splits that all methods have."""
    from imputation_methods import METHODS, ONLY

    found = list(json.loads(path.read_text()).values())
    methods = [name for name in METHODS if any(fit["method"] == name for fit in found)]
    lines = [f"| table | mechanism | {' | '.join(methods)} |", f"|---|---|{'---|' * len(methods)}"]
    means: dict[str, list[list[float | None]]] = {}
    used: set[int] = set()
    for mechanism, share in CASES:
        asked = [name for name in methods if mechanism in ONLY.get(name, (mechanism,))]
        for table in dict.fromkeys(fit["table"] for fit in found):
            fits = [f for f in found if (f["table"], f["mechanism"], f["share"]) == (table, mechanism, share)]
            common = set.intersection(*({f["split"] for f in fits if f["method"] == name} for name in asked))
            if not common:
                continue
            fits, used = [f for f in fits if f["split"] in common], used | common
            row = [_mean([f["r2"] for f in fits if f["method"] == m]) for m in methods]
            if share <= 0.3:
                means.setdefault(mechanism, []).append(row)
            lines.append(_line(f"{table} | {mechanism}{'' if share <= 0.3 else ', half'}", row))
            if share > 0.3:
                errors = [_mean([f["mse"] for f in fits if f["method"] == m]) for m in methods]
                lines.append(_line(f"{table}, mean squared error | {mechanism}, half", errors))
    for mechanism, rows in means.items():
        lines.append(_line(f"**mean** | {mechanism}", [_mean(list(column)) for column in zip(*rows, strict=True)]))
    columns = zip(*(row for rows in means.values() for row in rows), strict=True)
    every = [None if name in ONLY else _mean(list(column)) for name, column in zip(methods, columns, strict=True)]
    lines.append(_line("**mean** | all", every))
    said = f"Splits that all methods have: {', '.join(map(str, sorted(used)))}. One thread each."
    text = page.read_text()
    before, rest = text.split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{chr(10).join(lines)}\n\n{said}\n{END}{rest.split(END)[1]}")


def _mean(values: list[float] | list[float | None]) -> float | None:
    """Return the mean of the values that are there; None without any."""
    there = [value for value in values if value is not None]
    return math.fsum(there) / len(there) if there else None


def _line(name: str, values: list[float | None]) -> str:
    return f"| {name} | {' | '.join('' if value is None else f'{value:.3f}' for value in values)} |"


if __name__ == "__main__":
    main()
