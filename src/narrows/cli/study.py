"""`narrows sweep MODEL --storage ...`: trainings that any number of commands share."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from narrows.cli.config import DATA, VALIDATION, has_epochs, plan
from narrows.cli.console import err, out, plain_table
from narrows.errors import ConfigError
from narrows.numbers import number
from narrows.params import write_value

if TYPE_CHECKING:
    from narrows.estimators.base import Autoencoder
    from narrows.sweeps import Range, Study
    from narrows.sweeps.trials import Trial
    from narrows.training import Report

SEEDS = 3
"""How often a combination of a grid is trained, as in other sweeps."""
SHOWN = 10
"""The best trials that are printed; study.csv has all."""


def run_study(
    model: str, cls: type[Autoencoder], given: Mapping[str, Any], data: Mapping[str, Any],
    values: Mapping[str, list[Any]], ranges: Mapping[str, Range], shared: Mapping[str, Any],
) -> int:  # fmt: skip
    """Work at a study until no trial is left, and print the best ones.

    Parameters
    ----------
    model, cls
        The model's name and class.
    given, data
        The other flags, and those of data.
    values, ranges
        Of the parameters: several values, or one that stays; and ranges.
    shared
        The flags of the study.
    """
    from narrows.runs.names import slug_of
    from narrows.sweeps import Study

    space = {**{name: several for name, several in values.items() if len(several) > 1}, **ranges}
    if not space:
        raise ConfigError(
            "sweep: a parameter must have several values or a range, such as --latent-dim 2..32; got none."
        )
    fixed = {name: several[0] for name, several in values.items() if len(several) == 1}
    named = {name: given[name] for name in ("data", "data_option", "validation") if name in given}
    if has_epochs(cls):  # the same samples judge all trials
        named.setdefault("validation", VALIDATION)
    asked = plan(model, {**named, **data, **fixed})
    folder = Path(given.get("out") or "sweeps/" + "-".join([model, slug_of(asked.data or DATA), *map(_flag, space)]))
    sampler = shared.get("sampler", "grid")
    study = Study(
        cls, space, asked.dataset(), folder, str(shared["storage"]), str(shared.get("study") or folder.name), fixed,
        sampler=sampler, trials=shared.get("trials"), seeds=given.get("seeds", SEEDS if sampler == "grid" else 1),
        pruner=shared.get("pruner", "none"), per_class=given.get("per_class", 10),
    )  # fmt: skip
    console = out()
    console.print(f"study {study.name}: {study.count} trials", soft_wrap=True, style="bold")
    done = 0
    try:
        for trial in _trials(study, given.get("jobs", 1)):
            done += 1
            console.print(_line(trial), soft_wrap=True)
            console.file.flush()
    except (KeyboardInterrupt, SystemExit) as stop:
        err().print(
            f"interrupted; {done} trials were done here. The same command goes on.", soft_wrap=True, style="yellow"
        )
        return 130 if isinstance(stop, KeyboardInterrupt) else 143
    results = study.results()
    console.print(_table(study, results))
    console.print(f"{len(results)} trials, {done} of them here", soft_wrap=True)
    console.print(str(study.write(results)), soft_wrap=True)
    return 0


def _trials(study: Study, jobs: int) -> Any:
    """Yield trials as they are done, by so many processes of this command."""
    from narrows.training.processes import check_jobs, in_processes

    check_jobs("sweep", jobs)
    if jobs > 1:
        over, killed = threading.Event(), 0
        turns = itertools.takewhile(lambda _: not over.is_set(), itertools.count())
        for _, trial in in_processes(worked, study, turns, jobs):
            if isinstance(trial, Exception):
                err().print(f"a trial goes to another worker: {trial}", soft_wrap=True)
                killed += 1
            elif trial is not None:
                yield trial
            if trial is None or killed == jobs:
                over.set()
        return
    console = out()
    with console.status("") as status:

        def each(number: int, report: Report) -> None:
            status.update(f"trial {number}  epoch {report.epoch}/{report.epochs}")

        yield from study.train(each)


def worked(study: Study, turn: int) -> Trial | None:
    """Return a trial that a worker in a process of its own has done; None where none is left."""
    with contextlib.closing(study.train()) as trials:
        return next(trials, None)


def _line(trial: Trial) -> str:
    values = (f"{name} {write_value(value)}" for name, value in trial.values.items())
    end = f"failed: {trial.error}" if trial.state == "failed" else f"validation loss {number(trial.loss)}"
    return "  ".join(
        [f"trial {trial.number}", *values, f"seed {trial.seed}", end] + ["pruned"] * (trial.state == "pruned")
    )


def _table(study: Study, results: Sequence[Trial]) -> Table:
    from narrows.sweeps.trials import ranked

    table = plain_table()
    for name in ("trial", *study.space, "seed", "validation loss", "error", ""):
        table.add_column(Text(name), justify="right", no_wrap=True)
    for trial in ranked(results)[:SHOWN]:
        values = (write_value(trial.values[name]) for name in study.space)
        loss, error = number(trial.loss), number(trial.measures.get("squared error"))
        state = "" if trial.state == "complete" else trial.state
        table.add_row(*map(Text, (str(trial.number), *values, str(trial.seed), loss, error, state)))
    return table


def _flag(name: str) -> str:
    return name.replace("_", "-")
