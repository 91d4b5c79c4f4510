"""Several models on the same data: one table with the spread over seeds, PCA always a row."""

from __future__ import annotations

import csv
import io
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from narrows.errors import ConfigError, DataError
from narrows.estimators import PCA
from narrows.estimators.base import Autoencoder
from narrows.evaluation.inference import checked, same_length, subset
from narrows.evaluation.likelihood import log_likelihood, unit
from narrows.evaluation.probes import knn_accuracy, logistic_accuracy, trustworthiness
from narrows.evaluation.reconstruction import measure_reconstruction
from narrows.storage.atomic import write_text
from narrows.storage.json import write_json

__all__ = ["Cell", "Comparison", "Row", "compare_models"]

LIMIT = 2000
"""Test rows for SSIM and the bound on the likelihood, drawn with a seed; the other measures take all."""

LOWER: tuple[str, ...] = (
    "squared error per sample",
    "squared error per value",
    "seconds",
    "parameters",
    "bytes on disk",
)
"""Measures of which less is better; of all others more is."""


class Cell(NamedTuple):
    """One measure of one model."""

    mean: float
    """Over seeds."""
    deviation: float
    """Over seeds, with n - 1; 0 for one seed and for models without chance."""

    def __str__(self) -> str:
        mean = f"{self.mean:,.0f}" if abs(self.mean) >= 1e4 else f"{self.mean:.4g}"
        return mean if self.deviation == 0 else f"{mean} ± {self.deviation:.2g}"


class Row(NamedTuple):
    """One model, trained once per seed."""

    name: str
    seeds: int
    cells: dict[str, Cell]
    """By measure; those that do not apply are left out."""


@dataclass(frozen=True)
class Comparison:
    """A table of models by measures."""

    rows: list[Row]
    measures: list[str]
    """Every measure that some row has, in order."""
    models: dict[str, list[Autoencoder]]
    """The fitted models, one per seed."""

    def best(self, measure: str) -> str | None:
        """Return the name of the best model, or None where its lead is within the spread of the two first."""
        found = [(row.cells[measure], row.name) for row in self.rows if measure in row.cells]
        if len(found) < 2:
            return None
        sign = 1 if measure in LOWER else -1
        (first, name), (second, _) = sorted(found, key=lambda pair: sign * pair[0].mean)[:2]
        lead = abs(second.mean - first.mean)
        return name if lead > math.hypot(first.deviation, second.deviation) and lead > 0 else None

    def table(self) -> list[list[str]]:
        """Return header and rows as text: mean and deviation, "-" where a measure does not apply."""
        body = [[row.name, *(str(row.cells[m]) if m in row.cells else "-" for m in self.measures)] for row in self.rows]
        return [["model", *self.measures], *body]

    def record(self) -> dict[str, Any]:
        """Return the table as plain values, fit for JSON."""
        rows = [
            {"model": row.name, "seeds": row.seeds, "measures": {m: c._asdict() for m, c in row.cells.items()}}
            for row in self.rows
        ]
        return {"rows": rows, "best": {measure: self.best(measure) for measure in self.measures}}

    def to_json(self, path: str | Path) -> None:
        """Write the table as JSON."""
        write_json(Path(path), self.record())

    def to_csv(self, path: str | Path) -> None:
        """Write the table as CSV: model, seeds, and two columns per measure."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["model", "seeds", *(name for m in self.measures for name in (m, f"{m}, deviation"))])
        for row in self.rows:
            cells = [row.cells.get(measure) for measure in self.measures]
            writer.writerow([row.name, row.seeds, *(value for cell in cells for value in (cell or ("", "")))])
        write_text(Path(path), text.getvalue())


def compare_models(
    models: Mapping[str, Autoencoder],
    X: ArrayLike,
    X_test: ArrayLike,
    *,
    y: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    validation: ArrayLike | None = None,
    seeds: int = 3,
    samples: int = 100,
    told: Callable[[str, int], None] = lambda name, seed: None,
) -> Comparison:
    """Train copies of models with several seeds, and return one table of their measures on test samples.

    PCA with as many numbers as the first model's code is added where no model is PCA. Measured are reconstruction,
    trustworthiness, the bound on the likelihood (in a column per kind of likelihood: they do not compare), with labels
    recognition by neighbours and by a linear classifier, and training time, parameters and size on disk.

    Parameters
    ----------
    models
        Estimators by the name of their row. Those that are fitted are measured as they are; of the others copies are
        trained, and they are left as they are.
    X, X_test
        Training and test samples.
    y, y_test
        Their labels, where there are any.
    validation
        Samples that choose the best weights of what is trained here, see `fit`.
    seeds
        How often to train each model, with seeds 0, 1, ...
    samples
        Draws for the bound on the likelihood.
    told
        Called with the name and the seed before each training.

    Raises
    ------
    ConfigError
        No model; fewer than 1 seed.
    DataError
        Labels for one part only.
    """
    if not models or seeds < 1:
        raise ConfigError(f"compare_models: models must be at least one, seeds >= 1; got {len(models)} and {seeds!r}.")
    if (y is None) != (y_test is None):
        raise DataError("compare_models: y and y_test must be given together; got one of them. Pass both, or none.")
    train, test = np.asarray(X), np.asarray(X_test)
    labels = None if y is None or y_test is None else (same_length("y", train, y), same_length("y_test", test, y_test))
    fitted: dict[str, list[tuple[Autoencoder, float | None]]] = {}
    for name, model in models.items():
        fitted[name] = _trained(name, model, train, validation, seeds, told)
    first = next(iter(fitted.values()))[0][0]
    if not any(model.module_.exact_score for runs in fitted.values() for model, _ in runs):
        fields: dict[str, Any] = {"latent_dim": min(first.latent_dim_, len(train), first.n_features_in_)}
        fitted["PCA"] = _trained("PCA", PCA(**fields), train, None, 1, told)
    rows = []
    for name, runs in fitted.items():
        found = [_measured(model, seconds, train, test, labels, samples) for model, seconds in runs]
        cells = {measure: _cell([values[measure] for values in found]) for measure in found[0]}
        rows.append(Row(name, len(runs), cells))
    measures = list(dict.fromkeys(measure for row in rows for measure in row.cells))
    return Comparison(rows, measures, {name: [model for model, _ in runs] for name, runs in fitted.items()})


def _trained(
    name: str,
    model: Autoencoder,
    X: Any,
    validation: ArrayLike | None,
    seeds: int,
    told: Callable[[str, int], None],
) -> list[tuple[Autoencoder, float | None]]:
    if _is_fitted(model):
        return [(model, None)]
    chance = "seed" in model.get_params()
    copies: list[Autoencoder] = [clone(model) for _ in range(seeds if chance else 1)]
    if chance:
        for seed, copy in enumerate(copies):
            copy.set_params(seed=seed)
    runs: list[tuple[Autoencoder, float | None]] = []
    for seed, copy in enumerate(copies):
        told(name, seed)
        started = time.perf_counter()
        copy.fit(X, validation=validation)
        runs.append((copy, time.perf_counter() - started))
    return runs


def _is_fitted(model: Autoencoder) -> bool:
    try:
        check_is_fitted(model)
    except NotFittedError:
        return False
    return True


def _measured(
    model: Autoencoder, seconds: float | None, X: Any, X_test: Any, labels: tuple[Any, Any] | None, samples: int
) -> dict[str, float]:
    test = checked(model, X_test)
    few = test[subset(len(test), LIMIT, 0)]
    whole, images = measure_reconstruction(model, test, with_ssim=False), measure_reconstruction(model, few)
    found = {
        "squared error per sample": whole.per_sample,
        "squared error per value": whole.per_value,
        "PSNR [dB]": whole.psnr,
    }
    if images.ssim is not None:
        found["SSIM"] = images.ssim
    if len(few) > 10:
        found["trustworthiness"] = trustworthiness(model, few)
    if model.module_.probabilistic or model.module_.exact_score:
        found[f"log likelihood [{unit(model, few)}]"] = float(log_likelihood(model, few, samples=samples).mean())
    if labels is not None:
        found["kNN accuracy"] = knn_accuracy(model, X, labels[0], test, labels[1])
        found["linear accuracy"] = logistic_accuracy(model, X, labels[0], test, labels[1])
    if seconds is not None:
        found["seconds"] = seconds
    found["parameters"] = sum(parameter.numel() for parameter in model.module_.parameters())
    with tempfile.TemporaryDirectory() as folder:
        saved = model.save(Path(folder) / "model")
        found["bytes on disk"] = sum(path.stat().st_size for path in saved.rglob("*") if path.is_file())
    return found


def _cell(values: list[float]) -> Cell:
    return Cell(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0)
