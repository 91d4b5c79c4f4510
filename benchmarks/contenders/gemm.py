"""The matrix products of training and nothing else: what no implementation in this precision can be faster than."""

from __future__ import annotations

import math

import torch
from protocol import Prepared, serve

LAYERS = {
    "vae": ((784, 400), (400, 40), (20, 400), (400, 784)),
    "deep": ((784, 256), (256, 128), (128, 32), (32, 128), (128, 256), (256, 784)),
    "sparse": ((784, 1000), (1000, 784)),
}


def train(network: str, rows: int, batch: int | None = 128, epochs: int = 1, precision: str = "fp32", rounds: int = 1):
    """Forward, gradient of the weights, and, but for the first layer, gradient of the input."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    size = min(batch or rows, rows)
    products = []
    for i, (n_in, n_out) in enumerate(LAYERS[network]):
        x, w, g = (torch.rand(shape).to(dtype) for shape in ((size, n_in), (n_out, n_in), (size, n_out)))
        products += [(x, w.T), (g.T, x)] + ([(g, w)] if i else [])
    products = [(a, b, torch.empty(a.shape[0], b.shape[1], dtype=dtype)) for a, b in products]

    def run() -> None:
        for _ in range(epochs * math.ceil(rows / size)):
            for a, b, out in products:
                torch.mm(a, b, out=out)

    return Prepared(run, dict)


if __name__ == "__main__":
    serve({"train": train})
