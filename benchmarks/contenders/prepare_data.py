"""Write the arrays that all contenders read. Runs once, in the environment of narrows; the runner calls it.

prepare_data.py FOLDER [--quick]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from narrows import load_dataset


def wide(rows: int, features: int, rank: int) -> np.ndarray:
    """Draw rows whose variance falls with the axis's number to the power of 1.5, as in photographs, and some noise."""
    rng = np.random.default_rng(0)
    axes = rng.standard_normal((rank, features), np.float32) / np.float32(features**0.5)
    codes = rng.standard_normal((rows, rank), np.float32) / np.arange(1, rank + 1, dtype=np.float32) ** np.float32(0.75)
    return codes @ axes + np.float32(0.0005) * rng.standard_normal((rows, features), np.float32)


def optimum(X: np.ndarray, k: int) -> float:
    """Return the squared sum that the best k axes hold: ten steps of subspace iteration with twice as many.

    The variance that is lost falls with (variance of axis 2k / variance of axis k)^20, here to below 1e-8.
    """
    mean = X.mean(0, dtype=np.float64).astype(np.float32)
    axes = np.random.default_rng(1).standard_normal((X.shape[1], 2 * k), np.float32)
    for _ in range(10):
        codes = X @ axes - mean @ axes
        axes = np.linalg.qr(X.T @ codes - np.outer(mean, codes.sum(0)))[0]
    codes = (X @ axes - mean @ axes).astype(np.float64)
    return float(np.linalg.eigvalsh(codes.T @ codes)[-k:].sum())


def main(folder: Path, quick: bool) -> None:
    """Write everything, the list of optima last: whoever finds it finds all."""
    folder.mkdir(parents=True, exist_ok=True)
    digits = load_dataset("mnist-5k" if quick else "mnist")
    train, test = (X.reshape(len(X), -1) for X in (digits.train, digits.test))
    if quick:
        train, test = train[:1000], test[:500]
    table = wide(500, 800, 100) if quick else wide(13_000, 12_288, 1000)
    for name, array in (("train", train), ("test", test), ("wide", table)):
        np.save(folder / f"{name}.npy", array)
    found = {}
    tall = train.astype(np.float64) / 255
    tall -= tall.mean(0)
    values = np.linalg.eigvalsh(tall.T @ tall)[::-1]
    for k in (64, 256):
        found[f"tall-{k}"] = float(values[:k].sum())
    k = 32 if quick else 256
    found[f"wide-{k}"] = optimum(table, k)
    (folder / "variance.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--quick" in sys.argv)
