"""`narrows evaluate`, `narrows diagnose` and `narrows compare`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Group, Parameter

from narrows.cli.arguments import RunName, Source, command_of, data_flags, flag, with_source
from narrows.cli.console import as_is, err, out
from narrows.cli.locate import run_of

if TYPE_CHECKING:
    from narrows.data import Dataset
    from narrows.data.arrays import Array
    from narrows.evaluation import Comparison
    from narrows.runs import Run

Draws = Annotated[int, Parameter(name="--samples", help="Draws for the bound on the likelihood.")]
OWN = "the run's own"
NEW = "Of a file all rows are test samples, beside the training samples of the run"


@with_source(data=f"{OWN}. {NEW}", data_option="", force="", out="evaluation.json in the run")
def evaluate(
    run: RunName = None,
    /,
    *,
    draws: Draws = 100,
    features: Annotated[
        str | None,
        Parameter(
            help="Also compare generated samples with those held out, by pixels, classifier (trained on the run's "
            "data once), or a .safetensors file of Inception's weights."
        ),
    ] = None,
    synthesis: Annotated[
        bool,
        Parameter(
            help="Also compare drawn rows of a table with those held out, beside independent columns and a Gaussian "
            "copula, and draw them: synthesis.png.",
            negative=(),
        ),
    ] = False,
    source: Source,
) -> None:
    """Measure a run on held-out samples, beside PCA."""
    from narrows.cli.measures import comparison_table, features_of, generation_record, latent_record
    from narrows.cli.samples import Written, check_new
    from narrows.evaluation import compare_models
    from narrows.storage.json import write_json

    chosen = run_of(run)
    check_new(source)
    written = Written(chosen.folder)
    dataset, model = _evaluated(chosen, source), chosen.load()
    named = None if features is None else features_of(features, dataset)
    if synthesis:
        from narrows.cli.synthesis import check_synthesis, synthesis_record

        check_synthesis(model)
    split, X, _ = dataset.evaluation_split
    labels, y = _labels(dataset)
    comparison = compare_models({chosen.name: model}, dataset.train, X, y=labels, y_test=y, samples=draws)
    of = "" if source.data is None else f" of {dataset.name}"
    out().print(as_is(f"{chosen.name} on {len(X):,} {split} samples{of}", "bold"))
    out().print(comparison_table(comparison))
    record = {"data": dataset.name, "split": split, "samples": len(X), **comparison.record()}
    if model.module_.probabilistic:
        record["code"] = latent_record(model, model.arrays(X, y), draws)
    if named is not None:
        record["generation"] = generation_record(model, dataset, X, named)
    path = chosen.folder / "evaluation.json" if source.out is None else Path(source.out)
    if synthesis:
        picture = path.with_name("synthesis.png")
        record["synthesis"] = synthesis_record(model, dataset, X, picture)
        written.say(picture)
    write_json(path, record)
    written.say(path)


@with_source(data=f"{OWN}. {NEW}", data_option="")
def diagnose(run: RunName = None, /, *, source: Source) -> None:
    """Say what went wrong in a run, and what to try."""
    from narrows.cli.advice import findings_of, print_findings

    chosen = run_of(run)
    findings = findings_of(chosen.load(), _evaluated(chosen, source))
    if not findings:
        out().print(as_is(f"{chosen.name}: no problem was found."), soft_wrap=True)
    print_findings(findings)


COMPARE = "Compare runs, recipes and models in one table and a report; PCA is always there."
TABLES = (".tex", ".csv", ".md", ".json")
"""Endings of files that hold the table of a comparison alone."""


def compare_application(tokens: Sequence[str]) -> App:
    """Return the command `compare`, with a flag for every parameter of any model that is trained for it."""
    from narrows.cli.train import model_flags
    from narrows.estimators import ESTIMATORS

    app = App(name="compare", help=COMPARE)
    app["--help"].group = Group("Options", sort_key=9)
    heading = Group("Models that are trained here", sort_key=2)
    flags: dict[str, inspect.Parameter] = {}
    for cls in ESTIMATORS.values():
        for each in model_flags(cls, heading=heading):
            flags.setdefault(each.name, each)
    about = Parameter(help="Runs, recipes, and models such as ae or vae.")
    names = inspect.Parameter("names", inspect.Parameter.VAR_POSITIONAL, annotation=Annotated[str, about])
    own = [
        flag("seeds", "How often to train each model.", int, 3),
        flag("jobs", "Processes that train at the same time.", int, 1),
        flag("draws", "Draws for the bound on the likelihood.", int, 100, written="--samples"),
        *data_flags(
            data=f"that of the first run, or of the recipes. {NEW}", data_option="", force="", listed=False,
            out="comparison/, for the report and the tables; or the table alone, as .tex, .csv, .md or .json",
        ),
    ]  # fmt: skip
    app.default(command_of(_compare, [names, *own, *(f for f in flags.values() if f.name != "seed")], COMPARE))
    return app


def _compare(*names: str, seeds: int = 3, jobs: int = 1, draws: int = 100, **given: Any) -> None:
    from narrows.cli.measures import common_data, comparison_table, entries_of, models_of, of_one_size
    from narrows.cli.samples import Written, check_new
    from narrows.evaluation import compare_models

    source = Source.taken(given)
    check_new(source)
    entries = entries_of(names)
    models = models_of(entries, given)
    dataset = common_data(entries, source)
    of_one_size(models, dataset)
    split, X, _ = dataset.evaluation_split
    labels, y = _labels(dataset)

    def training(name: str, seed: int) -> None:
        err().print(f"training {name}, seed {seed}", soft_wrap=True)

    comparison = compare_models(
        models, dataset.train, X, y=labels, y_test=y,
        validation=None if split == "validation" else dataset.validation, seeds=seeds,
        samples=draws, jobs=jobs, on_start=training,
    )  # fmt: skip
    out().print(as_is(f"{dataset.name}: {len(dataset.train):,} training and {len(X):,} {split} samples", "bold"))
    out().print(comparison_table(comparison))
    path = Path("comparison" if source.out is None else source.out)
    written = Written(path)
    if path.suffix in TABLES:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_table(path, comparison)
    else:
        path.mkdir(parents=True, exist_ok=True)
        path = _write_report(path, comparison, dataset, X, y)
    written.say(path)


def _write_table(path: Path, comparison: Comparison) -> None:
    """Write the table as its ending says."""
    from narrows.evaluation.tables import latex, markdown
    from narrows.storage.atomic import write_text

    match path.suffix:
        case ".json":
            comparison.to_json(path)
        case ".csv":
            comparison.to_csv(path)
        case ending:
            write_text(path, latex(comparison) if ending == ".tex" else markdown(comparison))


def _write_report(folder: Path, comparison: Comparison, dataset: Dataset, X: Array, y: Array | None) -> Path:
    """Write the tables and the report, and return the path of the latter."""
    from narrows.evaluation.report import write_report

    for name in ("comparison.json", "comparison.csv"):
        _write_table(folder / name, comparison)
    about = f"{dataset.source}. {dataset.licence}.".replace("..", ".")
    path = folder / "report.html"
    write_report(
        path, comparison, dataset.train, X,
        title=f"Comparison on {dataset.name}", about=about, y_test=y, label_names=dataset.label_names,
    )  # fmt: skip
    return path


def _evaluated(run: Run, source: Source) -> Dataset:
    """Return the data of a run; where flags name others, these are the test samples in it."""
    from narrows.cli.console import note
    from narrows.runs.dataset import with_new_rows

    if source.data is None:
        return source.dataset(run)
    return with_new_rows(run, source.data, source.options, changed=note)


def _labels(dataset: Dataset) -> tuple[Array | None, Array | None]:
    """Return the labels of the training samples and of those held out; None unless both have some."""
    labels, y = dataset.train_labels, dataset.evaluation_split.y
    return (None, None) if labels is None or y is None else (labels, y)
