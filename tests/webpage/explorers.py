"""Small models with their data, for tests of the page."""

from functools import cache

import numpy as np
from sklearn.datasets import load_digits

import narrows
from narrows.data import Dataset
from narrows.page.explorer import Explorer
from subjects import run_of


@cache
def digits():
    """Images of 8 x 8 pixels, with labels, in two splits."""
    X, y = load_digits(return_X_y=True)
    X = (X * 255 / 16).astype(np.uint8).reshape(-1, 1, 8, 8)
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return Dataset("digits", X[:300], X[300:340], train_labels=y[:300], test_labels=y[300:340], label_names=names)


@cache
def sequences():
    """Sequences of two channels and 3 to 9 steps."""
    rng = np.random.default_rng(0)
    ragged = np.empty(60, object)
    for i in range(60):
        ragged[i] = np.cumsum(rng.normal(size=(3 + i % 7, 2)), axis=0).astype(np.float32)
    return Dataset("sequences", ragged[:50], ragged[50:])


@cache
def table():
    """Whole numbers and real ones, far from the model's scale."""
    rng = np.random.default_rng(0)
    X = np.stack([rng.integers(0, 50, 80), 1000 + 100 * rng.normal(size=80), rng.normal(size=80)], axis=1)
    return Dataset("table", X[:60], X[60:], columns=("count", "large", "small"))


@cache
def explorer(kind="vae", **given):
    """An explorer of digits by VAE, PCA or AE; or of sequences, or a table, by a VAE."""
    dataset = {"sequences": sequences, "table": table}.get(kind, digits)()
    small = {"latent_dim": 2 if kind == "table" else 3, "epochs": 2, **given}
    if kind == "pca":
        model = narrows.PCA(latent_dim=2).fit(dataset.train)
    elif kind == "ae":
        model = narrows.AE(**small).fit(dataset.train)
    else:
        model = narrows.VAE(**small).fit(dataset.train, y=dataset.train_labels)
    return Explorer(model, dataset, name=kind)


def run_with(folder, *, pca=False):
    """Return a run with a model of digits, and its data."""
    model = narrows.PCA(latent_dim=4) if pca else narrows.VAE(latent_dim=3, epochs=2)
    run = run_of(folder, model, digits())
    run.update(status="finished")
    return run
