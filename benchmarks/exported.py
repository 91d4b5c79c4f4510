"""Hold narrows.load_onnx against bare ONNX Runtime on the same file, and time the first code of a new process.

python benchmarks/exported.py [--rounds 9] [--model FOLDER]

The model is a variational autoencoder 784-400-20 of digits, exported by `export_model`, or one that is there. The two
take turns in one process: one digit, and a thousand, by the median of a round's calls. The first code is timed in
processes of their own, after the import and the making of the session.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measures import ratios, rotation, spread

CALLS = {1: 2000, 1000: 30}
"""Rows of a call, and calls of a round."""
FIRST = """
import json, sys, time
import numpy as np
start = time.perf_counter()
from narrows import load_onnx
imported = time.perf_counter()
model = load_onnx(sys.argv[1])
model.session("encoder")
ready = time.perf_counter()
model.transform(np.zeros((1, *model.form.sample_shape), model.form.input))
done = time.perf_counter()
assert "torch" not in sys.modules
print(json.dumps({"import": imported - start, "session": ready - imported, "first code": done - ready}))
"""


def exported(folder: Path) -> None:
    """Fit the model to a few digits, which changes its time as little as more of them, and export it."""
    from narrows import VAE, export_model, load_dataset

    data = load_dataset("mnist-5k")
    model = VAE(network="mlp:400", latent_dim=20, epochs=1, likelihood="bernoulli").fit(data.train)
    export_model(model, folder, X=data.test)


def median(call: Callable[[], Any], calls: int) -> float:
    """Return the median time of a call, in seconds."""
    times = []
    for _ in range(calls):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def turns(folder: Path, rounds: int) -> None:
    """Print times of both, and their ratios round by round."""
    from narrows import load_onnx

    model = load_onnx(folder)
    session, form = model.session("encoder"), model.form
    rng = np.random.default_rng(0)
    for rows, calls in CALLS.items():
        X = rng.integers(0, 256, (rows, *form.sample_shape)).astype(form.input)
        both: dict[str, Callable[[], Any]] = {
            "onnxruntime": lambda X=X: session.run(["z"], {"x": X}),  # type: ignore[misc]
            "narrows": lambda X=X: model.transform(X),  # type: ignore[misc]
        }
        found: dict[str, list[float]] = {name: [] for name in both}
        for round_ in range(rounds + 1):
            for name in rotation(list(both), round_):
                seconds = median(both[name], calls)
                if round_:  # the first one warms up
                    found[name].append(seconds)
        ratio = ratios(found["narrows"], found["onnxruntime"])
        times = ", ".join(f"{name} {statistics.median(seconds) * 1e6:.1f} us" for name, seconds in found.items())
        print(f"{rows:,} samples: {times}; ratio {ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})", flush=True)


def first(folder: Path, rounds: int) -> None:
    """Print how long import, session and first code take in a new process."""
    found = [json.loads(subprocess.check_output([sys.executable, "-c", FIRST, str(folder)])) for _ in range(rounds)]
    for name in found[0]:
        seconds = spread([times[name] * 1e3 for times in found])
        print(f"{name}: {seconds.median:.2f} ms ({seconds.low:.2f} to {seconds.high:.2f})")


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--model", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.model or Path(temporary, "model")
        if chosen.model is None:
            exported(folder)
        turns(folder, chosen.rounds)
        first(folder, chosen.rounds)


if __name__ == "__main__":
    main()
