"""The pictures of a model in its run folder: of some epochs during training, and of the model as it was saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from narrows import figures
from narrows.data.dataset import Dataset, Split
from narrows.estimators import inference
from narrows.estimators.base import Autoencoder

if TYPE_CHECKING:
    from PIL import Image

    from narrows.runs.folder import Run

GENERATED = 64
"""Samples in samples.png."""
MAPPED = 10_000
"""At most so many codes are drawn in latent.png."""


def has_picture(epoch: int, epochs: int) -> bool:
    """Return whether an epoch gets a picture: 1, 2, 5, 10, 20, 50, ... and the last."""
    return epoch == epochs or epoch in {m * 10**p for p in range(9) for m in (1, 2, 5)}


def representative(dataset: Dataset) -> Split:
    """Return the samples that all pictures show: the first ones, class by class where there are few classes."""
    split, X, labels = dataset.evaluation_split
    n = min(figures.room(dataset.sample_shape), len(X))
    rows = np.arange(n)
    if labels is not None and labels.dtype.kind != "f" and n <= 10 and len(classes := np.unique(labels)) <= 10:
        ranks = np.empty(len(labels), int)
        for c in classes:
            members = np.flatnonzero(labels == c)
            ranks[members] = np.arange(len(members))
        rows = np.lexsort((labels, ranks))[:n]
    return Split(split, np.asarray(X[rows]), None if labels is None else labels[rows])


def reconstructed(estimator: Autoencoder, shown: Split) -> Image.Image:
    """Return samples above their reconstructions, and new samples where there is a prior."""
    _, X, y = shown
    new = estimator.sample(len(X), seed=0, y=y) if estimator.module_.probabilistic else None
    return figures.compare({"original": X, "reconstruction": estimator.reconstruct(X, y=y)}, samples=new)


def draw_all(run: Run, estimator: Autoencoder, dataset: Dataset, shown: Split) -> None:
    """Draw the pictures of the finished model; `shown` are the samples to reconstruct."""
    _, X, y = shown
    rows = {"original": X, "reconstruction": estimator.reconstruct(X, y=y)}
    run.draw("reconstructions.png", figures.compare(rows))
    if estimator.module_.probabilistic:
        new = estimator.sample(GENERATED, seed=0, y=None if y is None else np.resize(y, GENERATED))
        run.draw("samples.png", figures.gallery(new))
    if history := run.history:
        run.draw("curves.png", figures.curves(history))
    if not estimator.code_.continuous:
        return
    _, X, y = dataset.evaluation_split
    labels = None if y is None else y[:MAPPED]
    Z = inference.encode(estimator, X[:MAPPED], labels)
    run.draw("latent.png", figures.latent_map(Z, labels, dataset.label_names))
