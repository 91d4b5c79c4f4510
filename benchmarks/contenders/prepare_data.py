"""Write the arrays that all contenders read. Runs once, in the environment of narrows; the runner calls it.

prepare_data.py FOLDER [--quick]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from narrows import load_dataset


def wide(rows: int, features: int, rank: int) -> np.ndarray:
    """Draw rows whose variance falls with the square of the axis's number, as in images, and a little noise."""
    rng = np.random.default_rng(0)
    axes = rng.standard_normal((rank, features), np.float32) / np.float32(features**0.5)
    codes = rng.standard_normal((rows, rank), np.float32) / np.arange(1, rank + 1, dtype=np.float32)
    return codes @ axes + np.float32(0.0005) * rng.standard_normal((rows, features), np.float32)


def optimum(X: np.ndarray, k: int) -> float:
    """Return the squared sum that the best k axes hold, by Lanczos' method to its full accuracy."""
    mean = X.mean(0, dtype=np.float64).astype(np.float32)

    def product(v: np.ndarray) -> np.ndarray:
        v = v.ravel().astype(np.float32)
        along = X @ v - mean @ v
        return (X.T @ along - mean * along.sum()).astype(np.float64)

    operator = LinearOperator((X.shape[1],) * 2, matvec=product, dtype=np.float64)
    return float(eigsh(operator, k, ncv=3 * k, return_eigenvectors=False, tol=1e-6).sum())


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
