"""`narrows train MODEL`, whose flags are the parameters of the model."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App, Group

from narrows.cli import ranks
from narrows.cli.arguments import READING, command_of, data_flags, flag, parameter_flags
from narrows.cli.beside import page_beside
from narrows.cli.config import FLAGS, Plan, has_epochs, plan
from narrows.cli.reports import followed, opening, read_beside
from narrows.cli.resume import resumed_run
from narrows.cli.threads import busy
from narrows.errors import ConfigError, did_you_mean
from narrows.params import fields

if TYPE_CHECKING:
    from narrows.data import Dataset
    from narrows.data.schema import Schema
    from narrows.estimators.base import Autoencoder

COLUMN = "The kind of a column of a table, such as zip=category; may be repeated. The kinds: " + (
    "real, positive, count, category, ordinal, date, constant, identifier."
)
HELP = "Train a model into a new run folder."
FROM = "Begin at the weights, the columns and the scale of a run or a saved model, whose other settings and data stay."


def application(tokens: Sequence[str]) -> App:
    """Return the command with one subcommand per model."""
    # The first of all processes alone makes the folder, and finds it there when torchrun has started it again.
    if (
        (name := _given(tokens, "name")) and not ranks.rank() and not ranks.restarted()
    ):  # who holds it is said before the models are imported, which takes seconds
        _named(name, _given(tokens, "out") or "runs")
    epilogue = "`narrows train MODEL --help` lists the flags of a model. `narrows train --from RUN` goes on from a run."
    app = per_model("train", HELP, epilogue, tokens, _command)
    if (start := _given(tokens, "from")) and tokens[0].startswith("-"):
        from narrows.cli.config import Start
        from narrows.estimators import ESTIMATORS

        model = Start.of(start).model
        app.default(_command(model, ESTIMATORS[model]))
    return app


def _given(tokens: Sequence[str], name: str) -> str | None:
    """Return what a flag is given on the command line, before there is a command that could read it."""
    values = [token.removeprefix(f"--{name}=") for token in tokens if token.startswith(f"--{name}=")]
    values += [value for token, value in itertools.pairwise(tokens) if token == f"--{name}"]
    return values[-1] if values else None


def per_model(
    name: str, about: str, epilogue: str, tokens: Sequence[str], make: Callable[[str, type[Autoencoder]], Any]
) -> App:
    """Return a command with one subcommand per model, each made by `make`; another name is a ConfigError."""
    from narrows.estimators import ESTIMATORS

    if tokens and not tokens[0].startswith("-") and tokens[0] not in ESTIMATORS:
        known = ", ".join(ESTIMATORS)
        raise ConfigError(
            f"{name}: MODEL must be one of {known}; got {tokens[0]!r}.{did_you_mean(tokens[0], ESTIMATORS)}"
        )
    app = App(name=name, help=about, help_epilogue=epilogue)
    app["--help"].group = Group("Options", sort_key=9)
    group = Group("Models", sort_key=1)
    asked = tokens[0] if tokens and tokens[0] in ESTIMATORS else None
    for model, cls in ESTIMATORS.items():
        if asked in (None, model):  # the flags of one are quicker made than those of all
            app.command(make(model, cls), name=model, group=group, help=summary_of(cls))
    return app


def summary_of(cls: type) -> str:
    """Return what a model is, in a line."""
    return (cls.__doc__ or "").split("\n")[0]


def model_flags(cls: type[Autoencoder], *, several: bool = False, heading: Group | None = None) -> list[Any]:
    """Return the flags of a model's parameters, those of training below a heading of their own."""
    from narrows.training import Settings

    training = (*Settings.__dataclass_fields__, "device")
    heading = heading or Group(cls.__name__, sort_key=2)
    flags = parameter_flags(cls, heading, training=training, several=several)
    return [each for each in flags if each.name != "verbose"]  # a command always shows how training goes


def _command(model: str, cls: type[Autoencoder]) -> Callable[..., Any]:
    def command(**given: Any) -> int:
        return _train(plan(model, given))

    defaults = {"validation": None, "checkpoint_every": "10s"}
    metavars = {"validation": "FLOAT", "checkpoint_every": "TIME", "log": "CHOICE", "config": "FILE"}
    run = [
        flag(name, help_, bool if name == "open" else str, defaults.get(name), metavar=metavars.get(name))
        for name, help_ in FLAGS.items()
        if has_epochs(cls) or name not in defaults
    ]
    if has_epochs(cls):
        run.append(flag("start", FROM, str, metavar="RUN", written="--from"))
    if any(each.name == "columns" for each in fields(cls)):
        run.append(flag("column", COLUMN, list[str], group=READING, metavar="NAME=KIND"))
    data = data_flags(data="mnist-5k", data_option="", out="runs, in which every training gets a folder")
    return command_of(command, [*data, *run, *model_flags(cls)], summary_of(cls))


def _train(asked: Plan) -> int:
    with ranks.together() as first:
        begun = ranks.begun(asked.out, asked.name)
        if begun is not None and begun.status == "finished":
            return 0
        if not first:
            return _follow(asked)
        return _recorded(asked) if begun is None else resumed_run(begun.folder, None, False)


def _follow(asked: Plan) -> int:
    """Train as the first process does, which alone writes and prints."""
    from narrows.runs.recording import followed as following

    start = None if asked.start is None else asked.start.fitted
    return read_beside(following(asked.estimator(), asked.dataset(), warm_start=start))


def _recorded(asked: Plan) -> int:
    with page_beside(asked.open, asked.out) as show:
        return _trained(asked, show)


def _trained(asked: Plan, show: Callable[[str], None]) -> int:
    from narrows.cli.console import as_is, in_flags, out
    from narrows.runs import next_folder, record
    from narrows.runs.folder import remove_empty
    from narrows.runs.trackers import logged, writer_of

    if asked.log is not None:
        writer_of(asked.log)  # a missing package is named before data are fetched
    # Before data are fetched, too: a file may have named it.
    folder = None if asked.name is None else _named(asked.name, asked.out)
    estimator, dataset = asked.estimator(), asked.dataset()
    folder = folder or next_folder(asked.out, asked.model, dataset.name)
    start = None if asked.start is None else asked.start.fitted
    console = out()
    try:
        start_words = "" if asked.start is None else f", from {asked.start.folder}"
        console.print(opening(asked.model, dataset) + start_words, soft_wrap=not console.is_terminal, style="bold")
        if dataset.notes:
            console.print(
                as_is(f"read as: {in_flags('; '.join(dataset.notes))}", "dim"), soft_wrap=not console.is_terminal
            )
        if size := _held_out_by(estimator, dataset):
            console.print(f"held out: {size:,} of the training samples, which choose the best epoch", style="dim")
        if (kinds := kinds_of_columns(estimator, dataset)) is not None:
            console.print(as_is(str(kinds), "dim"), soft_wrap=True)
        if hint := busy():
            console.print(f"note: {hint}", style="dim", soft_wrap=True)
        show(folder.name)
        reports = record(estimator, dataset, folder, warm_start=start, checkpoint_every=asked.checkpoint_every)
        reports = reports if asked.log is None else logged(reports, folder, asked.log)
        return followed(folder, reports, estimator, dataset)
    finally:
        remove_empty(folder)


def _held_out_by(estimator: Autoencoder, dataset: Dataset) -> int:
    """Return how many training samples the model holds out by itself."""
    from narrows.training.effort import size_held_out

    auto = estimator.get_params(deep=False).get("epochs") == "auto"
    return size_held_out(len(dataset.train)) if auto and dataset.validation is None else 0


def kinds_of_columns(estimator: Autoencoder, dataset: Dataset) -> Schema | None:
    """Return what is learned of the columns of a table, before training; None where they have no types of their own."""
    from narrows.data.schema import Schema
    from narrows.estimators.validation import typed_table

    table = typed_table(estimator, dataset.train, dataset.columns)
    if table is None:
        return None
    return Schema.of(table, types=estimator.get_params(deep=False).get("columns"), owner="train")


def _named(name: str, out: str) -> Path:
    """Return the folder for a run of that name, in which there is none yet."""
    from narrows.storage.lock import check_vacant

    if name in ("", ".", "..") or Path(name).name != name or "\0" in name:
        raise ConfigError(f"--name must be the name of a folder; got {name!r}. The folder around it is for --out.")
    check_vacant(Path(out) / name)
    return Path(out) / name
