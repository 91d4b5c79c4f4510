"""narrows, through what its users call."""

from __future__ import annotations

import contextlib
import itertools

import numpy as np
import torch
from protocol import Prepared, serve

from data import code_error, digits, drawn, gap, table, weights
from narrows import AE, PCA, VAE
from narrows.data.batches import Batches
from narrows.evaluation import squared_error as narrows_error
from narrows.training.loop import evaluate

PLAIN = {"optimizer": "adam", "learning_rate": 1e-3, "schedule": "constant", "warmup": 0.0, "data_bias": False}
"""The rivals' training: nothing that helps it on the way is switched on."""
SIGMOID = "activation=sigmoid,output_activation=sigmoid"

ESTIMATORS = {
    "vae": lambda fields: VAE(network="mlp:400", latent_dim=20, likelihood="bernoulli", **fields),
    "conv": lambda fields: VAE(network="conv:32x64", latent_dim=16, likelihood="bernoulli", **fields),
    "lstm": lambda fields: AE(network="recurrent:100", latent_dim=30, **fields),
    "deep": lambda fields: AE(
        network=f"mlp:256x128,{SIGMOID}", code="continuous:sigmoid", latent_dim=32, **fields
    ),
    "sparse": lambda fields: AE(
        network=f"mlp:,{SIGMOID}", code="continuous:sigmoid", latent_dim=1000, penalty="sparsity:0.5,target=0.1",
        **fields,
    ),
    "detector": lambda fields: AE(network="mlp:400", code="continuous:relu", latent_dim=20, **fields),
}  # fmt: skip
SHAPES = {"conv": (1, 28, 28), "lstm": (28, 28)}


def images(part: str, network: str, rows: int | None = None) -> np.ndarray:
    return digits(part, rows).reshape(-1, *SHAPES.get(network, (784,)))


def bound(model: VAE, network: str = "vae") -> float:
    """The bound with one draw of the code, as the rivals report it."""
    rows = Batches(model.arrays(images("test", network)), model.schema_, torch.device("cpu"))
    return evaluate(model.module_, rows, 1000).means["loss"]


def squared_error(model: AE, network: str) -> float:
    return float(narrows_error(model, images("test", network)).mean())


def train(
    network: str, rows: int, batch: int | None = 128, epochs: int = 1, seed: int = 0, rounds: int = 1,
    compile: bool = False,
) -> Prepared:  # fmt: skip
    """A round is `epochs` epochs of one fit, which is left after each."""
    fields = {"epochs": epochs * rounds, "batch_size": batch, "seed": seed, "compile": compile}
    model = ESTIMATORS[network](PLAIN | fields)
    axes = "NTD" if network == "lstm" else None  # else rows of 28 x 28 bytes are pictures
    reports = model.fit_iter(images("train", network, rows), axes=axes)
    ends = (report for report in reports if report.end_of_epoch)

    def run() -> None:
        for _ in range(epochs):
            next(ends)

    measure = bound if isinstance(model, VAE) else squared_error
    return Prepared(run, lambda: {"test_error": measure(model, network)})


def whole(epochs: int, target: float | None = None, seed: int = 0, compile: bool = False) -> Prepared:
    """A pass over the test images after every epoch; where there is a target, narrows' own way to get there."""
    found: list[float] = []

    def run() -> None:
        fields = PLAIN | {"epochs": epochs, "seed": seed, "compile": compile}
        if target is not None:
            fields = {
                "epochs": 3, "batch_size": 192, "learning_rate": 1e-2, "adam_betas": (0.9, 0.98),
                "schedule": "linear", "warmup": 0.1, "seed": seed,
            }  # fmt: skip
        model = ESTIMATORS["vae"](fields)
        with contextlib.closing(model.fit_iter(digits("train"))) as reports:
            found[:] = [bound(model) for report in reports if report.end_of_epoch]

    return Prepared(run, lambda: {"test_error": found[-1], "epochs": len(found)})


def growth(rows: int, features: int, latent: int, batch: int, rounds: int) -> Prepared:
    """One epoch of the VAE on pixels that are drawn."""
    model = VAE(
        network="mlp:400", latent_dim=latent, likelihood="bernoulli",
        **PLAIN | {"epochs": rounds, "batch_size": batch},
    )  # fmt: skip
    reports = model.fit_iter(drawn(rows, features))
    return Prepared(lambda: next(itertools.dropwhile(lambda report: not report.end_of_epoch, reports)), dict)


def pca(data: str, k: int, seed: int = 0) -> Prepared:
    X, model = table(data), PCA(latent_dim=k)
    return Prepared(lambda: model.fit(X), lambda: gap(model.components_, X, data))


def encode(rows: int, calls: int, precision: str = "auto") -> Prepared:
    """Codes of pixels in uint8, `calls` times."""
    X, found = digits("test", rows), []
    model = AE(network="mlp:400", latent_dim=20, epochs=1, precision=precision)
    model.fit(digits("train", 256))
    layers = [layer for layer in model.module_.encoder.modules() if isinstance(layer, torch.nn.Linear)]
    for layer, (weight, bias) in zip(layers, weights(), strict=True):
        layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})

    def run() -> None:
        for _ in range(calls):
            found[:] = [model.transform(X)]

    return Prepared(run, lambda: code_error(found[0], rows))


def scores(rows: int, epochs: int, seed: int = 0) -> Prepared:
    """Fit an autoencoder, and score the test images by their squared error."""
    found = []

    def run() -> None:
        model = ESTIMATORS["detector"](PLAIN | {"epochs": epochs, "seed": seed}).fit(digits("train", rows))
        test = digits("test")
        found[:] = [model, model.score_samples(test)]

    return Prepared(run, lambda: {"test_error": squared_error(found[0], "detector")})


if __name__ == "__main__":
    serve({"train": train, "whole": whole, "growth": growth, "pca": pca, "encode": encode, "scores": scores})
