"""The pictures of a model in its run folder: of some epochs during training, and of the model as it was saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from narrows import figures
from narrows.data import Dataset
from narrows.estimators.base import Array, Autoencoder

if TYPE_CHECKING:
    from PIL import Image

    from narrows.runs.folder import Run

__all__ = ["draw_all", "has_picture", "reconstructed", "representative"]

GENERATED = 64
"""Samples in samples.png."""
MAPPED = 10_000
"""At most so many codes are drawn in latent.png."""


def has_picture(epoch: int, epochs: int) -> bool:
    """Return whether an epoch gets a picture: 1, 2, 5, 10, 20, 50, ... and the last."""
    return epoch == epochs or epoch in {m * 10**p for p in range(9) for m in (1, 2, 5)}


def representative(dataset: Dataset) -> Array:
    """Return the samples that all pictures show: the first ones, class by class where there are few classes."""
    _, X, labels = dataset.evaluation_split
    n = min(figures.room(dataset.sample_shape), len(X))
    if labels is None or labels.dtype.kind == "f" or n > 10:
        return np.asarray(X[:n])
    classes = np.unique(labels)
    if len(classes) > 10:
        return np.asarray(X[:n])
    ranks = np.empty(len(labels), int)
    for c in classes:
        rows = np.flatnonzero(labels == c)
        ranks[rows] = np.arange(len(rows))
    order = np.lexsort((labels, ranks))[:n]
    return np.asarray(X[order])


def reconstructed(estimator: Autoencoder, X: Array) -> Image.Image:
    """Return samples above their reconstructions, and new samples where there is a prior."""
    new = estimator.sample(len(X), seed=0) if estimator.module_.probabilistic else None
    return figures.compare({"original": X, "reconstruction": estimator.reconstruct(X)}, samples=new)


def draw_all(run: Run, estimator: Autoencoder, dataset: Dataset, X: Array) -> None:
    """Draw the pictures of the finished model; `X` are the samples to reconstruct."""
    rows = {"original": X, "reconstruction": estimator.reconstruct(X)}
    run.draw("reconstructions.png", figures.compare(rows))
    if estimator.module_.probabilistic:
        new = estimator.sample(GENERATED, seed=0)
        # A few values below black would make all of it grey.
        run.draw("samples.png", figures.gallery(new.clip(0, 1) if estimator.pixels_ else new))
    if history := run.history:
        run.draw("curves.png", figures.curves(history))
    _, X, labels = dataset.evaluation_split
    Z = estimator.transform(X[:MAPPED])
    run.draw("latent.png", figures.latent_map(Z, None if labels is None else labels[:MAPPED], dataset.label_names))
