"""What representations are worth, measured on real data (NARROWS_DATA must hold them).

python benchmarks/representations.py binarised    a VAE of binarised MNIST: ELBO, bounds of 100 and 5,000 samples
python benchmarks/representations.py digits       MNIST: neighbours in 16 dimensions, one digit against the rest
python benchmarks/representations.py tables       ten tables with anomalies, beside pyod (run.py sets it up)

Settings were chosen on validation rows (binarised) and are narrows' own but for sizes and epochs (digits). On the
tables "nearest" was found to be the best score on these very tables: its lead is an optimistic one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
from environments import python

from narrows import AE, PCA, VAE, elbo, load_dataset, log_likelihood
from narrows.evaluation import anomaly_scores, detection, knn_accuracy, one_against_rest

HERE = Path(__file__).parent
SEEDS = range(3)
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


def tables() -> None:
    """Mean AUROC over the tables, 70% of the rows for training, three splits."""
    found: dict[str, list[list[float]]] = {}
    for path in sorted(data("adbench").glob("*.npz")):
        per_seed: dict[str, list[float]] = {}
        with np.load(path) as held:
            X, y = held["X"].astype(np.float64), held["y"].astype(int)
        for seed in SEEDS:
            order, n = np.random.default_rng(seed).permutation(len(X)), int(0.7 * len(X))
            A, B = X[order[:n]], X[order[n:]]
            fields: dict[str, Any] = {
                "latent_dim": max(2, A.shape[1] // 3), "network": "mlp:64x32", "batch_size": 64, "seed": seed,
                "scale": "standard", "epochs": max(4, round(1500 / (len(A) / 64))),
            }  # fmt: skip
            for model in (PCA(latent_dim=fields["latent_dim"], scale="standard"), AE(**fields), VAE(**fields)):
                model.fit(A)
                for by in ("score", "reconstruction", "nearest"):
                    scores = anomaly_scores(model, B, by=by, X_train=A, seed=seed)
                    auroc = detection(scores, y[order[n:]]).auroc
                    per_seed.setdefault(f"narrows {type(model).__name__}, {by}", []).append(auroc)
        for name, values in per_seed.items():
            found.setdefault(name, []).append(values)
    script, rival = HERE / "contenders" / "pyod_tables.py", python("pyod")
    if rival.exists():
        rivals = subprocess.run([rival, script, data("adbench")], check=True, capture_output=True, text=True).stdout
        found |= json.loads(rivals.splitlines()[-1])
    print(f"{'mean AUROC over the tables':34}    mean     +-   by table")
    for name, rows in sorted(found.items(), key=lambda item: -np.mean(item[1])):
        each = np.array(rows)
        spread = each.mean(0).std(ddof=1) / len(SEEDS) ** 0.5
        print(f"{name:34} {each.mean():7.4f} {spread:6.4f}   " + " ".join(f"{v:.3f}" for v in each.mean(1)))


if __name__ == "__main__":
    works = {work.__name__: work for work in (binarised, digits, tables)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=works)
    works[parser.parse_args().work]()
