"""The data that every contender reads: arrays that `prepare_data.py` left, or drawn; and errors of codes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def folder() -> Path:
    return Path(os.environ["NARROWS_BENCHMARK_DATA"])


def digits(part: str, rows: int | None = None) -> Array:
    """Return images (N, 784) uint8 of "train" or "test"."""
    return np.load(folder() / f"{part}.npy")[:rows]


def pixels(part: str, rows: int | None = None) -> Array:
    """Return the same as float32 in [0, 1]."""
    return digits(part, rows).astype(np.float32) / 255


def drawn(rows: int, features: int) -> Array:
    """Return pixels (N, D) uint8 without any structure, for works where only time and memory count."""
    return np.random.default_rng(0).integers(0, 256, (rows, features), np.uint8)


def table(name: str) -> Array:
    """Return what PCA is fitted to, float32: "tall" (the digits) or "wide"; or the digits as they are, "pixels"."""
    if name == "pixels":
        return digits("train")
    return pixels("train") if name == "tall" else np.load(folder() / "wide.npy")


def gap(components: Array, X: Array, name: str) -> dict[str, float]:
    """Return the share of the variance of the best k axes that these k (k, D) do not hold."""
    if name == "pixels":
        X, name = X / np.float32(255), "tall"
    optimum = json.loads((folder() / "variance.json").read_text())[f"{name}-{len(components)}"]
    mean = X.mean(0, dtype=np.float64)
    held = 0.0
    for start in range(0, len(X), 2000):
        held += float(np.square((X[start : start + 2000] - mean) @ components.T).sum())
    return {"variance_gap": 1 - held / optimum}


def weights() -> list[tuple[Array, Array]]:
    """Return the layers of the encoder 784-400-20 whose speed is compared: (weight, bias) each, float32."""
    rng = np.random.default_rng(0)
    layers = []
    for n_in, n_out in ((784, 400), (400, 20)):
        bound = n_in**-0.5
        layers.append(
            (
                rng.uniform(-bound, bound, (n_out, n_in)).astype(np.float32),
                rng.uniform(-bound, bound, n_out).astype(np.float32),
            )
        )
    return layers


def code_error(codes: Array, rows: int) -> dict[str, float]:
    """Return how far codes of the first test images are from those in double precision, as a share of the spread."""
    (w1, b1), (w2, b2) = weights()
    right = np.maximum(digits("test") / 255 @ w1.T.astype(float) + b1, 0) @ w2.T.astype(float) + b2
    return {"code_error": float(np.sqrt(np.square(codes - right[:rows]).mean() / right.var(0).mean()))}
