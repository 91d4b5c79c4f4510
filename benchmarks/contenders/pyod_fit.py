"""pyod's AutoEncoder: fit, and score new samples."""

from __future__ import annotations

import numpy as np
from protocol import Prepared, serve
from pyod.models.auto_encoder import AutoEncoder

from data import pixels


def scores(rows: int, epochs: int, seed: int = 0) -> Prepared:
    """A pass over the training samples for their scores is part of its fit."""
    found = []

    def run() -> None:
        model = AutoEncoder(
            hidden_neuron_list=[400, 20], batch_size=128, epoch_num=epochs, lr=1e-3, preprocessing=False,
            batch_norm=False, dropout_rate=0, random_state=seed, verbose=0, optimizer_params={},
        )  # fmt: skip
        model.fit(pixels("train", rows))
        test = pixels("test")
        found[:] = [model.decision_function(test)]  # distances, not squared

    return Prepared(run, lambda: {"test_error": float(np.square(found[0]).mean())})


if __name__ == "__main__":
    serve({"scores": scores})
