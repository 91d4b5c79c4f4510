"""Commands that judge: evaluate, diagnose, compare."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from narrows.cli.console import as_is, err, number, out
from narrows.cli.show import find
from narrows.cli.train import options_of
from narrows.cli.use import own_data
from narrows.data import Dataset, load_dataset
from narrows.errors import ConfigError, NarrowsError, did_you_mean
from narrows.estimators import ESTIMATORS
from narrows.estimators.base import Array, Autoencoder
from narrows.evaluation import (
    PIXELS,
    Comparison,
    Features,
    Finding,
    active_units,
    bits_per_dimension,
    classifier_features,
    compare_models,
    diagnose,
    inception_features,
    information,
    measure_generation,
    unit,
)
from narrows.evaluation.comparison import LOWER
from narrows.evaluation.report import write_report
from narrows.params import fields
from narrows.recipes import load_recipe, recipe_names
from narrows.runs.folder import Run
from narrows.storage.json import write_json

__all__ = ["advise", "compare", "diagnosed", "evaluate"]

PATIENCE = 2.0
"""Seconds that advice at the end of a training may take; where it would take longer, the command is named."""


DRAWN = 2000
"""Samples that a model generates at most to be judged by."""


def evaluate(name: str | None, samples: int, features: str | None, out_: str | None) -> None:
    """Measure the model of a run on test samples, beside PCA with as many numbers."""
    run = find(name)
    dataset, model = own_data(run, {}), run.load()
    compared_by = None if features is None else _features(features, dataset)
    part, X, y = dataset.evaluation_split
    found = compare_models(
        {run.name: model},
        dataset.train,
        X,
        y=dataset.train_labels if y is not None else None,
        y_test=y,
        samples=samples,
    )
    out().print(as_is(f"{run.name} on {len(X):,} {part} samples", "bold"))
    out().print(_table(found))
    record = {"part": part, "samples": len(X), **found.record()}
    if model.module_.probabilistic:
        record["code"] = _code(model, X, samples)
    if compared_by is not None:
        record["generation"] = _generation(model, dataset, X, compared_by)
    path = run.folder / "evaluation.json" if out_ is None else Path(out_)
    write_json(path, record)
    out().print(str(path), soft_wrap=True)


def _features(name: str, dataset: Dataset) -> Features:
    """Return the features of a name, or of a file of Inception's weights."""
    if name == "classifier":
        return classifier_features(dataset)
    if Path(name).suffix == ".safetensors":
        return inception_features(name)
    if name != "pixels":
        raise ConfigError(
            f"--features must be pixels, classifier, or a .safetensors file of Inception's weights; got {name!r}."
            f"{did_you_mean(name, ('pixels', 'classifier'))}"
        )
    return PIXELS


def _generation(model: Autoencoder, dataset: Dataset, X: Array, features: Features) -> dict[str, Any]:
    """Print and return how near samples of the model are to those held out."""
    sampler = "prior" if model.module_.probabilistic else "gmm"
    given = None if model.codes_ is not None else dataset.train
    found = measure_generation(X, model.sample(min(len(X), DRAWN), 0, sampler, X=given), features=features)
    table = Table(f"samples, codes by {sampler}", "", box=None, pad_edge=False, show_header=True, header_style="dim")
    for measure, value in found.items():
        table.add_row(measure, number(value))
    out().print(table)
    return {"sampler": sampler, **found}


def _code(model: Autoencoder, X: Array, samples: int) -> dict[str, Any]:
    """Print and return what is measured of models with a posterior alone."""
    units, known, bits = active_units(model, X), information(model, X), bits_per_dimension(model, X, samples=samples)
    table = Table("code", "", box=None, pad_edge=False, show_header=False)
    table.add_row("active units", f"{units.number} of {model.latent_dim_}")
    table.add_row("KL from the prior", f"{number(known.kl)} nats")
    table.add_row("  mutual information", f"{number(known.mutual_information)} nats, at most {number(known.ceiling)}")
    table.add_row("  aggregate from prior", f"{number(known.marginal_kl)} nats")
    table.add_row(
        "bits per dimension", f"{number(bits.mean)} ± {number(bits.standard_error)} standard error (K = {samples})"
    )
    out().print(table)
    out().print(Text(f"likelihood: {unit(model, X)}", style="dim"), soft_wrap=True)
    return {
        "active_units": units.number,
        "information": known._asdict(),
        "bits_per_dimension": bits._asdict(),
        "importance_samples": samples,
    }


def diagnosed(name: str | None) -> None:
    """Say what went wrong in a run, and what to try."""
    run = find(name)
    findings = _findings(run.load(), own_data(run, {}))
    if not findings:
        out().print(as_is(f"{run.name}: nothing found."), soft_wrap=True)
    _print_findings(findings)


def advise(run: Run, dataset: Dataset | None) -> None:
    """Say what went wrong in a run that has just ended, or which command says it, where looking takes long.

    `dataset` is what it was trained on; None: it is loaded again.
    """
    dataset = own_data(run, {}) if dataset is None else dataset
    if _seconds(run, dataset) > PATIENCE:
        out().print(f"\nnarrows diagnose {run.folder}  says what could be better", style="dim", soft_wrap=True)
        return
    if findings := _findings(run.load(), dataset):
        out().print()
        _print_findings(findings)


def _findings(model: Autoencoder, dataset: Dataset) -> list[Finding]:
    part, X, _ = dataset.evaluation_split
    return diagnose(model, dataset.train, None if part == "training" else X)


def _print_findings(findings: Sequence[Finding]) -> None:
    for finding in findings:
        # On a terminal lines are broken between words; who reads a pipe gets one line each.
        whole = not out().is_terminal
        out().print(Text(f"{finding.rule}: ", style="bold").append(finding.sentence, style="not bold"), soft_wrap=whole)
        out().print(Text(f"  Try: {finding.remedy}"), soft_wrap=whole)


def _seconds(run: Run, dataset: Dataset) -> float:
    """Return about how long a diagnosis takes: some 12,000 samples through the model, and PCA of the training data."""
    n, d = len(dataset.train), math.prod(dataset.sample_shape)
    speed = max((record["samples_per_second"] for record in run.history), default=math.inf)
    return 4000 / speed + n * d * min(n, d) / 2e10  # without gradients a sample takes a third of the time


class _Entry(NamedTuple):
    """What a name stands for that is to be compared."""

    estimator: Autoencoder
    """Of a run it is fitted."""
    size: int | None = None
    """Numbers in its code; None where it takes the size of the others."""
    run: Run | None = None
    data: tuple[str, Mapping[str, Any]] | None = None
    """Of a recipe: its data set and the options."""


def compare(names: Sequence[str], data: str | None, pairs: Sequence[str], seeds: int, samples: int, out_: str) -> None:
    """Measure runs, models and recipes on the same data; what is not trained yet is trained, once per seed."""
    if not names:
        raise ConfigError(f"compare: give runs, recipes or models ({', '.join(ESTIMATORS)}), at least one; got none.")
    entries = {name: _entry(name) for name in names}
    dataset = _common_data(entries, data, options_of(pairs))
    models = _same_size(entries)
    part, X, y = dataset.evaluation_split
    labels = {"y": dataset.train_labels, "y_test": y} if y is not None and dataset.train_labels is not None else {}

    def told(name: str, seed: int) -> None:
        err().print(f"training {name}, seed {seed}", soft_wrap=True)

    found = compare_models(
        models, dataset.train, X, **labels, validation=None if part == "validation" else dataset.validation,
        seeds=seeds, samples=samples, told=told,
    )  # fmt: skip
    out().print(as_is(f"{dataset.name}: {len(dataset.train):,} training and {len(X):,} {part} samples", "bold"))
    out().print(_table(found))
    folder = Path(out_)
    folder.mkdir(parents=True, exist_ok=True)
    found.to_json(folder / "comparison.json")
    found.to_csv(folder / "comparison.csv")
    about = f"{dataset.source}. {dataset.licence}.".replace("..", ".")
    write_report(
        folder / "report.html", found, dataset.train, X,
        title=f"Comparison on {dataset.name}", about=about, y_test=y, label_names=dataset.label_names,
    )  # fmt: skip
    out().print(str(folder / "report.html"), soft_wrap=True)


def _entry(name: str) -> _Entry:
    """Return what a name stands for: a model, a run, or else the first model of a recipe."""
    if name in ESTIMATORS:
        return _Entry(ESTIMATORS[name]())
    try:
        run = find(name)
    except NarrowsError as problem:
        if name in recipe_names():
            variant = load_recipe(name).variants[0]
            size = variant.estimator().get_params(deep=False)["latent_dim"]
            return _Entry(variant.estimator(), size, None, (variant.data, variant.data_options))
        hint = did_you_mean(name, (*ESTIMATORS, *recipe_names()))
        raise ConfigError(
            f"compare: must be given runs, recipes or models ({', '.join(ESTIMATORS)}); got {name!r}.{hint}"
        ) from problem
    fitted = run.load()
    return _Entry(fitted, fitted.latent_dim_, run)


def _common_data(entries: Mapping[str, _Entry], data: str | None, options: dict[str, Any]) -> Dataset:
    """Return the data that was named; else those of the first run, or those that all recipes share."""
    if data is not None:
        return load_dataset(data, **options)
    run = next((entry.run for entry in entries.values() if entry.run is not None), None)
    if run is not None:
        return own_data(run, options)
    own = {name: entry.data for name, entry in entries.items() if entry.data is not None}
    # What is held out for validation decides nothing of what is measured: only the rest must agree.
    kinds = {name: (of, {k: v for k, v in given.items() if k != "validation"}) for name, (of, given) in own.items()}
    if any(kind != other for kind in kinds.values() for other in kinds.values()):
        got = ", ".join(f"{name}: {of} {dict(given) or ''}".rstrip() for name, (of, given) in kinds.items())
        raise ConfigError(f"compare: recipes must be of the same data, or come with --data; got {got}. Add --data.")
    name, given = next(iter(own.values()), ("mnist-5k", {}))
    return load_dataset(name, **{**given, **options})


def _same_size(entries: Mapping[str, _Entry]) -> dict[str, Autoencoder]:
    """Return the estimators; models alone get as many numbers as the first other's code has, or the usual number."""
    default = next(field.default for field in fields(ESTIMATORS["ae"]) if field.name == "latent_dim")
    size = next((entry.size for entry in entries.values() if entry.size is not None), default)
    return {
        name: entry.estimator.set_params(latent_dim=size) if name in ESTIMATORS else entry.estimator
        for name, entry in entries.items()
    }


def _table(found: Comparison) -> Table:
    """Return the table, one measure a row; the best is bold where it leads by more than the spread."""
    table = Table("", *(escape(row.name) for row in found.rows), box=None, pad_edge=False, header_style="dim")
    for column in table.columns[1:]:
        column.justify = "right"
    for measure in found.measures:
        best = found.best(measure)
        cells = []
        for row in found.rows:
            cell = row.cells.get(measure)
            text = "–" if cell is None else number(cell.mean)
            if cell is not None and cell.deviation and math.isfinite(cell.deviation):
                text += f" ± {cell.deviation:.2g}"
            cells.append(Text(text, style="bold" if row.name == best else ""))
        table.add_row(Text(f"{measure} {'↓' if measure in LOWER else '↑'}"), *cells)  # Text: brackets are no markup
    return table
