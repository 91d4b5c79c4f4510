"""Several models on the same data: one table with the spread over seeds, and PCA always a row."""

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

from narrows.data.arrays import Arrays, subset
from narrows.errors import ConfigError, DataError, TrainingError
from narrows.estimators import PCA
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import check_labels, encoded
from narrows.evaluation.errors import baseline_rank, compared_values, measured, pca_baseline
from narrows.evaluation.likelihood import log_likelihood, unit
from narrows.evaluation.probes import knn_accuracy, logistic_accuracy, trustworthiness
from narrows.evaluation.reconstruction import Reconstruction, compare, measure_reconstruction
from narrows.storage.atomic import write_text
from narrows.storage.json import write_json
from narrows.training.processes import check_jobs, in_processes

LIMIT = 2000
"""Test rows for SSIM, trustworthiness and the bound on the likelihood, drawn with a seed; other measures use all."""
PROBED = 100_000
"""Training samples whose codes are neighbours at most, and five times the test samples: more take hours."""

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
    """Over seeds, with n - 1; 0 for one seed and for deterministic models."""

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
        """Return the name of the best model, or None where its lead is within the spread of the first two."""
        cells = [(row.cells[measure], row.name) for row in self.rows if measure in row.cells]
        if len(cells) < 2:
            return None
        sign = 1 if measure in LOWER else -1
        (first, name), (second, _) = sorted(cells, key=lambda pair: sign * pair[0].mean)[:2]
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
    X: Any,
    X_test: Any,
    *,
    y: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    validation: ArrayLike | None = None,
    seeds: int = 3,
    samples: int = 100,
    jobs: int = 1,
    on_start: Callable[[str, int], None] = lambda name, seed: None,
) -> Comparison:
    """Train copies of models with several seeds, and return one table of their measures on test samples.

    Errors and distances of samples are measured on the first model's scale, so that they compare.

    PCA of the first model's rank is added where no model is PCA. Measured are reconstruction, trustworthiness, the
    bound on the likelihood (in a column per kind of likelihood: they do not compare), with labels the accuracy of
    nearest neighbours and of a linear classifier, and training time, parameters and size on disk.

    Parameters
    ----------
    models
        Estimators by the name of their row. Those that are fitted are measured as they are; of the others copies are
        trained, and they are left as they are.
    X, X_test
        Training and test samples.
    y, y_test
        Their labels, if any; models with a condition take them as well.
    validation
        Samples that choose the best weights of the models trained here, see `fit`.
    seeds
        Trainings of each model, with seeds 0, 1, ...
    samples
        Draws for the bound on the likelihood.
    jobs
        Processes that train at the same time; each holds a copy of the data. A script that takes more than one keeps
        its own work below `if __name__ == "__main__":`.
    on_start
        Called with the name and the seed before each training; with several jobs after it.

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
    labels = None
    if y is not None and y_test is not None:
        labels = check_labels("y", len(X), y), check_labels("y_test", len(X_test), y_test)
    check_jobs("compare_models", jobs)
    trainings = _trained(models, (X, y, validation), seeds, jobs, on_start)
    first = next(iter(trainings.values()))[0][0]
    rows = []
    if not any(model.module_.exact_score for runs in trainings.values() for model, _ in runs):
        train, test = encoded(first, X, y), encoded(first, X_test, y_test)
        if first.schema_.types is not None or any(
            part is not None for part in (train.mask, train.lengths, test.mask, test.lengths)
        ):
            rows.append(_baseline_row(first, train, test))  # missing values and lengths, which PCA itself does not take
        else:
            scale = None if first.schema_.pixels else first.schema_.scale
            fields: dict[str, Any] = {"latent_dim": baseline_rank(first, len(X)), "scale": scale}
            trainings |= _trained({"PCA": PCA(**fields)}, (X, None, None), 1, 1, on_start)
    for name, runs in reversed(trainings.items()):
        results = [_measured(model, first, seconds, X, X_test, labels, samples) for model, seconds in runs]
        cells = {measure: _cell([result[measure] for result in results]) for measure in results[0]}
        rows.insert(0, Row(name, len(runs), cells))
    measures = list(dict.fromkeys(measure for row in rows for measure in row.cells))
    return Comparison(rows, measures, {name: [model for model, _ in runs] for name, runs in trainings.items()})


def _baseline_row(model: Autoencoder, train: Arrays, test: Arrays) -> Row:
    """Return the errors of PCA of a model's rank, as a row without a model."""
    x, x_hat = compared_values(model, test), pca_baseline(model, train).reconstruct(test)
    return Row(
        "PCA",
        1,
        {name: _cell([value]) for name, value in _errors(compare(x, x_hat, mask=measured(model, test))).items()},
    )


def _errors(reconstruction: Reconstruction) -> dict[str, float]:
    return {
        "squared error per sample": reconstruction.per_sample,
        "squared error per value": reconstruction.per_value,
        "PSNR [dB]": reconstruction.psnr,
    }


def _trained(
    models: Mapping[str, Autoencoder], data: Any, seeds: int, jobs: int, on_start: Callable[[str, int], None]
) -> dict[str, list[tuple[Autoencoder, float | None]]]:
    """Return by name the fitted models, one per seed, and the seconds of their training; None for those given so."""
    runs: dict[str, list[tuple[Autoencoder, float | None]]] = {name: [] for name in models}
    tasks: list[tuple[str, int, Autoencoder]] = []
    for name, model in models.items():
        if hasattr(model, "module_"):
            runs[name] = [(model, None)]
        elif "seed" in model.get_params():
            tasks += [(name, seed, clone(model).set_params(seed=seed)) for seed in range(seeds)]
        else:
            tasks.append((name, 0, clone(model)))
    if jobs == 1:
        for name, seed, model in tasks:
            on_start(name, seed)
            runs[name].append(_fitted(data, (name, seed, model)))
        return runs
    done: dict[tuple[str, int], Any] = {}
    for (name, seed, _), result in in_processes(_fitted, data, tasks, jobs):
        if isinstance(result, TrainingError):
            raise TrainingError(f"compare_models: {name} with seed {seed}: {result}") from result
        on_start(name, seed)
        done[name, seed] = result
    for name, seed, _ in tasks:
        runs[name].append(done[name, seed])
    return runs


def _fitted(data: Any, task: tuple[str, int, Autoencoder]) -> tuple[Autoencoder, float]:
    (X, y, validation), (_, _, model) = data, task
    started = time.perf_counter()
    return model.fit(X, y, validation=validation), time.perf_counter() - started


def _measured(
    model: Autoencoder,
    like: Autoencoder,
    seconds: float | None,
    X: Any,
    X_test: Any,
    labels: tuple[Any, Any] | None,
    samples: int,
) -> dict[str, float]:
    train_labels, test_labels = labels or (None, None)
    test = encoded(model, X_test, test_labels)
    few = test.rows(subset(len(test.x), LIMIT, 0))
    measures = _errors(measure_reconstruction(model, test, like=like, with_ssim=False))
    ssim = measure_reconstruction(model, few, like=like).ssim
    if ssim is not None:
        measures["SSIM"] = ssim
    if len(few.x) > 10 and model.schema_.types is None:  # indices of levels have no distances
        measures["trustworthiness"] = trustworthiness(model, few, like=like)
    if model.module_.probabilistic or model.module_.exact_score:
        measures[f"log likelihood [{unit(model, few)}]"] = float(log_likelihood(model, few, samples=samples).mean())
    if train_labels is not None and test_labels is not None:
        train = encoded(model, X, train_labels)
        known, asked = subset(len(train.x), PROBED, 0), subset(len(test.x), PROBED // 5, 0)
        labelled = train.rows(known), np.asarray(train_labels)[known], test.rows(asked), np.asarray(test_labels)[asked]
        measures["kNN accuracy"] = knn_accuracy(model, *labelled)
        measures["linear accuracy"] = logistic_accuracy(model, *labelled)
    if seconds is not None:
        measures["seconds"] = seconds
    measures["parameters"] = sum(parameter.numel() for parameter in model.module_.parameters())
    with tempfile.TemporaryDirectory() as folder:
        saved = model.save(Path(folder) / "model")
        measures["bytes on disk"] = sum(path.stat().st_size for path in saved.rglob("*") if path.is_file())
    return measures


def _cell(values: list[float]) -> Cell:
    return Cell(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0)
