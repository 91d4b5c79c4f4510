"""`narrows recipes` and `narrows recipe NAME`: published systems, run and held against their numbers."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from cyclopts import App, Group, Parameter
from rich.text import Text

from narrows.analyses import Subject
from narrows.cli.analyses import report
from narrows.cli.console import duration, err, number, out, plain_table
from narrows.cli.train import flag_of, followed, opening, options_of, shown_default, value_of
from narrows.data import Dataset, load_dataset
from narrows.errors import ConfigError
from narrows.estimators import ESTIMATORS
from narrows.estimators.base import Autoencoder
from narrows.params import fields
from narrows.recipes import Recipe, Variant, Verdict, judge, load_recipe, recipe_names
from narrows.recipes.curves import Point, drawn, point
from narrows.recipes.goals import BOUNDS, Goal, measured
from narrows.runs.folder import Run, next_folder, record
from narrows.training import Report

__all__ = ["application", "listed", "wanted"]

SIGNS = dict(zip(BOUNDS, ("≤", "≥", "="), strict=True))
RUNNING = {
    "quick": (bool, False, "A trial in seconds on small data; its numbers are not held against the reference."),
    "only": (str, None, "Only this variant of the recipe."),
    "data": (str, None, "Another data set, by name or path."),
    "data_option": (list[str], None, "Such as limit=500; may be repeated."),
    "out": (str, "runs", "Where the run folders are made."),
}


def listed() -> None:
    """Print all recipes: data, time, and what they must reach."""
    table = plain_table()
    wide = out().width >= 72
    table.add_column("recipe", no_wrap=True)
    if wide:
        table.add_column("data", overflow="fold")
        table.add_column("time", justify="right", no_wrap=True)
    table.add_column("to reach", overflow="fold")
    for name in recipe_names():
        recipe = load_recipe(name)
        cells: list[Any] = [Text(name, "bold")]
        if wide:
            data = ", ".join(dict.fromkeys(variant.data for variant in recipe.variants))
            cells += [data, "–" if recipe.seconds is None else duration(recipe.seconds)]
        table.add_row(*cells, _goals(recipe))
    out().print(table)
    out().print(
        "[dim]time: of all variants, on one core. Run one: narrows recipe NAME; a trial in seconds: narrows recipe "
        "NAME --quick[/]"
    )


def _goals(recipe: Recipe) -> str:
    """Return a recipe's first goals in a line."""
    told = [f"{goal.variant + ': ' if goal.variant else ''}{goal.measure} {wanted(goal)}" for goal in recipe.goals]
    return "; ".join(told[:2]) + (f"; {len(told) - 2} more" if len(told) > 2 else "")


def wanted(goal: Goal) -> str:
    """Return what a goal asks for, such as ≤ 3.000."""
    values = np.atleast_1d(goal.value)
    text = f"{SIGNS[goal.bound]} {number(float(values[-1]))}" + (
        f" after {len(values)} epochs" if len(values) > 1 else ""
    )
    return text + (f" ± {number(goal.tolerance)}" if goal.tolerance else "")


def application(tokens: Sequence[str], about: str) -> App:
    """Return the command, whose flags are the fields of the recipe's model; of no recipe the shared ones alone."""
    app = App(name="recipe", help=about)
    app["--help"].group = Group("Options", sort_key=9)
    name = next((token for token in tokens if not token.startswith("-")), None)
    if name is not None:
        recipe = load_recipe(name)
        teaches = " ".join(recipe.teaches.split())
        app = App(name="recipe", help=f"{recipe.title}\n\n{teaches}\n\nSource: {recipe.source}")
        app["--help"].group = Group("Options", sort_key=9)
        app.default(_command(ESTIMATORS[recipe.variants[0].model]))
    else:
        app.default(_command(None))
    return app


def _command(cls: type[Autoencoder] | None) -> Callable[..., int]:
    by_name = {} if cls is None else {field.name: field for field in fields(cls)}

    def command(name: str | None = None, **given: Any) -> int:
        if name is None:
            listed()
            return 0
        recipe = load_recipe(name)
        asked = {key: given.pop(key) for key in RUNNING if key in given}
        values = {key: value_of(by_name[key], v) if isinstance(v, str) else v for key, v in given.items()}
        return _run(recipe, values, asked)

    kind = inspect.Parameter
    first = Parameter(help="One of `narrows recipes`; the list if left out.", show_default=False)
    signature = [kind("name", kind.POSITIONAL_ONLY, default=None, annotation=Annotated[str | None, first])]
    shared, own = Group("Recipe", sort_key=1), Group("Fields of the model, in place of the recipe's", sort_key=2)
    for key, (type_, default, help_) in RUNNING.items():
        tokens = None if type_ is bool else 1
        flag = Parameter(help=help_, group=shared, negative=(), show_default=bool(default), n_tokens=tokens)
        signature.append(kind(key, kind.KEYWORD_ONLY, default=default, annotation=Annotated[type_, flag]))
    for field in by_name.values():
        annotation = flag_of(field, own)
        signature.append(kind(field.name, kind.KEYWORD_ONLY, default=shown_default(field), annotation=annotation))
    command.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in signature}
    return command


def _run(recipe: Recipe, values: Mapping[str, Any], asked: Mapping[str, Any]) -> int:
    """Train every variant, do its steps, and hold it against its goals."""
    quick, only = asked.get("quick", False), asked.get("only")
    names = [variant.name for variant in recipe.variants]
    if only is not None and only not in names:
        raise ConfigError(f"recipe: only must be one of {', '.join(names)}; got {only!r}.")
    changed = bool(values) or asked.get("data") is not None or bool(asked.get("data_option"))
    prepared = (recipe.for_trial() if quick else recipe).with_fields(values)
    for variant in prepared.variants:
        variant.estimator()  # a field that is wrong is told before anything is trained
    out().print(Text(recipe.title, "bold").append(f"\n{' '.join(recipe.teaches.split())}", "not bold"))
    everything: list[tuple[Variant, Verdict]] = []
    points: list[Point] = []
    for variant in prepared.variants:
        if only in (None, variant.name):
            code, verdicts = _trained(prepared, variant, asked, quick, changed, points)
            if code:
                return code
            everything += [(variant, verdict) for verdict in verdicts]
    if recipe.note:
        out().print(f"\n{' '.join(recipe.note.split())}", markup=False)
    _conclude(everything, quick, changed)
    return 0


def _trained(
    recipe: Recipe, variant: Variant, asked: Mapping[str, Any], quick: bool, changed: bool, points: list[Point]
) -> tuple[int, list[Verdict]]:
    options = {**variant.data_options, **options_of(asked.get("data_option") or [])}
    name = asked.get("data") or variant.data
    if name != variant.data:  # options of one data set mean nothing to another
        options = options_of(asked.get("data_option") or [])
    dataset = load_dataset(name, **options)
    folder = next_folder(asked.get("out", "runs"), recipe.name, variant.name)
    estimator = variant.estimator()
    goals = [] if quick else recipe.goals_for(variant)
    by_epoch: dict[Goal, list[float]] = {goal: [] for goal in goals if isinstance(goal.value, tuple)}
    try:
        out().print()
        told = opening(variant.model, name, dataset)
        out().print(f"{variant.name}: {told}" if variant.name else told, soft_wrap=True, markup=False, style="bold")
        reports = record(estimator, dataset, folder, options=options, command=sys.argv)
        code = followed(folder, _watched(reports, estimator, dataset, by_epoch))
    finally:
        if folder.exists() and not any(folder.iterdir()):
            folder.rmdir()
    if code:
        return code, []
    run = Run(folder)
    found: dict[str, Mapping[str, float]] = {}
    for planned in recipe.steps_for(variant):
        out_ = None if planned.picture is None else run.folder / planned.picture
        outcome = planned.step(Subject(run, dataset, out=out_))
        found[planned.name] = outcome.numbers
        report(planned.name, run, outcome)
    verdicts = judge(goals, estimator, dataset, found, by_epoch)
    if recipe.curve is not None:
        points.append(point(recipe.curve, estimator, dataset))
        if len(points) > 1:
            path = run.draw("curve.png", drawn(recipe.curve, points, variant.model))
            out().print(f"{path}  {recipe.curve.measure} by {recipe.curve.across}", soft_wrap=True, markup=False)
    told_of = {"name": recipe.name, "variant": variant.name, "quick": quick, "changed": changed}
    run.update(recipe={**told_of, "goals": [verdict.record() for verdict in verdicts]})
    return 0, verdicts


def _watched(
    reports: Generator[Report, None, Run],
    estimator: Autoencoder,
    dataset: Dataset,
    by_epoch: Mapping[Goal, list[float]],
) -> Generator[Report, None, Run]:
    """Pass on the reports, and measure after every epoch what has a goal for every epoch."""
    try:
        while True:
            try:
                told = next(reports)
            except StopIteration as end:
                return end.value
            if told.end_of_epoch:
                for goal, values in by_epoch.items():
                    values.append(measured(goal, estimator, dataset))
            yield told
    finally:
        reports.close()


def _conclude(everything: Sequence[tuple[Variant, Verdict]], quick: bool, changed: bool) -> None:
    """Print every goal with what was found, and whether it was reached."""
    if quick:
        out().print("\nA trial run: its numbers are not held against the reference.", style="dim")
        return
    table = plain_table()
    for column in ("", "to reach", "found", ""):
        table.add_column(column, justify="right" if column in ("to reach", "found") else "left", overflow="fold")
    for variant, verdict in everything:
        goal = verdict.goal
        where = "" if goal.step else f", {goal.part}"
        label = f"{variant.name + ': ' if variant.name else ''}{goal.measure}{where}"
        last = float(np.atleast_1d(verdict.found)[-1])
        word = (
            Text("reached", "green") if verdict.reached else Text(f"fell short by {number(verdict.missed_by)}", "red")
        )
        table.add_row(Text(label), wanted(goal), number(last), word)
    out().print(table)
    for origin in dict.fromkeys(verdict.goal.origin for _, verdict in everything if verdict.goal.origin):
        out().print(Text(f"reference: {origin}", "dim"), soft_wrap=True)
    if changed:
        err().print("Fields or data were changed: the reference is that of the recipe as it stands.", style="yellow")
    missed = sum(not verdict.reached for _, verdict in everything)
    all_ = len(everything)
    out().print(
        Text("reached", "bold green") if not missed else Text(f"fell short: {missed} of {all_} goals", "bold red")
    )
