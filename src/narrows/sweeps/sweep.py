"""What a sweep trains, and how: every training is a run folder of its own, without pictures.

A sweep that was interrupted continues where it stopped, and any of its runs can be looked into. Beside them lie:

    sweep.json   what was swept, a row per combination, and the measures of every training
    sweep.csv    the rows: parameters, trainings, and mean and deviation of every measure
    sweep.png    the measures by the parameter that was swept, PCA beside them
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from narrows.data import Dataset
from narrows.errors import ConfigError, DataError, DivergedError, TrainingError, did_you_mean
from narrows.estimators.base import Autoencoder
from narrows.estimators.persistence import describe_all
from narrows.params import fields, validate, write_value
from narrows.runs import Run, record, resume
from narrows.storage.atomic import write_png, write_text
from narrows.storage.json import plain, write_json
from narrows.storage.lock import check_free, lock_of
from narrows.sweeps.measures import measures_of
from narrows.sweeps.table import Row, Trained, as_csv, picture, rows_of
from narrows.training import Report
from narrows.training.processes import check_jobs, in_processes
from narrows.training.report import read_all

FAILURES = (DivergedError, DataError)
"""Errors of a training that are results, such as of a learning rate too high: they do not end the sweep."""

Reports = Generator[Report, None, Run]
Training = tuple[dict[str, Any], int]
"""Values and a seed."""


@dataclass(frozen=True)
class Sweep:
    """One model, trained with every combination of some parameters' values and several seeds.

    Parameters
    ----------
    model
        The estimator's class.
    grid
        Parameter -> its values; every combination is trained.
    dataset
        Its validation split, where there is one, chooses the best weights; models are evaluated on the split that runs
        are evaluated on.
    folder
        Of the sweep: new, or one in which it began.
    fixed
        Parameters that have another value than their default throughout.
    seeds
        How often to train each combination, with seeds 0, 1, ...; models without chance are trained once.
    per_class
        Labelled samples of each class for recognition by the nearest code (20 draws), where there are classes of so
        many training samples; 0 for none.
    jobs
        Processes that train at the same time; each holds a copy of the data. A script that takes more than one keeps
        its own work below `if __name__ == "__main__":`.

    Raises
    ------
    ConfigError
        A parameter is unknown or has no values, or a value is out of bounds: before anything is trained.
    """

    model: type[Autoencoder]
    grid: Mapping[str, Sequence[Any]]
    dataset: Dataset
    folder: Path
    fixed: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 3
    per_class: int = 10
    jobs: int = 1

    def __post_init__(self) -> None:
        known = [each.name for each in fields(self.model)]
        if not self.grid:
            raise ConfigError("sweep: a parameter must have several values, such as latent_dim 2,4,8; got none.")
        for name, values in self.grid.items():
            if name == "seed" or "seed" in self.fixed:
                raise ConfigError("sweep: seed must be left out; got one. How many seeds there are is for seeds.")
            if name not in known:
                raise ConfigError(
                    f"sweep: parameters must be those of {self.model.__name__}; got {name!r}."
                    f"{did_you_mean(name, known)}"
                )
            if name in self.fixed:
                raise ConfigError(f"sweep: {name} must be swept or fixed; got both. Leave it out of one.")
            if not values or len(set(values)) < len(values):
                raise ConfigError(f"sweep: {name} must have values that differ; got {list(values)!r}.")
        if self.seeds < 1 or self.per_class < 0:
            raise ConfigError(f"sweep: seeds must be >= 1, per_class >= 0; got {self.seeds!r} and {self.per_class!r}.")
        check_jobs("sweep", self.jobs)
        for point in self.points:
            validate(self.model(**self.fixed, **point))

    @property
    def points(self) -> list[dict[str, Any]]:
        """Every combination of values."""
        return [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]

    @property
    def trainings(self) -> list[Training]:
        """Every combination with every seed, in the order in which they are trained: seed by seed."""
        return [(values, seed) for seed in range(self.seeds if self._has_seed else 1) for values in self.points]

    @property
    def _has_seed(self) -> bool:
        return any(each.name == "seed" for each in fields(self.model))

    def name_of(self, values: Mapping[str, Any], seed: int) -> str:
        """Return the name of a training's folder, such as `latent-dim-8_seed-0`."""
        parts = [f"{name} {write_value(value)}" for name, value in values.items()]
        return "_".join(re.sub(r"[^A-Za-z0-9.+-]+", "-", part) for part in [*parts, f"seed {seed}"])

    def train(self, read: Callable[[Reports], Run] = read_all) -> Generator[Trained, None, None]:
        """Train what is not trained yet; write the tables after each training, the picture at the end.

        With several jobs trainings are yielded as they are done; with one, `read` reads the reports of each to their
        end and returns its run, as a progress bar does. When it is interrupted, what is done is written down, and the
        trainings at work are left as `runs.record` leaves them.

        Raises
        ------
        ConfigError
            The folder holds a run with other parameters or data.
        """
        order = [self.name_of(*training) for training in self.trainings]
        done: list[Trained] = []
        try:
            for trained in self._trained(read):
                done.append(trained)
                self._write(sorted(done, key=lambda each: order.index(each.run.name)))
                yield trained
        finally:
            if any(trained.measures for trained in done):
                write_png(self.folder / "sweep.png", picture(self.model.__name__, self.grid, self.rows(done)))

    def _trained(self, read: Callable[[Reports], Run]) -> Generator[Trained, None, None]:
        if self.jobs == 1:
            for training in self.trainings:
                yield self.train_one(training, read)
            return
        left = []
        for training in self.trainings:
            run = self._run_of(*training)
            if run is not None and _is_done(run):
                yield self.train_one(training, read)
            else:
                left.append(training)
        for (values, seed), measures in in_processes(_measured, self, left, self.jobs):
            folder = self.folder / self.name_of(values, seed)
            if isinstance(measures, TrainingError):
                if not (folder / "run.json").exists():  # nothing began
                    raise measures
                Run(folder).update(status="failed", error=f"TrainingError: {measures}")
                measures = {}
            yield Trained(Run(folder), values, seed, measures, False)

    def train_one(self, training: Training, read: Callable[[Reports], Run] = read_all) -> Trained:
        """Return one training, done now unless it was before."""
        values, seed = training
        run, folder = self._run_of(values, seed), self.folder / self.name_of(values, seed)
        earlier = run is not None and _is_done(run)
        if run is None:
            run = _ended(record(self._estimator(values, seed), self.dataset, folder, pictures=False), folder, read)
        elif not earlier:
            run = _ended(resume(folder), folder, read)
        measures = {} if run.status == "failed" else measures_of(run, self.dataset, self.per_class)
        return Trained(run, values, seed, measures, earlier)

    def rows(self, done: Sequence[Trained]) -> list[Row]:
        """Return means and deviations over seeds, a row per combination that was trained."""
        return rows_of(self.points, done)

    def _write(self, done: Sequence[Trained]) -> None:
        """Write sweep.json and sweep.csv for what is done so far."""
        rows, data = self.rows(done), self.dataset
        described = {
            "model": self.model.__name__.lower(),
            "data": {"name": data.name, "options": dict(data.options), "sha256": data.sha256},
            "split": data.evaluation_split[0],
            "fixed": dict(self.fixed),
            "grid": {name: list(values) for name, values in self.grid.items()},
            "trainings": len(self.trainings),
            "rows": [{**row._asdict(), "cells": {m: cell._asdict() for m, cell in row.cells.items()}} for row in rows],
            "runs": [
                {
                    "run": each.run.name, "values": each.values, "seed": each.seed, "measures": each.measures or None,
                    "error": None if each.measures else each.run.record.get("error"),
                }
                for each in done
            ],
        }  # fmt: skip
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "sweep.json", described)
        write_text(self.folder / "sweep.csv", as_csv(self.grid, rows))

    def _estimator(self, values: Mapping[str, Any], seed: int) -> Autoencoder:
        return self.model(**self.fixed, **values, **({"seed": seed} if self._has_seed else {}))

    def _run_of(self, values: Mapping[str, Any], seed: int) -> Run | None:
        """Return the run of a training; None where there is none, or one that left nothing to resume from."""
        folder = self.folder / self.name_of(values, seed)
        if not (folder / "run.json").exists():
            return None
        run, expected = Run(folder), plain(describe_all(self._estimator(values, seed)))
        if (run.record["parameters"], run.record["data"]["sha256"]) != (expected, self.dataset.sha256):
            raise ConfigError(
                f"sweep: folder must hold trainings of this sweep only; {str(folder)!r} has other parameters or data. "
                "Choose another."
            )
        if run.status == "interrupted" and not any(run.checkpoints_folder.glob("step-*")):
            check_free(lock_of(folder))
            shutil.rmtree(folder)
            return None
        return run


def _measured(sweep: Sweep, training: Training) -> dict[str, float]:
    """Train in another process, and return the measures; the run lies in its folder."""
    return sweep.train_one(training).measures


def _is_done(run: Run) -> bool:
    return run.status == "finished" or run.failure in [kind.__name__ for kind in FAILURES]


def _ended(reports: Reports, folder: Path, read: Callable[[Reports], Run]) -> Run:
    """Read a training to its end, which may be a failure that is a result."""
    try:
        return read(reports)
    except FAILURES:
        if not (folder / "run.json").exists():  # nothing began
            raise
        return Run(folder)
