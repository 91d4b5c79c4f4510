"""Classification of samples by the nearest labelled code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject
from narrows.data.arrays import Array, Arrays
from narrows.errors import ConfigError
from narrows.evaluation.inference import codes
from narrows.evaluation.probes import METRICS, few_labels
from narrows.params import model, param


@model
class Recognise(Analysis):
    """Classify samples by the nearest of a few labelled codes, beside PCA's codes and the raw values.

    The labelled samples are drawn from the training split, the same number of each class, several times; all three
    representations get the same ones. Numbers are accuracies on the samples shown, means and deviations over the draws.
    recognition.png shows every draw.
    """

    per_class: int = param(10, "Labelled samples of each class.", low=1)
    draws: int = param(20, "Number of draws of labelled samples.", low=2)
    metric: str = param("euclidean", "Distance; cosine is the angle between codes.", choices=METRICS)
    seed: int = param(0, "The same seed draws the same samples.", low=0)

    def run(self, subject: Subject) -> Result:
        """Run the analysis."""
        split, X, y = subject.shown
        labels, estimator = subject.dataset.train_labels, subject.model
        if y is None or labels is None or y.dtype.kind == "f":
            raise ConfigError(
                f"Recognise: data must have classes; {subject.dataset.name!r} has none. Choose other data."
            )
        if split == "training":
            raise ConfigError(
                "Recognise: part must be validation or test, since labelled samples are drawn from train; got 'train'."
            )
        representations: dict[str, Callable[[Arrays], Array]] = {"codes": lambda rows: codes(estimator, rows)}
        if not estimator.module_.exact_score:
            representations["PCA's codes"] = subject.baseline.transform
        representations["raw values"] = lambda rows: subject.values(rows).reshape(len(rows.x), -1)
        results = {
            name: few_labels(
                encode, subject.train, labels, subject.arrays, y,
                per_class=self.per_class, draws=self.draws, seed=self.seed, metric=self.metric,
            )
            for name, encode in representations.items()
        }  # fmt: skip
        numbers = {}
        for name, result in results.items():
            numbers[f"accuracy, {name}"] = result.mean
            numbers[f"accuracy, {name}, deviation"] = result.deviation
        classes = len(np.unique(labels))
        page = figures.bars({name: r.accuracies for name, r in results.items()}, "accuracy", chance=1 / classes)
        note = f"{len(X):,} {split} samples, {classes} x {self.per_class} labelled ones drawn {self.draws} times."
        return Result(numbers, (subject.draw("recognition.png", page),), note)
