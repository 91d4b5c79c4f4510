"""What `narrows evaluate` and `narrows compare` measure and print, and what the names in a comparison mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table
from rich.text import Text

from narrows.cli.arguments import Source, values_of_flags
from narrows.cli.console import note, out
from narrows.cli.locate import run_of
from narrows.data import DATASETS, Dataset, load_dataset
from narrows.data.arrays import Array, Arrays
from narrows.errors import ConfigError, NarrowsError, did_you_mean
from narrows.estimators import ESTIMATORS
from narrows.estimators.base import Autoencoder
from narrows.estimators.latents import auto_latent_dim
from narrows.evaluation import (
    PIXELS,
    Comparison,
    Features,
    active_units,
    bits_per_dimension,
    classifier_features,
    inception_features,
    information,
    measure_generation,
    unit,
)
from narrows.evaluation.comparison import LOWER
from narrows.numbers import number
from narrows.params import fields, validate
from narrows.recipes import load_recipe, recipe_names
from narrows.runs import Run
from narrows.runs.dataset import with_new_rows

GENERATED = 2000
"""Samples that a model generates at most to be compared with those held out."""


def features_of(name: str, dataset: Dataset) -> Features:
    """Return the features of a name, or of a file of Inception's weights; ConfigError where it is neither."""
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


def generation_record(model: Autoencoder, dataset: Dataset, X: Array, features: Features) -> dict[str, Any]:
    """Print and return how near samples of the model are to those held out."""
    sampler = "prior" if model.module_.probabilistic else "gmm"
    train = None if model.codes_ is not None else dataset.train
    generated = model.sample(min(len(X), GENERATED), 0, sampler, X=train)
    measures = measure_generation(X, generated, features=features)
    table = Table(f"samples, codes by {sampler}", "", box=None, pad_edge=False, header_style="dim")
    for measure, value in measures.items():
        table.add_row(measure, number(value))
    out().print(table)
    return {"sampler": sampler, **measures}


def latent_record(model: Autoencoder, X: Arrays, draws: int) -> dict[str, Any]:
    """Print and return what is measured of models with a posterior alone."""
    units, latent, bits = active_units(model, X), information(model, X), bits_per_dimension(model, X, samples=draws)
    table = Table("code", "", box=None, pad_edge=False, show_header=False)
    table.add_row("active units", f"{units.number} of {model.latent_dim_}")
    table.add_row("KL from the prior", f"{number(latent.kl)} nats")
    table.add_row("  mutual information", f"{number(latent.mutual_information)} nats, at most {number(latent.ceiling)}")
    table.add_row("  aggregate from prior", f"{number(latent.marginal_kl)} nats")
    table.add_row(
        "bits per dimension", f"{number(bits.mean)} ± {number(bits.standard_error)} standard error (K = {draws})"
    )
    out().print(table)
    out().print(Text(f"likelihood: {unit(model, X)}", style="dim"), soft_wrap=True)
    measured = {"information": latent._asdict(), "bits_per_dimension": bits._asdict()}
    return {"active_units": units.number, **measured, "importance_samples": draws}


class Entry(NamedTuple):
    """What a name means that is to be compared."""

    estimator: Autoencoder
    """Of a run it is fitted."""
    latent_dim: int | None = None
    """None where it takes that of the others."""
    run: Run | None = None
    data: tuple[str, Mapping[str, Any]] | None = None
    """Of a recipe: its data set and the options."""


def entries_of(names: Sequence[str]) -> dict[str, Entry]:
    """Return what names mean: a model, a run, or else the first model of a recipe; else ConfigError is raised."""
    if not names:
        raise ConfigError(f"compare: give runs, recipes or models ({', '.join(ESTIMATORS)}), at least one; got none.")
    return {name: _entry(name) for name in names}


def _entry(name: str) -> Entry:
    if name in ESTIMATORS:
        return Entry(ESTIMATORS[name]())
    try:
        run = run_of(name)
    except NarrowsError as problem:
        if name in recipe_names():
            variant = load_recipe(name).variants[0]
            estimator = variant.estimator()
            latent_dim = estimator.get_params(deep=False)["latent_dim"]
            return Entry(estimator, latent_dim, None, (variant.data, variant.data_options))
        hint = did_you_mean(name, (*ESTIMATORS, *recipe_names()))
        raise ConfigError(
            f"compare: must be given runs, recipes or models ({', '.join(ESTIMATORS)}); got {name!r}.{hint}"
        ) from problem
    fitted = run.load()
    return Entry(fitted, fitted.latent_dim_, run)


def common_data(entries: Mapping[str, Entry], source: Source) -> Dataset:
    """Return the data that flags name; else those of the first run, or those that all recipes share.

    Raises ConfigError where the recipes have different data.
    """
    run = next((entry.run for entry in entries.values() if entry.run is not None), None)
    if source.data is not None:
        if run is not None and source.data not in DATASETS:
            return with_new_rows(run, source.data, source.options, changed=note)
        return load_dataset(source.data, **source.options)
    if run is not None:
        return source.dataset(run)
    recipes = {name: entry.data for name, entry in entries.items() if entry.data is not None}
    # What is held out for validation decides nothing of what is measured: only the rest must agree.
    kinds = {name: (of, {k: v for k, v in given.items() if k != "validation"}) for name, (of, given) in recipes.items()}
    if any(kind != other for kind in kinds.values() for other in kinds.values()):
        got = ", ".join(f"{name}: {of} {dict(given) or ''}".rstrip() for name, (of, given) in kinds.items())
        raise ConfigError(f"compare: recipes must be of the same data, or come with --data; got {got}. Add --data.")
    name, given = next(iter(recipes.values()), ("mnist-5k", {}))
    return load_dataset(name, **{**given, **source.options})


def models_of(entries: Mapping[str, Entry], given: Mapping[str, Any]) -> dict[str, Autoencoder]:
    """Return the estimators; models that are named alone take the parameters that flags give, those that they have.

    Without such a flag they get the latent dimension of the first other, if there is one. Raises ConfigError where no
    model has a parameter that is given.
    """
    others = [entry.latent_dim for entry in entries.values() if entry.latent_dim is not None]
    default = {"latent_dim": others[0]} if others else {}
    models: dict[str, Autoencoder] = {}
    taken: set[str] = set()
    for name, entry in entries.items():
        models[name] = entry.estimator
        if name in ESTIMATORS:
            known = {each.name for each in fields(ESTIMATORS[name])}
            own = {key: value for key, value in given.items() if key.partition("__")[0] in known}
            models[name].set_params(**{**default, **values_of_flags(ESTIMATORS[name], own)})
            validate(models[name])
            taken |= own.keys()
    if lost := [f"--{name.replace('__', '.').replace('_', '-')}" for name in given if name not in taken]:
        names = ", ".join(ESTIMATORS)
        raise ConfigError(f"compare: {', '.join(lost)} must go with a model that is trained here ({names}) and has it.")
    return models


def of_one_size(models: Mapping[str, Autoencoder], dataset: Dataset) -> None:
    """Give models that would take as many dimensions as the data allow, as PCA does, those that "auto" stands for."""
    size = auto_latent_dim(math.prod(np.shape(dataset.train[0])))
    for name, model in models.items():
        if name in ESTIMATORS and model.get_params(deep=False)["latent_dim"] is None:
            model.set_params(latent_dim=size)


def comparison_table(comparison: Comparison) -> Table:
    """Return the table, one measure a row; the best is bold where it leads by more than the spread."""
    table = Table("", *(row.name for row in comparison.rows), box=None, pad_edge=False, header_style="dim")
    for column in table.columns[1:]:
        column.justify = "right"
    for measure in comparison.measures:
        best = comparison.best(measure)
        cells = []
        for row in comparison.rows:
            cell = row.cells.get(measure)
            text = "–" if cell is None else number(cell.mean)
            if cell is not None and cell.deviation and math.isfinite(cell.deviation):
                text += f" ± {cell.deviation:.2g}"
            cells.append(Text(text, style="bold" if row.name == best else ""))
        table.add_row(Text(f"{measure} {'↓' if measure in LOWER else '↑'}"), *cells)  # Text: brackets are no markup
    return table
