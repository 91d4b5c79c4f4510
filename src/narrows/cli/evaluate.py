"""`narrows evaluate`, `narrows diagnose` and `narrows compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from narrows.cli.arguments import RunName, Source, with_source
from narrows.cli.console import as_is, err, out
from narrows.cli.locate import run_of

if TYPE_CHECKING:
    from narrows.data import Dataset
    from narrows.data.arrays import Array
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
    split, X, _ = dataset.evaluation_split
    labels, y = _labels(dataset)
    comparison = compare_models({chosen.name: model}, dataset.train, X, y=labels, y_test=y, samples=draws)
    of = "" if source.data is None else f" of {dataset.name}"
    out().print(as_is(f"{chosen.name} on {len(X):,} {split} samples{of}", "bold"))
    out().print(comparison_table(comparison))
    record = {"data": dataset.name, "split": split, "samples": len(X), **comparison.record()}
    if model.module_.probabilistic:
        record["code"] = latent_record(model, X, draws)
    if named is not None:
        record["generation"] = generation_record(model, dataset, X, named)
    path = chosen.folder / "evaluation.json" if source.out is None else Path(source.out)
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


@with_source(
    data="that of the first run, or of the recipes", data_option="", out="comparison/, for the report and the tables"
)
def compare(
    *names: Annotated[str, Parameter(help="Runs, recipes, and models such as ae or vae.")],
    seeds: Annotated[int, Parameter(help="How often to train each model.")] = 3,
    jobs: Annotated[int, Parameter(help="Processes that train at the same time.")] = 1,
    draws: Draws = 100,
    source: Source,
) -> None:
    """Compare runs, recipes and models in one table and a report; PCA is always there."""
    from narrows.cli.measures import common_data, comparison_table, entries_of, models_of
    from narrows.evaluation import compare_models
    from narrows.evaluation.report import write_report

    entries = entries_of(names)
    dataset = common_data(entries, source)
    split, X, _ = dataset.evaluation_split
    labels, y = _labels(dataset)

    def training(name: str, seed: int) -> None:
        err().print(f"training {name}, seed {seed}", soft_wrap=True)

    comparison = compare_models(
        models_of(entries), dataset.train, X, y=labels, y_test=y,
        validation=None if split == "validation" else dataset.validation, seeds=seeds,
        samples=draws, jobs=jobs, on_start=training,
    )  # fmt: skip
    out().print(as_is(f"{dataset.name}: {len(dataset.train):,} training and {len(X):,} {split} samples", "bold"))
    out().print(comparison_table(comparison))
    folder = Path("comparison" if source.out is None else source.out)
    folder.mkdir(parents=True, exist_ok=True)
    comparison.to_json(folder / "comparison.json")
    comparison.to_csv(folder / "comparison.csv")
    about = f"{dataset.source}. {dataset.licence}.".replace("..", ".")
    write_report(
        folder / "report.html", comparison, dataset.train, X,
        title=f"Comparison on {dataset.name}", about=about, y_test=y, label_names=dataset.label_names,
    )  # fmt: skip
    out().print(str(folder / "report.html"), soft_wrap=True)


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
