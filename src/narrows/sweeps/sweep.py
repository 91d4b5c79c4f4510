"""Sweeps: one model trained with every combination of some fields' values and several seeds, in one table.

Every training is a run folder of its own, without pictures, so that a sweep that was interrupted goes on where it
stopped, and any of its runs can be looked into. Beside them lie:

    sweep.json   what was swept, a row per combination, and every training's numbers
    sweep.csv    the rows: fields, trainings, and mean and deviation of every number
    sweep.png    the numbers by the field that was swept, PCA beside them
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import re
import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from narrows import figures
from narrows.data import Dataset
from narrows.errors import ConfigError, DataError, DivergedError, did_you_mean
from narrows.estimators import PCA
from narrows.estimators.base import Autoencoder
from narrows.evaluation import Cell
from narrows.evaluation.probes import few_labels
from narrows.params import fields, validate
from narrows.runs.folder import WIDE, Run, record, resume
from narrows.storage.atomic import write_bytes, write_text
from narrows.storage.json import plain, write_json
from narrows.storage.lock import check_free, lock_of
from narrows.training import Report

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["BASELINES", "ELBO", "Row", "Sweep", "Trained", "written"]

BASELINES = {
    "squared error": ("squared error, PCA",),
    "accuracy": ("accuracy, PCA", "accuracy, raw values"),
}
"""Number -> the same of what models are held against."""

ELBO = "ELBO [nats]"

FAILURES = (DivergedError, DataError)
"""Of a training that began, findings about its values, such as a learning rate too high."""

Reports = Generator[Report, None, Run]


class Trained(NamedTuple):
    """One training that is done."""

    run: Run
    values: dict[str, Any]
    """Of the fields that are swept."""
    seed: int
    measures: dict[str, float]
    """On the part that models are judged by; empty where the training failed: `run.record["error"]` says why."""
    again: bool
    """Whether it was there already."""


class Row(NamedTuple):
    """One combination of values."""

    values: dict[str, Any]
    trainings: int
    """Those that did not fail."""
    cells: dict[str, Cell]
    """By measure: mean and deviation over seeds."""


@dataclass(frozen=True)
class Sweep:
    """What to train.

    Parameters
    ----------
    model
        The estimator's class.
    grid
        Field -> its values; every combination is trained.
    dataset
        Its validation part, where there is one, chooses the best weights; models are judged by the part that runs are.
    folder
        Of the sweep: new, or one in which it began.
    fixed
        Fields that have another value than their default throughout.
    options
        What `load_dataset` was given beside the name.
    seeds
        How often to train each combination, with seeds 0, 1, ...; models without chance are trained once.
    per_class
        Labelled samples of each class for recognition by the nearest code (20 draws), where there are classes of so
        many training samples; 0 for none.

    Raises
    ------
    ConfigError
        A field is unknown or has no values, or a value is out of bounds: before anything is trained.
    """

    model: type[Autoencoder]
    grid: Mapping[str, Sequence[Any]]
    dataset: Dataset
    folder: Path
    fixed: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 3
    per_class: int = 10

    def __post_init__(self) -> None:
        known = [f.name for f in fields(self.model)]
        if not self.grid:
            raise ConfigError("sweep: a field must have several values, such as latent_dim 2,4,8; got none.")
        for name, values in self.grid.items():
            if name == "seed" or "seed" in self.fixed:
                raise ConfigError("sweep: seed must be left out; got one. How many seeds there are is for seeds.")
            if name not in known:
                raise ConfigError(
                    f"sweep: fields must be those of {self.model.__name__}; got {name!r}.{did_you_mean(name, known)}"
                )
            if name in self.fixed:
                raise ConfigError(f"sweep: {name} must be swept or fixed; got both. Leave it out of one.")
            if not values or len(set(values)) < len(values):
                raise ConfigError(f"sweep: {name} must have values that differ; got {list(values)!r}.")
        if self.seeds < 1 or self.per_class < 0:
            raise ConfigError(f"sweep: seeds must be >= 1, per_class >= 0; got {self.seeds!r} and {self.per_class!r}.")
        for point in self.points:
            validate(self.model(**self.fixed, **point))

    @property
    def points(self) -> list[dict[str, Any]]:
        """Every combination of values."""
        return [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]

    @property
    def trainings(self) -> list[tuple[dict[str, Any], int]]:
        """Every combination with every seed, in the order in which they are trained: seed by seed."""
        chance = any(f.name == "seed" for f in fields(self.model))
        return [(values, seed) for seed in range(self.seeds if chance else 1) for values in self.points]

    def name_of(self, values: Mapping[str, Any], seed: int) -> str:
        """Return the name of a training's folder, such as `latent-dim-8_seed-0`."""
        parts = [f"{name} {written(value, '-')}" for name, value in values.items()]
        return "_".join(re.sub(r"[^A-Za-z0-9.+-]+", "-", part) for part in [*parts, f"seed {seed}"])

    def train(self, read: Callable[[Reports], Run] | None = None) -> Generator[Trained, None, None]:
        """Train what is not trained yet; write the tables after each training, the picture at the end.

        Parameters
        ----------
        read
            Reads the reports of a training to their end and returns its run, as a progress bar does.

        Raises
        ------
        ConfigError
            The folder holds a run of other fields or data.
        KeyboardInterrupt
            What is done is written down; the training at work is left as `runs.record` leaves it.
        """
        done: list[Trained] = []
        try:
            for (values, seed), (run, again) in zip(self.trainings, self._runs(read or _read), strict=True):
                measures = {} if run.status == "failed" else self._measured(run)
                done.append(Trained(run, values, seed, measures, again))
                self._write(done)
                yield done[-1]
        finally:
            if any(trained.measures for trained in done):
                picture = io.BytesIO()
                self.picture(self.rows(done)).save(picture, "PNG", optimize=True)
                write_bytes(self.folder / "sweep.png", picture.getvalue())

    def rows(self, done: Sequence[Trained]) -> list[Row]:
        """Return means and deviations over seeds, a row per combination that was trained."""
        rows = []
        for values in self.points:
            several = [trained.measures for trained in done if trained.values == values]
            found = [measures for measures in several if measures]
            names = found[0] if found else {}
            cells = {name: _cell([measures[name] for measures in found]) for name in names}
            if several:
                rows.append(Row(values, len(found), cells))
        return rows

    def _write(self, done: Sequence[Trained]) -> None:
        """Write sweep.json and sweep.csv for what is done so far."""
        rows = self.rows(done)
        described = {
            "model": self.model.__name__.lower(),
            "data": {"name": self.dataset.name, "options": dict(self.options), "sha256": self.dataset.sha256},
            "part": self.dataset.evaluation_split[0],
            "fixed": dict(self.fixed),
            "grid": {name: list(values) for name, values in self.grid.items()},
            "trainings": len(self.trainings),
            "rows": [
                {**row._asdict(), "cells": {measure: cell._asdict() for measure, cell in row.cells.items()}}
                for row in rows
            ],
            "runs": [
                {
                    "run": t.run.name,
                    "values": t.values,
                    "seed": t.seed,
                    "measures": t.measures or None,
                    "error": None if t.measures else t.run.record.get("error"),
                }
                for t in done
            ],
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "sweep.json", described)
        write_text(self.folder / "sweep.csv", self._csv(rows))

    def picture(self, rows: Sequence[Row]) -> Image.Image:
        """Return the squared error, and the accuracy and the ELBO where there are any, by the field swept."""
        across = self.across
        several = [name for name in self.grid if name != across and len(self.grid[name]) > 1]
        panels: dict[str, list[figures.Line]] = {}
        for measure in ("squared error", "accuracy", ELBO):
            lines: dict[tuple[str, bool], list[tuple[Any, Cell]]] = {}
            for row in rows:
                what = ", ".join(f"{name.replace('_', ' ')} {written(row.values[name])}" for name in several)
                names = {measure: what or self.model.__name__}
                names |= {other: other.split(", ")[1] for other in BASELINES.get(measure, ())}
                for key, name in names.items():
                    if key in row.cells:
                        lines.setdefault((name, key != measure), []).append((row.values[across], row.cells[key]))
            panels[measure] = [
                figures.Line(
                    name, [x for x, _ in points], [c.mean for _, c in points], [c.deviation for _, c in points], held
                )
                for (name, held), points in lines.items()
            ]
        return figures.sweep({measure: lines for measure, lines in panels.items() if lines}, across)

    @property
    def across(self) -> str:
        """The field that the picture goes along: the code's size, or else the numbers of which there are most."""
        numeric = [name for name, values in self.grid.items() if all(isinstance(v, int | float) for v in values)]
        if "latent_dim" in numeric:
            return "latent_dim"
        return max(numeric or self.grid, key=lambda name: len(self.grid[name]))

    def _estimator(self, values: Mapping[str, Any], seed: int) -> Autoencoder:
        chance = {"seed": seed} if any(f.name == "seed" for f in fields(self.model)) else {}
        return self.model(**self.fixed, **values, **chance)

    def _runs(self, read: Callable[[Reports], Run]) -> Generator[tuple[Run, bool], None, None]:
        """Yield the run of every training in order, and whether it was there already."""
        for values, seed in self.trainings:
            run = self._found(values, seed)
            if run is None:
                folder = self.folder / self.name_of(values, seed)
                reports = record(
                    self._estimator(values, seed), self.dataset, folder, options=self.options, pictures=False
                )
                yield _ended(reports, folder, read), False
            elif run.status == "finished" or _failure(run) in [kind.__name__ for kind in FAILURES]:
                yield run, True
            else:
                yield _ended(resume(run.folder), run.folder, read), False

    def _found(self, values: Mapping[str, Any], seed: int) -> Run | None:
        """Return the run of a training; None where there is none, or one that left nothing to go on from."""
        estimator, folder = self._estimator(values, seed), self.folder / self.name_of(values, seed)
        if not (folder / "run.json").exists():
            return None
        run = Run(folder)
        asked = plain({f.name: estimator._described(f.name) for f in fields(estimator)})
        if (run.record["fields"], run.record["data"]["sha256"]) != (asked, self.dataset.sha256):
            raise ConfigError(
                f"sweep: folder must hold trainings of this sweep only; {str(folder)!r} is of other fields or data. "
                "Choose another."
            )
        if run.status == "interrupted" and not any(run.checkpoints_folder.glob("step-*")):
            check_free(lock_of(folder))
            shutil.rmtree(folder)
            return None
        return run

    def _measured(self, run: Run) -> dict[str, float]:
        """Return what is measured of a finished run; recognition is measured once, and written down with it."""
        summary = run.summary
        assert summary is not None  # it is finished
        errors = summary["squared_error"]
        found = {"squared error": errors["model"]}
        if "pca" in errors and not run.is_pca:
            found["squared error, PCA"] = errors["pca"]
        if summary["elbo"] is not None:
            found[ELBO] = summary["elbo"]
        if self._labelled is not None:
            known = run.record.get("recognition", {})
            if known.get("per_class") != self.per_class:
                known = {"per_class": self.per_class, "accuracy": self._accuracy(run.load())}
                run.update(recognition=known)
            found["accuracy"] = known["accuracy"]
            if not run.is_pca:
                found["accuracy, PCA"] = self._accuracy_of_pca(summary["pca_latent_dim"])
            found["accuracy, raw values"] = self._accuracy_of_values
        return {**found, "parameters": summary["parameters"], "seconds": run.history[-1]["seconds"]}

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

    def _accuracy(self, estimator: Autoencoder) -> float:
        return self._few(estimator.transform)

    def _few(self, encode: Callable[[Any], Any]) -> float:
        assert self._labelled is not None
        return few_labels(encode, *self._labelled, per_class=self.per_class, draws=20, seed=0).mean

    @cached_property
    def _of_pca(self) -> dict[int, float]:
        return {}

    def _accuracy_of_pca(self, size: int) -> float:
        if size not in self._of_pca:
            wide = self.dataset.train[0].size > WIDE
            pca: Any = PCA(latent_dim=size)
            self._of_pca[size] = self._few(pca.fit(self.dataset.train[: WIDE if wide else None]).transform)
        return self._of_pca[size]

    @cached_property
    def _accuracy_of_values(self) -> float:
        return self._few(lambda X: X.reshape(len(X), -1) / np.float32(255 if X.dtype == np.uint8 else 1))

    def _csv(self, rows: Sequence[Row]) -> str:
        measures = list(dict.fromkeys(measure for row in rows for measure in row.cells))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*self.grid, "trainings", *(name for m in measures for name in (m, f"{m}, deviation"))])
        for row in rows:
            cells = [row.cells.get(measure, ("", "")) for measure in measures]
            numbers = [value for cell in cells for value in cell]
            writer.writerow([*(written(value) for value in row.values.values()), row.trainings, *numbers])
        return text.getvalue()


def _ended(reports: Reports, folder: Path, read: Callable[[Reports], Run]) -> Run:
    """Read a training to its end, which may be a failure that is a finding."""
    try:
        return read(reports)
    except FAILURES:
        if not (folder / "run.json").exists():  # nothing began
            raise
        return Run(folder)


def _failure(run: Run) -> str:
    return str(run.record.get("error", "")).partition(":")[0]


def _read(reports: Reports) -> Run:
    with contextlib.closing(reports):
        while True:
            try:
                next(reports)
            except StopIteration as end:
                return end.value


def _cell(values: Sequence[float]) -> Cell:
    return Cell(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0)


def written(value: Any, between: str = "/") -> str:
    """Return a field's value as one would write it on the command line."""
    if isinstance(value, tuple | list):
        return between.join(f"{v:g}" for v in value)
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
