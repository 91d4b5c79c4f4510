"""`narrows sweep MODEL`: the flags of `train`, where every field takes several values."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Group, Parameter, Token

from narrows.errors import ConfigError

if TYPE_CHECKING:
    from narrows.estimators.base import Autoencoder
    from narrows.params import Param
    from narrows.runs.folder import Run
    from narrows.sweeps.sweep import Row, Sweep, Trained
    from narrows.training import Report

__all__ = ["application", "values_of"]

FLAGS: dict[str, tuple[Any, str, Any, str]] = {
    "data": (str, "STR", "mnist-5k", "A data set by name (see `narrows data`) or a file or folder."),
    "data_option": (list[str], "KEY=VALUE", None, "Such as limit=500 or label=species; may be repeated."),
    "validation": (str, "FLOAT", "0.1", "Share of the training samples held out to choose the best epoch; 0 for none."),
    "seeds": (int, "INT", 3, "How often to train each combination, with seeds 0, 1, ..."),
    "per_class": (int, "INT", 10, "Labelled samples of each class for recognition by the nearest code; 0 for none."),
    "out": (str, "FOLDER", None, "Where runs and tables lie; in sweeps/ if left out. What is there is not done again."),
}
EXAMPLE = "such as --latent-dim 2,4,8 or --hidden 400/200,200"


def application(tokens: Sequence[str], about: str) -> App:
    """Return the command with one subcommand per model."""
    from narrows.cli.train import per_model

    epilogue = (
        f"Any field of a model takes several values with commas, {EXAMPLE}; `narrows sweep MODEL --help` lists them."
    )
    return per_model("sweep", about, epilogue, tokens, _command)


def _command(model: str, cls: type[Autoencoder]) -> Callable[..., int]:
    from narrows.cli.train import groups_of, shown_default
    from narrows.params import fields

    def command(**given: Any) -> int:
        return _sweep(model, cls, given)

    keyword, shared, own = inspect.Parameter.KEYWORD_ONLY, Group("Data and runs", sort_key=1), groups_of(model, cls)
    parameters = []
    for name, (kind, shown, default, help_) in FLAGS.items():
        about = Parameter(
            help=help_, group=shared, negative=(), n_tokens=1, metavar=shown, show_default=default is not None
        )
        parameters.append(inspect.Parameter(name, keyword, default=default, annotation=Annotated[kind, about]))
    for field in fields(cls):
        if field.name == "seed":
            continue  # --seeds says how many
        about = Parameter(
            help=field.help, group=own[field.name], n_tokens=1, allow_leading_hyphen=True, negative=(),
            converter=_as_it_is, metavar="VALUES",
        )  # fmt: skip
        default = str(shown_default(field)).lower() if field.annotation is bool else shown_default(field)
        parameters.append(inspect.Parameter(field.name, keyword, default=default, annotation=Annotated[str, about]))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = (cls.__doc__ or "").split("\n")[0]
    return command


def _as_it_is(kind: Any, tokens: Sequence[Token]) -> str:
    return tokens[0].value


def values_of(field: Param, text: str) -> list[Any]:
    """Return the values that a flag's text stands for: commas between them, slashes within a tuple."""
    from narrows.cli.train import value_of

    words = {"true": True, "false": False} if field.annotation is bool else {}
    parts = [part.strip() for part in text.split(",")]
    return [words.get(part.lower(), value_of(field, part.replace("/", ","))) for part in parts]


def _sweep(model: str, cls: type[Autoencoder], given: dict[str, Any]) -> int:
    from narrows.cli.console import duration, err, number, out
    from narrows.cli.train import data_of, opening, plan
    from narrows.params import fields
    from narrows.sweeps.sweep import Sweep

    by_name = {field.name: field for field in fields(cls)}
    values = {name: values_of(by_name[name], text) for name, text in given.items() if name in by_name}
    grid = {name: several for name, several in values.items() if len(several) > 1}
    if not grid:
        raise ConfigError(f"sweep: a field must have several values, {EXAMPLE}; got none.")
    fixed = {name: several[0] for name, several in values.items() if len(several) == 1}
    shared: dict[str, Any] = {name: given[name] for name in ("data", "data_option", "validation") if name in given}
    asked = plan(model, {**shared, **fixed})
    seeds, per_class = given.get("seeds", FLAGS["seeds"][2]), given.get("per_class", FLAGS["per_class"][2])
    dataset, options = data_of(asked)
    folder = Path(given.get("out") or _folder(model, asked.data, list(grid)))
    sweep = Sweep(cls, grid, dataset, folder, fixed=fixed, options=options, seeds=seeds, per_class=per_class)
    n = len(sweep.trainings)
    console = out()
    console.print(f"{opening(model, asked.data, dataset)}; {n} trainings", soft_wrap=True, markup=False, style="bold")
    done: list[Trained] = []
    try:
        with console.status("") as status:
            # A terminal shows what is at work; elsewhere each training gets a line when it is done.
            def read(reports: Generator[Report, None, Run]) -> Run:
                return _followed(reports, lambda told: status.update(f"{len(done) + 1}/{n}  {told}"))

            for trained in sweep.train(read):
                done.append(trained)
                console.print(_line(trained, len(done), n), soft_wrap=True, markup=False)
                console.file.flush()  # who reads a pipe or a log wants it now
    except (KeyboardInterrupt, SystemExit) as stop:
        told = f"interrupted; {len(done)} of {n} trainings are done. The same command goes on."
        err().print(told, soft_wrap=True, markup=False, style="yellow")
        return 130 if isinstance(stop, KeyboardInterrupt) else 143
    rows = sweep.rows(done)
    console.print(_table(sweep, rows))
    raw = next((row.cells["accuracy, raw values"] for row in rows if "accuracy, raw values" in row.cells), None)
    if raw is not None:
        console.print(f"Accuracy: {per_class} labelled samples a class, nearest code; raw values {number(raw.mean)}.")
    spent = sum(trained.measures.get("seconds", 0.0) for trained in done)
    console.print(f"{n} trainings, {duration(spent)} in all")
    for name in ("sweep.png", "sweep.csv", "sweep.json"):
        if (folder / name).exists():
            console.print(str(folder / name), soft_wrap=True, markup=False)
    return 0


def _folder(model: str, data: str, names: Sequence[str]) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", Path(data).name.split(".")[0].lower()).strip("-") or "data"
    return "sweeps/" + "-".join([model, slug, *(name.replace("_", "-") for name in names)])


def _followed(reports: Generator[Report, None, Run], tell: Callable[[str], None]) -> Run:
    with contextlib.closing(reports):
        while True:
            try:
                report = next(reports)
            except StopIteration as end:
                return end.value
            tell(f"epoch {report.epoch}/{report.epochs}")


def _line(trained: Trained, position: int, n: int) -> str:
    from narrows.cli.console import duration, number
    from narrows.sweeps.sweep import written

    parts = [f"{position:{len(str(n))}d}/{n}", *(f"{name} {written(v)}" for name, v in trained.values.items())]
    parts.append(f"seed {trained.seed}")
    if not trained.measures:
        return "  ".join([*parts, f"failed: {trained.run.record.get('error')}"])
    parts += [
        f"{name} {number(trained.measures[name])}" for name in ("squared error", "accuracy") if name in trained.measures
    ]
    return "  ".join([*parts, "there already" if trained.again else duration(trained.measures["seconds"])])


def _table(sweep: Sweep, rows: Sequence[Row]) -> Any:
    from rich.text import Text

    from narrows.cli.console import duration, number, plain_table
    from narrows.sweeps.sweep import ELBO, written

    shown = {
        "squared error": "error",
        "squared error, PCA": "PCA",
        "accuracy": "accuracy",
        "accuracy, PCA": "PCA",
    }
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
        table.add_row(*(Text(written(value)) for value in row.values.values()), *cells)
    return table
