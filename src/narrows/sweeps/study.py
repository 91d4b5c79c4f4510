"""A study: the trainings of a sweep as trials that any number of workers, on any number of machines, share.

Every trial is trained once. A worker that dies gives its trial back: the next one on its machine resumes it from its
checkpoint, and one on another machine trains it anew. Optuna keeps the trials, samples values and prunes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from narrows.data import Dataset
from narrows.errors import ConfigError
from narrows.estimators.base import Autoencoder
from narrows.params import fields, write_value
from narrows.runs import Run
from narrows.storage.json import plain
from narrows.storage.process import is_alive, this_process
from narrows.sweeps.storage import Storage, optuna
from narrows.sweeps.sweep import Reports, Sweep
from narrows.sweeps.trials import Range, Trial, ended, write_trials
from narrows.training import Report
from narrows.training.report import read_all

SAMPLERS, PRUNERS = ("grid", "random", "tpe"), ("none", "median", "hyperband")
POLL = 2.0
"""Seconds between two looks at whether a worker at the last trials has died."""


class _Pruned(Exception):  # noqa: N818 - it ends a training, and is no error
    pass


@dataclass(frozen=True)
class Study:
    """One model, trained with values of some parameters, by all workers that name the same storage and study.

    The trial with the least validation loss is the best one.

    Parameters
    ----------
    model, dataset, fixed, per_class
        As in `Sweep`.
    space
        Parameter -> its values, or a `Range`, which takes a sampler other than "grid".
    folder
        Of this machine's runs.
    storage
        `postgresql://user@host/database`, or the path of a journal file on this machine.
    name
        Of the study in the storage.
    sampler
        "grid": every combination, with every seed; "random", or "tpe" (Bergstra et al. 2011), so many `trials`.
    trials
        How many, for a sampler other than "grid".
    seeds
        How often to train each combination of a grid.
    pruner
        What ends a training early by its validation loss after every epoch: "none", "median" (worse than the median
        of others at that epoch) or "hyperband" (Li et al. 2018).
    heartbeat
        Seconds between two signs of life of a worker.

    Raises
    ------
    ConfigError
        Something is out of bounds, or the model is not trained by epochs.
    """

    model: type[Autoencoder]
    space: Mapping[str, Sequence[Any] | Range]
    dataset: Dataset
    folder: Path
    storage: str
    name: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    sampler: str = "grid"
    trials: int | None = None
    seeds: int = 1
    pruner: str = "none"
    per_class: int = 10
    heartbeat: float = 15.0

    def __post_init__(self) -> None:
        for option, value, known in (("sampler", self.sampler, SAMPLERS), ("pruner", self.pruner, PRUNERS)):
            if value not in known:
                raise ConfigError(f"sweep: {option} must be one of {', '.join(known)}; got {value!r}.")
        if "epochs" not in {each.name for each in fields(self.model)}:
            raise ConfigError(
                f"sweep: storage must go with a model that is trained by epochs; got {self.model.__name__}."
            )
        if self.dataset.validation is None:
            raise ConfigError("sweep: storage must go with validation data, which choose the best trial; got none.")
        if self.sampler == "grid" and self.trials is not None:
            raise ConfigError(f"sweep: trials must be left out for a grid, which has its own; got {self.trials}.")
        if self.sampler != "grid" and (self.trials is None or self.trials < 1 or self.seeds != 1):
            raise ConfigError(
                f"sweep: trials must be a number >= 1, and seeds 1, for sampler={self.sampler!r}; got {self.trials!r} "
                f"and {self.seeds!r}."
            )
        ranges = [name for name, values in self.space.items() if isinstance(values, Range)]
        if ranges and self.sampler == "grid":
            raise ConfigError(f"sweep: {ranges[0]} must have values for a grid, not a range. Add a sampler: tpe.")
        assert self._sweep  # checks the rest

    @cached_property
    def _sweep(self) -> Sweep:
        """What trains: of ranges its grid has the ends."""
        grid = {n: (v.low, v.high) if isinstance(v, Range) else v for n, v in self.space.items()}
        return Sweep(self.model, grid, self.dataset, self.folder, self.fixed, self.seeds, self.per_class)

    @property
    def count(self) -> int:
        """How many trials there are."""
        return len(self._sweep.trainings) if self.trials is None else self.trials

    # Workers ----------------------------------------------------------------------------------------------------------

    def train(
        self, each: Callable[[int, Report], object] = lambda number, report: None
    ) -> Generator[Trial, None, None]:
        """Train trials until none is left, here or with another worker that may die: a generator of those done here.

        `each` is called with a trial's number and every report of it.

        Raises
        ------
        ConfigError
            The storage holds a study of this name that is another one.
        TrainingError
            The storage cannot be reached.
        """
        with Storage(self.storage, self.heartbeat, _given_back) as storage, storage.told(self.storage):
            study = self._opened(storage)
            while (trial := self._next(study, storage)) is not None:
                with storage.beating(self.name, trial.number):
                    self._try(study, trial, each)
                yield ended(self.space, study.trials[trial.number])

    def results(self) -> list[Trial]:
        """Return the trials that have ended, on any machine, those that were given back left out."""
        with Storage(self.storage, self.heartbeat, _given_back) as storage, storage.told(self.storage):
            trials = self._opened(storage).trials
        again = {trial.user_attrs.get("again") for trial in trials}
        return [ended(self.space, trial) for trial in trials if trial.state.is_finished() and trial.number not in again]

    def write(self, results: Sequence[Trial]) -> Path:
        """Write the trials to `study.csv`, the best first, and return its path."""
        return write_trials(self.folder / "study.csv", list(self.space), results)

    def _opened(self, storage: Storage) -> Any:
        """Return Optuna's study, with every trial in it, made once by whoever comes first."""
        package = optuna()
        samplers = {"tpe": lambda: package.samplers.TPESampler(constant_liar=True)}
        pruners = {
            "none": package.pruners.NopPruner, "hyperband": package.pruners.HyperbandPruner,
            "median": lambda: package.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
        }  # fmt: skip
        described = plain({
            "model": self.model.__name__, "fixed": {n: write_value(v) for n, v in self.fixed.items()},
            "space": {n: str(v) if isinstance(v, Range) else [*map(write_value, v)] for n, v in self.space.items()},
            "data": self.dataset.sha256, "sampler": self.sampler, "trials": self.count, "seeds": self.seeds,
        })  # fmt: skip
        verbosity = package.logging.get_verbosity()
        package.logging.set_verbosity(package.logging.WARNING)
        try:
            with storage.exclusive(self.name):
                study = package.create_study(
                    study_name=self.name, storage=storage.storage, load_if_exists=True,
                    sampler=samplers.get(self.sampler, package.samplers.RandomSampler)(),
                    pruner=pruners[self.pruner](),
                )  # fmt: skip
                known = study.user_attrs.get("narrows")
                if known is None:
                    for values, seed in self._planned()[len(study.trials) :]:
                        study.enqueue_trial(values, user_attrs={"seed": seed})
                    study.set_user_attr("narrows", described)
                elif known != described:
                    differ = ", ".join(name for name in described if known.get(name) != described[name])
                    raise ConfigError(
                        f"sweep: study {self.name!r} must be this one; that in the storage has another {differ}. Name "
                        "another: --study."
                    )
        finally:
            package.logging.set_verbosity(verbosity)
        return study

    def _planned(self) -> list[tuple[dict[str, str], int]]:
        """Return the trials to begin with: values as texts, which a sampler fills in, and a seed."""
        if self.sampler != "grid":
            return [({}, 0)] * self.count
        return [({n: write_value(v) for n, v in values.items()}, seed) for values, seed in self._sweep.trainings]

    def _next(self, study: Any, storage: Storage) -> Any:
        """Return a trial for this worker; None where none is left and no other worker is at one."""
        states = optuna().trial.TrialState
        while True:
            with storage.exclusive(self.name):
                storage.fail_silent(study)
                for trial in study.get_trials(states=(states.RUNNING,)):
                    process = trial.user_attrs.get("process")
                    if process is None or is_alive(process) is False:  # nobody claims one just now: we are alone
                        _end(study, trial.number, states.FAIL)
                        _given_back(study, trial)
                trials = study.get_trials(deepcopy=False)
                if any(trial.state == states.WAITING for trial in trials):
                    claimed = storage.claimed(study)
                    claimed.set_user_attr("process", this_process())
                    return claimed
                if not any(trial.state == states.RUNNING for trial in trials):
                    return None
            time.sleep(POLL)

    def _try(self, study: Any, trial: Any, each: Callable[[int, Report], object]) -> None:
        """Train a trial, and tell the storage how it ended."""
        states = optuna().trial.TrialState
        values, seed = self._values(trial), trial.user_attrs["seed"]

        def read(reports: Reports) -> Run:
            def look(report: Report) -> None:
                each(trial.number, report)
                if report.end_of_epoch and report.validation is not None:
                    trial.report(report.validation["loss"], report.epoch)
                    if self.pruner != "none" and trial.should_prune():
                        raise _Pruned

            return read_all(reports, look)

        try:
            trained = self._sweep.train_one((values, seed), read)
        except _Pruned:
            _end(study, trial.number, states.PRUNED)
        except (KeyboardInterrupt, SystemExit):
            _end(study, trial.number, states.FAIL)
            _given_back(study, study.trials[trial.number])
            raise
        except BaseException as error:
            trial.set_user_attr("error", f"{type(error).__name__}: {error}")
            _end(study, trial.number, states.FAIL)
            raise
        else:
            losses = [epoch["validation"]["loss"] for epoch in trained.run.history if epoch["validation"] is not None]
            trial.set_user_attr("measures", trained.measures)
            if trained.measures and losses and math.isfinite(min(losses)):
                study.tell(trial.number, min(losses), skip_if_finished=True)
            else:
                trial.set_user_attr("error", str(trained.run.record.get("error", "no validation loss")))
                _end(study, trial.number, states.FAIL)

    def _values(self, trial: Any) -> dict[str, Any]:
        """Return a trial's values, drawn where they were not planned."""
        values: dict[str, Any] = {}
        for name, known in self.space.items():
            if isinstance(known, Range):
                suggest = trial.suggest_int if known.whole else trial.suggest_float
                values[name] = suggest(name, known.low, known.high, log=known.log)
            else:
                texts = [write_value(value) for value in known]
                values[name] = known[texts.index(trial.suggest_categorical(name, texts))]
        return values


def _end(study: Any, number: int, state: Any) -> None:
    study.tell(number, state=state, skip_if_finished=True)


def _given_back(study: Any, trial: Any) -> None:
    """Let another worker train a trial whose own has died, with the same values."""
    package = optuna()
    attributes = {name: value for name, value in trial.user_attrs.items() if name in ("seed",)}
    values = trial.params or trial.system_attrs.get("fixed_params", {})
    study.add_trial(
        package.trial.create_trial(
            state=package.trial.TrialState.WAITING, system_attrs={"fixed_params": values},
            user_attrs={**attributes, "again": trial.number},
        )
    )  # fmt: skip
