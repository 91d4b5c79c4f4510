"""`narrows sweep MODEL`: the flags of `train`, where every parameter takes several values."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App
from rich.table import Table
from rich.text import Text

from narrows.cli.arguments import OF_DATA, axis_of, command_of, data_flags, flag, values_of_flags
from narrows.cli.config import DATA, plan
from narrows.cli.config import FLAGS as TRAIN_FLAGS
from narrows.cli.console import err, out, plain_table
from narrows.cli.reports import opening
from narrows.cli.study import run_study
from narrows.cli.train import model_flags, per_model, summary_of
from narrows.errors import ConfigError
from narrows.numbers import duration, number
from narrows.params import fields, write_value

if TYPE_CHECKING:
    from narrows.estimators.base import Autoencoder
    from narrows.params import Param
    from narrows.runs import Run
    from narrows.sweeps import Range, Row, Sweep, Trained
    from narrows.training import Report

HELP = "Train a model with every combination of some settings, several times, into one table."
EXAMPLE = "such as --latent-dim 2,4,8 or --network mlp:400x200,mlp:200"
FLAGS = {
    "seeds": ("How often to train each combination, with seeds 0, 1, ...", 3),
    "per_class": ("Labelled samples of each class for recognition by the nearest code; 0 for none.", 10),
    "jobs": ("Processes that train at the same time; each holds a copy of the data.", 1),
}
SHARED = {
    "storage": ("Share the trainings with other commands: postgresql://user@host/database for any number of machines, "
                "or a file on this one.", str, None),
    "study": ("Its name in the storage; that of the folder if left out.", str, None),
    "sampler": ("With --storage: grid, or random or tpe, which draw --trials; these take ranges, such as "
                "--learning-rate 1e-4..1e-2.", str, "grid"),
    "trials": ("How many, for a sampler other than grid.", int, None),
    "pruner": ("With --storage, what ends trainings early by their validation loss: none, median or hyperband.", str,
               "none"),
}  # fmt: skip
"""Flags of a study: help, type and default."""


def application(tokens: Sequence[str]) -> App:
    """Return the command with one subcommand per model."""
    epilogue = f"Any parameter takes several values with commas, {EXAMPLE}; `narrows sweep MODEL --help` lists them."
    return per_model("sweep", HELP, epilogue, tokens, _command)


def _command(model: str, cls: type[Autoencoder]) -> Callable[..., Any]:
    def command(**given: Any) -> int:
        return _sweep(model, cls, given)

    data = data_flags(data="mnist-5k", data_option="", out="a folder in sweeps/. What is trained there is kept")
    own = [flag("validation", TRAIN_FLAGS["validation"], str, metavar="FLOAT")]
    own += [flag(name, help_, int, default) for name, (help_, default) in FLAGS.items()]
    own += [flag(name, help_, kind, default) for name, (help_, kind, default) in SHARED.items()]
    # How many seeds there are is for --seeds.
    parameters = [each for each in model_flags(cls, several=True) if each.name != "seed"]
    return command_of(command, [*data, *own, *parameters], summary_of(cls))


def values_of(cls: type, name: str, text: str) -> list[Any]:
    """Return the values that a flag's text stands for: commas between them, `x` or `/` within a tuple.

    The commas within a component, as in `mlp:400,activation=elu,conv`, end no value: a value of an axis begins with
    the name of a component.
    """
    by_name = {each.name: each for each in fields(cls)}
    parts = [part.strip() for part in text.split(",")]
    if name in by_name and by_name[name].axis is not None:
        parts = _components(by_name[name], parts)
    return [values_of_flags(cls, {name: part.replace("/", "x")})[name] for part in parts]


def _components(each: Param, parts: Sequence[str]) -> list[str]:
    joined: list[str] = []
    for part in parts:
        begins = part.partition(":")[0] in (*axis_of(each), "auto", "none") or not joined
        joined = [*joined, part] if begins else [*joined[:-1], f"{joined[-1]},{part}"]
    return joined


def _swept(cls: type, given: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the values of every parameter that is given; --network.hidden makes several networks of each."""
    defaults = {each.name: each.default for each in fields(cls)}
    values = {name: values_of(cls, name, text) for name, text in given.items() if name in defaults}
    for name, text in given.items():
        outer, inner = name.partition("__")[::2]
        if inner:
            values[outer] = [
                values_of_flags(cls, {outer: component, name: part.strip()})[outer]
                for component in values.get(outer, [defaults[outer]])
                for part in text.split(",")
            ]
    return values


def ranges_of(cls: type, given: dict[str, Any]) -> dict[str, Range]:
    """Return the ranges such as 1e-4..1e-2 that flags give, and take them out of `given`."""
    from narrows.sweeps import Range

    ranges = {}
    for each in fields(cls):
        text = given.get(each.name)
        if each.axis is not None or not isinstance(text, str) or ".." not in text:
            continue
        ends = [values_of_flags(cls, {each.name: end})[each.name] for end in text.split("..")]
        if len(ends) != 2 or not all(type(end) in (int, float) for end in ends) or not ends[0] < ends[1]:
            raise ConfigError(f"sweep: --{each.name.replace('_', '-')} must be a range LOW..HIGH; got {text!r}.")
        ranges[each.name] = Range(ends[0], ends[1], all(type(end) is int for end in ends))
        del given[each.name]
    return ranges


def _sweep(model: str, cls: type[Autoencoder], given: dict[str, Any]) -> int:
    from narrows.runs.names import slug_of
    from narrows.sweeps import Sweep
    from narrows.training.report import read_all

    data = {name: given.pop(name) for name in list(given) if name.startswith(OF_DATA)}
    shared = {name: given.pop(name) for name in SHARED if name in given}
    ranges = ranges_of(cls, given)
    values = _swept(cls, given)
    if "storage" in shared:
        return run_study(model, cls, given, data, values, ranges, shared)
    if ranges or shared:
        name, value = next(iter((ranges or shared).items()))
        raise ConfigError(f"sweep: --{name.replace('_', '-')} {value} must go with --storage; got none.")
    grid = {name: several for name, several in values.items() if len(several) > 1}
    if not grid:
        raise ConfigError(f"sweep: a parameter must have several values, {EXAMPLE}; got none.")
    fixed = {name: several[0] for name, several in values.items() if len(several) == 1}
    asked = plan(
        model, {name: given[name] for name in ("data", "data_option", "validation") if name in given} | data | fixed
    )
    dataset = asked.dataset()
    named = "-".join([model, slug_of(asked.data or DATA), *(name.replace("_", "-") for name in grid)])
    folder = Path(given.get("out") or f"sweeps/{named}")
    settings = {name: given.get(name, default) for name, (_, default) in FLAGS.items()}
    sweep = Sweep(cls, grid, dataset, folder, fixed=fixed, **settings)
    n = len(sweep.trainings)
    console = out()
    console.print(f"{opening(model, dataset)}; {n} trainings", soft_wrap=True, style="bold")
    done: list[Trained] = []
    try:
        with console.status(f"0/{n}") as status:
            # A terminal shows what is trained; elsewhere each training gets a line when it is done.
            def read(reports: Generator[Report, None, Run]) -> Run:
                return read_all(reports, lambda at: status.update(f"{len(done) + 1}/{n}  epoch {at.epoch}/{at.epochs}"))

            for trained in sweep.train(read):
                done.append(trained)
                status.update(f"{len(done)}/{n}")
                console.print(_line(trained, len(done), n), soft_wrap=True)
                console.file.flush()  # who reads a pipe or a log wants it now
    except (KeyboardInterrupt, SystemExit) as stop:
        message = f"interrupted; {len(done)} of {n} trainings are done. The same command resumes it."
        err().print(message, soft_wrap=True, style="yellow")
        return 130 if isinstance(stop, KeyboardInterrupt) else 143
    rows = sweep.rows(done)
    console.print(_table(sweep, rows))
    raw = next((row.cells["accuracy, raw values"] for row in rows if "accuracy, raw values" in row.cells), None)
    if raw is not None:
        per_class = settings["per_class"]
        console.print(f"Accuracy: {per_class} labelled samples a class, nearest code; raw values {number(raw.mean)}.")
    spent = sum(trained.measures.get("seconds", 0.0) for trained in done)
    console.print(f"{n} trainings, {duration(spent)} in all")
    for name in ("sweep.png", "sweep.csv", "sweep.json"):
        if (folder / name).exists():
            console.print(str(folder / name), soft_wrap=True)
    return 0


def _line(trained: Trained, position: int, n: int) -> str:
    values = (f"{name} {write_value(value)}" for name, value in trained.values.items())
    parts = [f"{position:{len(str(n))}d}/{n}", *values, f"seed {trained.seed}"]
    if not trained.measures:
        return "  ".join([*parts, f"failed: {trained.run.record.get('error')}"])
    parts += [
        f"{name} {number(trained.measures[name])}" for name in ("squared error", "accuracy") if name in trained.measures
    ]
    return "  ".join([*parts, "trained before" if trained.earlier else duration(trained.measures["seconds"])])


def _table(sweep: Sweep, rows: Sequence[Row]) -> Table:
    from narrows.sweeps import ELBO

    shown = {"squared error": "error", "squared error, PCA": "PCA", "accuracy": "accuracy", "accuracy, PCA": "PCA"}
    shown |= {ELBO: ELBO, "seconds": "time"}
    measures = [name for name in shown if any(name in row.cells for row in rows)]
    table = plain_table()
    for name in sweep.grid:
        table.add_column(Text(name), justify="right", no_wrap=True)
    for name in measures:
        table.add_column(Text(shown[name]), justify="right", no_wrap=True)
    for row in rows:
        cells = []
        for name in measures:
            cell = row.cells.get(name)
            text = "–" if cell is None else duration(cell.mean) if name == "seconds" else number(cell.mean)
            spread = cell is not None and cell.deviation > 0 and name != "seconds"
            cells.append(Text(f"{text} ± {cell.deviation:.2g}" if cell is not None and spread else text))
        table.add_row(*(Text(write_value(value)) for value in row.values.values()), *cells)
    return table
