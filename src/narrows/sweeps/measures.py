"""What a sweep measures of every finished run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from narrows.data import Dataset
from narrows.data.arrays import Array, Arrays
from narrows.estimators import inference
from narrows.evaluation import pca_baseline
from narrows.evaluation.probes import few_labels
from narrows.runs import Run

BASELINES = {"squared error": ("squared error, PCA",), "accuracy": ("accuracy, PCA", "accuracy, raw values")}
"""Measure -> the same measure of the baselines."""
ELBO = "ELBO [nats]"
DRAWS = 20
"""How often labelled samples are drawn for recognition."""


def measures_of(run: Run, dataset: Dataset, per_class: int) -> dict[str, float]:
    """Return what is measured of a finished run; recognition is measured once, and written down with the run.

    `dataset` is what it was trained on; `per_class` as in `Sweep`.
    """
    summary = run.summary
    assert summary is not None  # it is finished
    errors = summary["squared_error"]
    measures = {"squared error": errors["model"]}
    if "pca" in errors and not run.is_pca:
        measures["squared error, PCA"] = errors["pca"]
    if summary["elbo"] is not None:
        measures[ELBO] = summary["elbo"]
    if _has_labels(dataset, per_class):
        recorded = run.record.get("recognition", {})
        if recorded.get("per_class") != per_class:
            recorded = {"per_class": per_class, **_accuracies(run, dataset, per_class)}
            run.update(recognition=recorded)
        measures |= {name: value for name, value in recorded.items() if name != "per_class"}
    return {**measures, "parameters": summary["parameters"], "seconds": run.history[-1]["seconds"]}


def _has_labels(dataset: Dataset, per_class: int) -> bool:
    """Return whether there are held-out labels, and classes of enough training samples."""
    labels = dataset.train_labels
    if not per_class or labels is None or labels.dtype.kind == "f":
        return False
    split, _, y = dataset.evaluation_split
    return split != "training" and y is not None and np.unique(labels, return_counts=True)[1].min() >= per_class


def _accuracies(run: Run, dataset: Dataset, per_class: int) -> dict[str, float]:
    """Return the accuracy of the nearest of a few labelled codes, beside PCA's codes and the values themselves."""
    model, (_, X, y), labels = run.load(), dataset.evaluation_split, dataset.train_labels
    assert y is not None
    assert labels is not None
    train, test = inference.encoded(model, dataset.train, labels), inference.encoded(model, X, y)

    def accuracy(encode: Callable[[Arrays], Array]) -> float:
        return few_labels(encode, train, labels, test, y, per_class=per_class, draws=DRAWS, seed=0).mean

    accuracies = {"accuracy": accuracy(lambda rows: inference.encode(model, rows))}
    if not run.is_pca:
        accuracies["accuracy, PCA"] = accuracy(pca_baseline(model, dataset.train, labels).transform)
    return {
        **accuracies,
        "accuracy, raw values": accuracy(lambda rows: inference.values(model, rows).reshape(len(rows.x), -1)),
    }
