"""`narrows recipes` and `narrows recipe NAME`: published systems, trained and compared with their numbers."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Group, Parameter
from rich.text import Text

from narrows.cli.arguments import Source, command_of, data_flags, flag, values_of_flags
from narrows.cli.beside import page_beside
from narrows.cli.console import err, out, table_of
from narrows.cli.reports import followed, opening
from narrows.cli.train import model_flags
from narrows.errors import ConfigError
from narrows.numbers import duration, number

if TYPE_CHECKING:
    from narrows.data import Dataset
    from narrows.estimators.base import Autoencoder
    from narrows.recipes import Evaluation, Recipe, Variant
    from narrows.recipes.curves import Point
    from narrows.recipes.goals import Goal

HELP = "Train a published system, and compare it with its number."
SIGNS = {"at_most": "≤", "at_least": "≥", "equals": "="}


@dataclass(frozen=True)
class Asked:
    """What flags ask for beside the recipe itself."""

    source: Source
    values: Mapping[str, Any]
    """Parameters of the model, in place of the recipe's."""
    quick: bool
    only: str | None
    open: bool = False
    """Whether to open the page on the runs."""

    @property
    def changed(self) -> bool:
        """Whether the recipe is not trained as it stands."""
        return bool(self.values or self.source.data is not None or self.source.options)


def listed() -> None:
    """List the recipes: published systems, each with the number that it must reach."""
    from narrows.recipes import load_recipe, recipe_names

    wide = out().width >= 72
    columns: list[tuple[str, bool, dict[str, Any]]] = [
        ("recipe", True, {"no_wrap": True}), ("data", wide, {"overflow": "fold"}),
        ("time", wide, {"justify": "right", "no_wrap": True}), ("to reach", True, {"overflow": "fold"}),
    ]  # fmt: skip
    rows = []
    for name in recipe_names():
        recipe = load_recipe(name)
        data = ", ".join(dict.fromkeys(variant.data for variant in recipe.variants))
        time = "–" if recipe.seconds is None else duration(recipe.seconds)
        rows.append((Text(name, "bold"), data, time, _goals(recipe)))
    out().print(table_of(columns, rows))
    out().print(
        "time: of all variants, on one core. Run one: narrows recipe NAME; a trial in seconds: narrows recipe "
        "NAME --quick",
        style="dim",
    )


def _goals(recipe: Recipe) -> str:
    """Return a recipe's first goals in a line."""
    texts = [f"{goal.variant + ': ' if goal.variant else ''}{goal.measure} {wanted(goal)}" for goal in recipe.goals]
    return "; ".join(texts[:2]) + (f"; {len(texts) - 2} more" if len(texts) > 2 else "")


def wanted(goal: Goal) -> str:
    """Return what a goal asks for, such as ≤ 3.000."""
    values = goal.value if isinstance(goal.value, tuple) else (goal.value,)
    text = f"{SIGNS[goal.bound]} {number(values[-1])}" + (f" after {len(values)} epochs" if len(values) > 1 else "")
    return text + (f" ± {number(goal.tolerance)}" if goal.tolerance else "")


def application(tokens: Sequence[str]) -> App:
    """Return the command, whose flags are the parameters of the recipe's model; of no recipe the shared ones alone."""
    from narrows.estimators import ESTIMATORS
    from narrows.recipes import load_recipe

    about, cls = HELP, None
    name = next((token for token in tokens if not token.startswith("-")), None)
    if name is not None:
        recipe = load_recipe(name)
        about = f"{recipe.title}\n\n{' '.join(recipe.teaches.split())}\n\nSource: {recipe.source}"
        cls = ESTIMATORS[recipe.variants[0].model]
    app = App(name="recipe", help=about)
    app["--help"].group = Group("Options", sort_key=9)
    app.default(_command(cls))
    return app


def _command(cls: type[Autoencoder] | None) -> Callable[..., Any]:
    def command(name: str | None = None, **given: Any) -> int:
        from narrows.recipes import load_recipe

        if name is None or cls is None:
            listed()
            return 0
        source, quick, only = Source.taken(given), given.pop("quick", False), given.pop("only", None)
        opened = given.pop("open", False)
        asked = Asked(source, values_of_flags(cls, given), quick, only, opened)
        with page_beside(opened, source.out or "runs") as show:
            return _run(load_recipe(name), asked, show)

    shared = Group("Recipe", sort_key=0)
    first = Parameter(help="One of `narrows recipes`; the list if left out.", show_default=False)
    kind = inspect.Parameter.POSITIONAL_ONLY
    parameters = [
        inspect.Parameter("name", kind, default=None, annotation=Annotated[str | None, first]),
        flag(
            "quick", "A trial in seconds on small data; its numbers are not compared with the reference.", bool, False,
            group=shared,
        ),
        flag("only", "Only this variant of the recipe.", group=shared),
        flag("open", "Open the page on the runs in a browser.", bool, False, group=shared),
        *data_flags(
            listed=False, data="the recipe's", data_option="", out="runs, in which every training gets a folder"
        ),
        *([] if cls is None else model_flags(cls)),
    ]  # fmt: skip
    return command_of(command, parameters, HELP)


def _run(recipe: Recipe, asked: Asked, show: Callable[[str], None]) -> int:
    """Train every variant, do its analyses, and compare it with its goals."""
    names = [variant.name for variant in recipe.variants]
    if asked.only is not None and asked.only not in names:
        raise ConfigError(f"recipe: only must be one of {', '.join(names)}; got {asked.only!r}.")
    prepared = (recipe.for_quick_run() if asked.quick else recipe).with_parameters(asked.values)
    for variant in prepared.variants:
        variant.estimator()  # a wrong parameter is refused before anything is trained
    out().print(Text(recipe.title, "bold").append(f"\n{' '.join(recipe.teaches.split())}", "not bold"))
    evaluations: list[tuple[Variant, Evaluation]] = []
    points: list[Point] = []
    for variant in prepared.variants:
        if asked.only in (None, variant.name):
            code, reached = _trained(prepared, variant, asked, points, show)
            if code:
                return code
            evaluations += [(variant, evaluation) for evaluation in reached]
    if recipe.note:
        out().print(f"\n{' '.join(recipe.note.split())}")
    _conclude(evaluations, asked)
    return 0


def _trained(
    recipe: Recipe, variant: Variant, asked: Asked, points: list[Point], show: Callable[[str], None]
) -> tuple[int, list[Evaluation]]:
    from narrows.analyses import Subject
    from narrows.cli.analyses import report
    from narrows.recipes import evaluate
    from narrows.recipes.curves import draw_curve, point_of
    from narrows.recipes.goals import measure
    from narrows.runs import Run, next_folder, record
    from narrows.runs.folder import remove_empty

    estimator, dataset = variant.estimator(), _dataset(variant, asked.source)
    folder = next_folder(asked.source.out or "runs", recipe.name, variant.name)
    goals = [] if asked.quick else recipe.goals_for(variant)
    by_epoch: dict[Goal, list[float]] = {goal: [] for goal in goals if isinstance(goal.value, tuple)}

    def measured() -> None:
        for goal, values in by_epoch.items():
            values.append(measure(goal, estimator, dataset))

    try:
        out().print()
        first = opening(variant.model, dataset)
        out().print(f"{variant.name}: {first}" if variant.name else first, soft_wrap=True, style="bold")
        show(folder.name)
        reports = record(estimator, dataset, folder, command=sys.argv)
        code = followed(folder, reports, estimator, after_epoch=measured)
    finally:
        remove_empty(folder)
    if code:
        return code, []
    run = Run(folder)
    numbers: dict[str, Mapping[str, float]] = {}
    for planned in recipe.analyses_for(variant):
        picture = None if planned.picture is None else run.folder / planned.picture
        result = planned.analysis(Subject(run, dataset, out=picture))
        numbers[planned.name] = result.numbers
        report(planned.name, run, result)
    evaluations = evaluate(goals, estimator, dataset, numbers, by_epoch)
    if recipe.curve is not None:
        points.append(point_of(recipe.curve, estimator, dataset))
        if len(points) > 1:
            path = run.draw("curve.png", draw_curve(recipe.curve, points, variant.model))
            out().print(f"{path}  {recipe.curve.measure} by {recipe.curve.across}", soft_wrap=True)
    trained = {"name": recipe.name, "variant": variant.name, "quick": asked.quick, "changed": asked.changed}
    run.update(recipe={**trained, "goals": [evaluation.record() for evaluation in evaluations]})
    return 0, evaluations


def _dataset(variant: Variant, source: Source) -> Dataset:
    """Return the data of a variant, or what flags name; options of one data set mean nothing to another."""
    from narrows.data import load_dataset

    if source.data in (None, variant.data):
        return load_dataset(variant.data, **{**variant.data_options, **source.options})
    return load_dataset(source.data, **source.options)


def _conclude(evaluations: Sequence[tuple[Variant, Evaluation]], asked: Asked) -> None:
    """Print every goal with the number of this training, and whether it was reached."""
    if asked.quick:
        out().print("\nA trial run: its numbers are not compared with the reference.", style="dim")
        return
    rows = []
    for variant, evaluation in evaluations:
        goal, value = evaluation.goal, evaluation.value
        where = "" if goal.analysis else f", {goal.split}"
        label = f"{variant.name + ': ' if variant.name else ''}{goal.measure}{where}"
        last = value[-1] if isinstance(value, tuple) else value
        short = f"fell short by {number(evaluation.missed_by)}"
        word = Text("reached", "green") if evaluation.reached else Text(short, "red")
        rows.append((Text(label), wanted(goal), number(last), word))
    fold, right = {"overflow": "fold"}, {"overflow": "fold", "justify": "right"}
    out().print(table_of([("", True, fold), ("to reach", True, right), ("here", True, right), ("", True, fold)], rows))
    for origin in dict.fromkeys(evaluation.goal.origin for _, evaluation in evaluations if evaluation.goal.origin):
        out().print(Text(f"reference: {origin}", "dim"), soft_wrap=True)
    if asked.changed:
        message = "Parameters or data were changed: the reference is that of the recipe as it stands."
        err().print(message, style="yellow")
    missed = sum(not evaluation.reached for _, evaluation in evaluations)
    short = f"fell short: {missed} of {len(evaluations)} goals"
    out().print(Text("reached", "bold green") if not missed else Text(short, "bold red"))
