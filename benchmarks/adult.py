"""New rows of the Adult table (mixed columns, holes): narrows beside TVAE of ctgan, independent columns and a copula.

python benchmarks/adult.py                       both, each in a process of its own; ctgan's environment is set up
python benchmarks/adult.py --only narrows        without ctgan
python benchmarks/adult.py --rows 2000           fewer training rows, to see that it runs

Both train at their defaults on the 32,561 training rows, with the same number of threads (`--threads`), and draw as
many rows. Time is that of fitting, memory the peak of the process above what its imports take. All is measured against
the 16,281 test rows by `narrows.evaluation.measure_synthesis`; the AUC is that of predicting the income. ctgan gets no
missing values: they are a level of their own, and holes again in what it draws. Needs pandas, and NARROWS_DATA/tables.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from environments import python, set_up

HERE = Path(__file__).parent
LABEL = "income"
GOALS = {"column distance": 0.04, "AUC, share of that of training rows": 0.95, "valid rows": 1.0}


def table(part: str, rows: int | None = None) -> Any:
    """Return the training or test rows as a pandas frame, missing values as such."""
    import pandas as pd

    path = Path(os.environ["NARROWS_DATA"]) / "tables" / f"adult-{part}.csv.gz"
    frame = pd.read_csv(path, na_values="?", skipinitialspace=True)
    frame[LABEL] = frame[LABEL].str.rstrip(".")  # the test rows end in a full stop
    return frame if rows is None else frame.iloc[:rows]


def by_narrows(frame: Any) -> tuple[Any, float]:
    import narrows

    started = time.perf_counter()
    model = narrows.VAE().fit(frame)
    seconds = time.perf_counter() - started
    return model.sample(len(frame), seed=0), seconds


def by_ctgan(frame: Any) -> tuple[Any, float]:
    from ctgan import TVAE

    text = [name for name in frame.columns if frame[name].dtype.kind not in "if"]
    filled = frame.astype(dict.fromkeys(text, object)).fillna(dict.fromkeys(text, "?"))
    started = time.perf_counter()
    model = TVAE()
    model.fit(filled, text)
    seconds = time.perf_counter() - started
    drawn = model.sample(len(frame))
    for name in text:
        drawn[name] = drawn[name].where(drawn[name] != "?").astype(frame[name].dtype)
    return drawn, seconds


FITS = {"narrows": by_narrows, "ctgan": by_ctgan}


def fit(name: str, rows: int | None, out: Path) -> None:
    """Fit one of them in this process; write the rows that it draws, and print seconds and megabytes."""
    import torch

    torch.manual_seed(0)
    frame = table("train", rows)
    if name == "narrows":
        import narrows.estimators  # noqa: F401 - what imports take is no part of the peak
    else:
        import ctgan  # noqa: F401
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    drawn, seconds = FITS[name](frame)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    drawn.to_pickle(out)  # between our own two processes
    print(json.dumps({"seconds": seconds, "megabytes": peak / 1024}))


def run(name: str, rows: int | None, threads: int, out: Path) -> dict[str, float] | None:
    """Fit in a process of its own; return seconds and megabytes, None where the environment cannot be made."""
    interpreter = sys.executable
    if name == "ctgan":
        if problem := set_up("ctgan"):
            print(f"ctgan is left out: {problem}", file=sys.stderr)
            return None
        interpreter = str(python("ctgan"))
    command = [interpreter, str(HERE / "adult.py"), "--fit", name, "--out", str(out)]
    command += [] if rows is None else ["--rows", str(rows)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    if name == "ctgan":
        environment.pop("PYTHONPATH", None)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def main(names: list[str], rows: int | None, threads: int) -> None:
    import tempfile

    import pandas as pd

    from narrows.evaluation import measure_synthesis

    train, test = table("train", rows), table("test")
    lines: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            out = Path(folder) / f"{name}.pickle"
            if (cost := run(name, rows, threads, out)) is None:
                continue
            result = measure_synthesis(test, pd.read_pickle(out), train, label=LABEL, limit=None)
            sources = {source: drawn.measures() for source, drawn in result.sources.items()}
            lines = {**{source: sources[source] for source in sources if source != "drawn"}, **lines}
            real = sources["training rows"]["AUC of prediction"]
            drawn = sources["drawn"]
            share = {"AUC, share of that of training rows": drawn["AUC of prediction"] / real}
            lines[name] = {**cost, **drawn, **share}
            print(
                f"{name}: least alike {result.worst_columns(5)}, {result.sources['drawn'].validity.wrong}", flush=True
            )
    print(pd.DataFrame(lines).round(4).to_string())
    print(f"goals: {GOALS}; the AUC above that of the Gaussian copula")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=tuple(FITS))
    parser.add_argument("--rows", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--fit", choices=tuple(FITS), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.fit:
        fit(given.fit, given.rows, given.out)
    else:
        main([given.only] if given.only else list(FITS), given.rows, given.threads)
