"""Recognise samples by the nearest labelled code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Outcome, Step, Subject
from narrows.errors import ConfigError
from narrows.estimators import PCA
from narrows.estimators.base import Array
from narrows.evaluation.probes import METRICS, FewLabels, few_labels
from narrows.params import model, param
from narrows.runs.summary import WIDE

__all__ = ["Recognise"]


@model
class Recognise(Step):
    """Recognise samples by the nearest of a few labelled codes, beside PCA's codes and the raw values.

    The labelled samples are drawn from the training part, so many of each class, several times; all three are given
    the same ones. Numbers are shares of the samples shown, means and deviations over the draws. recognition.png shows
    every draw.
    """

    per_class: int = param(10, "Labelled samples of each class.", low=1)
    draws: int = param(20, "How often they are drawn.", low=2)
    metric: str = param("euclidean", "Distance; the angle between codes is the cosine's.", choices=METRICS)
    seed: int = param(0, "The same seed draws the same samples.", low=0)

    def run(self, subject: Subject) -> Outcome:
        """Do it."""
        part, X, y = subject.shown
        labels, train = subject.dataset.train_labels, subject.dataset.train
        if y is None or labels is None or y.dtype.kind == "f":
            raise ConfigError(
                f"Recognise: data must have classes; {subject.dataset.name!r} has none. Choose other data."
            )
        if part == "training":
            raise ConfigError(
                "Recognise: part must be validation or test, since labelled samples are drawn from train; got 'train'."
            )
        estimator = subject.model
        found = {"codes": self._accuracy(estimator.transform, subject, X, y)}
        if not estimator.module_.exact_score:
            rows = train if estimator.n_features_in_ <= WIDE else train[:WIDE]
            k = min(estimator.latent_dim_, len(rows) - 1, estimator.n_features_in_)
            found["PCA's codes"] = self._accuracy(PCA(latent_dim=k).fit(rows).transform, subject, X, y)
        found["raw values"] = self._accuracy(lambda x: subject.scaled(x).reshape(len(x), -1), subject, X, y)
        numbers = {}
        for name, few in found.items():
            numbers[f"accuracy, {name}"] = few.mean
            numbers[f"accuracy, {name}, deviation"] = few.deviation
        classes = len(np.unique(labels))
        page = figures.bars({name: few.accuracies for name, few in found.items()}, "accuracy", chance=1 / classes)
        said = f"{len(X):,} {part} samples, {classes} x {self.per_class} labelled ones drawn {self.draws} times."
        return Outcome(numbers, (subject.draw("recognition.png", page),), said)

    def _accuracy(self, encode: Callable[[Array], Array], subject: Subject, X: Array, y: Array) -> FewLabels:
        return few_labels(
            encode, subject.dataset.train, np.asarray(subject.dataset.train_labels), X, y,
            per_class=self.per_class, draws=self.draws, seed=self.seed, metric=self.metric,
        )  # fmt: skip
