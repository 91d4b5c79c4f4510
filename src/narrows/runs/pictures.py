"""The pictures of a model in its run folder: during training, and of the model as it was saved."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from narrows import figures
from narrows.data.arrays import Array
from narrows.data.dataset import Dataset, Split
from narrows.estimators import inference
from narrows.estimators.base import Autoencoder
from narrows.runs.frames import Recorder
from narrows.training import Report

if TYPE_CHECKING:
    from narrows.runs.folder import Run
    from narrows.training.state import State

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


class EpochPictures:
    """Shows in a run's folder how the same samples are reconstructed during training: pictures, and frames.

    Parameters
    ----------
    run, estimator
        What is trained.
    shown
        See `representative`.
    """

    def __init__(self, run: Run, estimator: Autoencoder, shown: Split) -> None:
        self.run, self.estimator, self.shown = run, estimator, shown
        self.recorder = Recorder(run.frames, shown.X, shown.y)

    def add(self, report: Report) -> None:
        """Show the epoch that a report ends, where it is one of those that are shown."""
        with_picture = has_picture(report.epoch, report.epochs) or bool(report.note)
        with_frame = self.recorder.due(report)
        if with_picture or with_frame:
            since = time.perf_counter()
            versions = self._versions()
            if with_frame:
                self.recorder.add(report, *versions, since=since)
            if with_picture:
                self._draw(report.epoch, *versions)

    def add_missing(self, state: State) -> None:
        """Show the epoch that a checkpoint ends, where that could not be written, as on a full disk."""
        if state.row == 0 and state.history:
            last = state.history[-1]
            epoch = last["epoch"]
            without_frame = not self.run.frames.path_of(epoch).exists()
            with_picture = has_picture(epoch, last["epochs"]) or last["note"]
            without_picture = with_picture and not self.run.sample_of(epoch).exists()
            if without_frame or without_picture:
                versions = self._versions()
                if without_frame:
                    self.recorder.write(epoch, *versions)
                if without_picture:
                    self._draw(epoch, *versions)

    def _versions(self) -> tuple[Array, Array | None]:
        """Return reconstructions of the samples, and new ones where there is a prior."""
        _, X, y = self.shown
        new = self.estimator.sample(len(X), seed=0, y=y) if self.estimator.module_.probabilistic else None
        return self.estimator.reconstruct(X, y=y), new

    def _draw(self, epoch: int, reconstruction: Array, new: Array | None) -> None:
        rows = {"original": self.shown.X, "reconstruction": reconstruction}
        self.run.draw(f"samples/{self.run.sample_of(epoch).name}", figures.compare(rows, samples=new))


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
