"""What a sweep measures of every finished run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from narrows.data import Dataset
from narrows.estimators import PCA
from narrows.evaluation.probes import few_labels
from narrows.runs import Run
from narrows.runs.summary import WIDE

__all__ = ["BASELINES", "ELBO", "Measures"]

BASELINES = {
    "squared error": ("squared error, PCA",),
    "accuracy": ("accuracy, PCA", "accuracy, raw values"),
}
"""Measure -> the same measure of the baselines."""
ELBO = "ELBO [nats]"
DRAWS = 20
"""How often labelled samples are drawn for recognition."""


@dataclass
class Measures:
    """Measures runs on one data set.

    Parameters
    ----------
    dataset
        What the runs were trained on.
    per_class
        Labelled samples of each class for recognition by the nearest code; 0 for none.
    """

    dataset: Dataset
    per_class: int
    _of_pca: dict[int, float] = field(default_factory=dict)

    def of(self, run: Run) -> dict[str, float]:
        """Return what is measured of a finished run; recognition is measured once, and written down with the run."""
        summary = run.summary
        assert summary is not None  # it is finished
        errors = summary["squared_error"]
        measures = {"squared error": errors["model"]}
        if "pca" in errors and not run.is_pca:
            measures["squared error, PCA"] = errors["pca"]
        if summary["elbo"] is not None:
            measures[ELBO] = summary["elbo"]
        if self._labelled is not None:
            known = run.record.get("recognition", {})
            if known.get("per_class") != self.per_class:
                known = {"per_class": self.per_class, "accuracy": self._accuracy(run.load().transform)}
                run.update(recognition=known)
            measures["accuracy"] = known["accuracy"]
            if not run.is_pca:
                measures["accuracy, PCA"] = self._accuracy_of_pca(summary["pca_latent_dim"])
            measures["accuracy, raw values"] = self._accuracy_of_values
        return {**measures, "parameters": summary["parameters"], "seconds": run.history[-1]["seconds"]}

    @cached_property
    def _labelled(self) -> tuple[Any, Any, Any, Any] | None:
        """Training samples with labels and those to recognise, where there are classes of enough samples."""
        part, X, y = self.dataset.evaluation_split
        labels = self.dataset.train_labels
        if not self.per_class or y is None or labels is None or labels.dtype.kind == "f" or part == "training":
            return None
        if np.unique(labels, return_counts=True)[1].min() < self.per_class:
            return None
        return self.dataset.train, labels, X, y

    def _accuracy(self, encode: Callable[[Any], Any]) -> float:
        assert self._labelled is not None
        return few_labels(encode, *self._labelled, per_class=self.per_class, draws=DRAWS, seed=0).mean

    def _accuracy_of_pca(self, latent_dim: int) -> float:
        if latent_dim not in self._of_pca:
            wide = self.dataset.train[0].size > WIDE
            pca: Any = PCA(latent_dim=latent_dim)
            encode = pca.fit(self.dataset.train[: WIDE if wide else None]).transform
            self._of_pca[latent_dim] = self._accuracy(encode)
        return self._of_pca[latent_dim]

    @cached_property
    def _accuracy_of_values(self) -> float:
        return self._accuracy(lambda X: X.reshape(len(X), -1) / np.float32(255 if X.dtype == np.uint8 else 1))
