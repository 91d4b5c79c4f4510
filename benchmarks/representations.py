"""What representations are worth, measured on real data (NARROWS_DATA must hold them).

python benchmarks/representations.py binarised    a VAE of binarised MNIST: ELBO, bounds of 100 and 5,000 samples
python benchmarks/representations.py digits       MNIST: neighbours in 16 dimensions, one digit against the rest

Settings were chosen on validation rows (binarised) and are narrows' own but for sizes and epochs (digits).
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np

from narrows import AE, PCA, VAE, elbo, load_dataset, log_likelihood
from narrows.evaluation import knn_accuracy, one_against_rest

PUBLISHED = -88.7
"""Nats per digit of a VAE with one layer of codes, by 5,000 samples (Burda et al. 2016; Rezende & Mohamed 2015)."""


def data(name: str) -> Path:
    return Path(os.environ["NARROWS_DATA"]) / name


def binarised() -> None:
    """Train on training and validation rows; evaluate all test rows, and a thousand with 5,000 samples."""
    with np.load(data("binarized-mnist") / "binarized_mnist.npz") as found:
        parts = {part: np.unpackbits(found[part], axis=1)[:, :784].astype(np.float32) for part in found.files}
    X, test = np.concatenate([parts["train"], parts["valid"]]), parts["test"]
    model = VAE(
        network="mlp:200x200,activation=silu", latent_dim=50, likelihood="bernoulli", batch_size=256,
        corruption="salt_pepper:0.08", optimizer="adamw", weight_decay=0.1, learning_rate=4e-3, averaging=0.999,
        epochs=400,
    )  # fmt: skip
    started = time.perf_counter()
    model.fit(X)
    print(f"trained in {time.perf_counter() - started:,.0f} s", flush=True)
    rows = np.sort(np.random.default_rng(0).choice(len(test), 1000, replace=False))
    for what, values in (
        ("ELBO, 10,000 rows", elbo(model, test)),
        ("bound of 100, 10,000 rows", log_likelihood(model, test, samples=100)),
        ("bound of 100, 1,000 rows", log_likelihood(model, test[rows], samples=100)),
        ("bound of 5,000, the same", log_likelihood(model, test[rows], samples=5000)),
    ):
        error = values.std(ddof=1) / len(values) ** 0.5
        print(
            f"{what:28} {values.mean():9.3f} +- {error:.3f}   {values.mean() - PUBLISHED:+.2f} to {PUBLISHED}",
            flush=True,
        )


def digits() -> None:
    """Neighbours from 16 dimensions; AUROC of every digit among the others."""
    mnist = load_dataset("mnist")
    assert mnist.test is not None
    assert mnist.train_labels is not None
    assert mnist.test_labels is not None
    X, test = mnist.train, mnist.test
    for name, model in (("PCA", PCA(latent_dim=16)), ("AE", AE(network="mlp:256x128", latent_dim=16, epochs=20))):
        accuracy = knn_accuracy(model.fit(X), X, mnist.train_labels, test, mnist.test_labels)
        print(f"neighbours' accuracy from 16 dimensions, {name}: {accuracy:.4f}", flush=True)
    print("AUROC of a digit against the rest" + "".join(f"{digit:8}" for digit in range(10)) + "    mean")
    for name, model, by in (
        ("PCA", PCA(latent_dim=32), "reconstruction"),
        ("AE", AE(network="mlp:256", latent_dim=32, epochs=10), "reconstruction"),
        ("VAE", VAE(network="mlp:256", latent_dim=16, epochs=10), "elbo"),
    ):
        several = one_against_rest(model, X, mnist.train_labels, test, mnist.test_labels, by=by)
        print(
            f"{name + ' by ' + by:33}" + "".join(f"{v:8.3f}" for v in several.auroc) + f"{several.mean_auroc:8.3f}",
            flush=True,
        )


if __name__ == "__main__":
    works = {work.__name__: work for work in (binarised, digits)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=works)
    works[parser.parse_args().work]()
