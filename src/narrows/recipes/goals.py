"""The values that recipes must reach: how each is measured, what bounds it, and whether it was reached."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from narrows.data import Dataset
from narrows.data.arrays import Arrays
from narrows.errors import ConfigError
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import encoded, evaluating, map_batches, reconstruct_encoded, values
from narrows.evaluation.errors import Baseline, pca_baseline, squared_error
from narrows.evaluation.inference import codes, likelihood_of
from narrows.evaluation.likelihood import elbo
from narrows.evaluation.reconstruction import measure_reconstruction
from narrows.objectives import negative_log_likelihood

BOUNDS = ("at_most", "at_least", "equals")
PIXEL = 255.0**2
"""Squared error in units of 0..255 of a squared error of 1."""


class Measure(NamedTuple):
    """A measure of a fitted model on one split of its data."""

    of: Callable[[Autoencoder, Arrays, Arrays], float]
    """Model, samples of the split, training samples to the value."""
    unit: str
    of_pca: Callable[[Baseline, Arrays], float] | None = None
    """The same of PCA of the same rank, where it has it."""


def _squared_error(model: Autoencoder, X: Arrays, train: Arrays) -> float:
    return float(squared_error(model, X).mean())


def _pca_squared_error(pca: Baseline, X: Arrays) -> float:
    return float(pca.squared_error(X).mean())


def _per_pixel(model: Autoencoder, X: Arrays, train: Arrays) -> float:
    return _squared_error(model, X, train) / model.n_features_in_ * PIXEL


def _pca_per_pixel(pca: Baseline, X: Arrays) -> float:
    return _pca_squared_error(pca, X) / pca.model.n_features_in_ * PIXEL


def _relative_to_pca(model: Autoencoder, X: Arrays, train: Arrays) -> float:
    return _squared_error(model, X, train) / _pca_squared_error(pca_baseline(model, train), X)


def _rounded_accuracy(model: Autoencoder, X: Arrays, train: Arrays) -> float:
    accuracy = measure_reconstruction(model, X, with_ssim=False).rounded_accuracy
    return math.nan if accuracy is None else accuracy


def _negative_elbo(model: Autoencoder, X: Arrays, train: Arrays) -> float:
    return -float(elbo(model, X).mean())


def _pca_negative_likelihood(pca: Baseline, X: Arrays) -> float:
    return -float(pca.log_likelihood(X).mean())


def _above_pca(model: Autoencoder, X: Arrays, train: Arrays) -> float:
    """Return the ELBO less the exact log-likelihood of PCA of the same rank (Tipping & Bishop 1999)."""
    return _pca_negative_likelihood(pca_baseline(model, train), X) - _negative_elbo(model, X, train)


def _squared_and_kl(model: Autoencoder, X: Arrays, train: Arrays) -> float:
    """Return the negative ELBO less the likelihood's constant: its negative logarithm at its own mean."""
    with evaluating(model.module_):
        likelihood = likelihood_of(model, X)
        constant = float(negative_log_likelihood(likelihood, likelihood.mean))
    return _negative_elbo(model, X, train) - constant


def _negative_score(model: Autoencoder, X: Arrays, train: Arrays) -> float:
    """Return minus the mean score: for autoencoders -log p(x | z), for PCA -log p(x), exactly."""
    return -float(map_batches(model, model.module_.score, X, exact=True).mean(dtype=np.float64))


def _activity(model: Autoencoder, X: Arrays, train: Arrays) -> float:
    return float(codes(model, X).mean())


def _svd(model: Autoencoder, X: Arrays, train: Arrays) -> float:
    """Return the largest difference between the model's reconstruction and that by numpy's SVD."""
    rows = values(model, train).reshape(len(train.x), -1)
    mean = rows.mean(0)
    _, _, axes = np.linalg.svd(rows - mean, full_matrices=False)
    axes = axes[: model.latent_dim_]
    expected = (rows - mean) @ axes.T @ axes + mean
    return float(np.abs(expected - reconstruct_encoded(model, train).reshape(expected.shape)).max())


MEASURES: dict[str, Measure] = {
    "squared error": Measure(_squared_error, "per sample, summed over values", _pca_squared_error),
    "squared error per pixel": Measure(_per_pixel, "in units of 0..255", _pca_per_pixel),
    "squared error relative to PCA": Measure(_relative_to_pca, "as a share of that of PCA of the same rank"),
    "cross-entropy": Measure(_negative_score, "nats per sample"),
    "negative ELBO": Measure(_negative_elbo, "nats per sample", _pca_negative_likelihood),
    "ELBO above probabilistic PCA": Measure(_above_pca, "nats per sample, above the exact likelihood of the same rank"),
    "squared error + KL": Measure(_squared_and_kl, "per sample, for a Gaussian of variance 1/2"),
    "rounded accuracy": Measure(_rounded_accuracy, "share of values equal once rounded"),
    "mean activity": Measure(_activity, "of the code"),
    "difference from numpy's SVD": Measure(_svd, "largest of any value"),
}
"""What goals may name, beside the numbers of analyses."""


@dataclass(frozen=True)
class Goal:
    """One value that must be reached."""

    measure: str
    """Of MEASURES, or of the numbers of `analysis`."""
    split: str = "test"
    """Of the data: train, validation or test."""
    variant: str = ""
    """The variant that it is for; empty for all."""
    analysis: str = ""
    """The analysis whose number it is."""
    bound: str = "at_most"
    """at_most, at_least or equals."""
    value: float | tuple[float, ...] = math.nan
    """The bound; one value per epoch where there are several."""
    tolerance: float = 0.0
    """By how much it may be missed: for references two standard deviations."""
    origin: str = ""
    """Where the bound comes from."""

    @classmethod
    def parsed(cls, where: str, entry: Mapping[str, Any]) -> Goal:
        """Return the goal that a table of a recipe describes.

        Raises
        ------
        ConfigError
            It has no bound or several, or a value that is no number.
        """
        bounds = [key for key in (*BOUNDS, "reference") if key in entry]
        if len(bounds) != 1:
            raise ConfigError(f"{where}: must have one of {', '.join((*BOUNDS, 'reference'))}; got {bounds or 'none'}.")
        rest = {key: value for key, value in entry.items() if key not in (*BOUNDS, "reference")}
        if bounds == ["reference"]:
            return cls._from_reference(where, entry["reference"], rest)
        value = entry[bounds[0]]
        numbers = value if isinstance(value, list) else [value]
        if not numbers or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in numbers):
            raise ConfigError(f"{where}: {bounds[0]} must be a number, or one per epoch; got {value!r}.")
        bound = tuple(map(float, value)) if isinstance(value, list) else float(value)
        return cls(**{**rest, "bound": bounds[0], "value": bound})

    @classmethod
    def _from_reference(cls, where: str, reference: Mapping[str, Any], rest: Mapping[str, Any]) -> Goal:
        """Return the goal of a reference in plain PyTorch: not worse than its mean by more than two deviations."""
        keys = ("mean", "deviation", "seeds", "command")
        if set(reference) != set(keys):
            raise ConfigError(f"{where}: reference must have {', '.join(keys)}; got {', '.join(reference) or 'none'}.")
        mean, deviation = float(reference["mean"]), float(reference["deviation"])
        return cls(
            **rest,
            bound="at_least" if rest.get("measure") == "rounded accuracy" else "at_most",
            value=mean,
            tolerance=2 * deviation,
            origin=f"plain PyTorch, {reference['seeds']} seeds: {mean:g} ± {deviation:g}; {reference['command']}",
        )


@dataclass(frozen=True)
class Evaluation:
    """A goal, and the value that was reached."""

    goal: Goal
    value: float | tuple[float, ...]

    @property
    def reached(self) -> bool:
        """Whether every value keeps the bound."""
        return self.missed_by <= 0

    @property
    def missed_by(self) -> float:
        """By how much the worst value misses the bound, in its unit; 0 or less where it keeps it."""
        goal = self.goal
        bound, value = np.atleast_1d(goal.value), np.atleast_1d(self.value)
        if len(bound) != len(value) or not np.isfinite(value).all():
            return math.inf
        over = {"at_most": value - bound, "at_least": bound - value, "equals": np.abs(value - bound)}[goal.bound]
        return float(over.max() - goal.tolerance)

    def record(self) -> dict[str, Any]:
        """Return it in plain types, fit for JSON."""
        goal = self.goal
        unit = MEASURES[goal.measure].unit if goal.measure in MEASURES else ""
        return {
            "measure": goal.measure, "unit": unit, "split": goal.split, "bound": goal.bound, "target": goal.value,
            "tolerance": goal.tolerance, "value": self.value, "reached": self.reached, "origin": goal.origin,
        }  # fmt: skip


def measure(goal: Goal, model: Autoencoder, dataset: Dataset) -> float:
    """Return the value of a goal's measure for a fitted model.

    Raises
    ------
    ConfigError
        The data have no such split.
    """
    split = dataset.split(goal.split)
    train = encoded(model, dataset.train, dataset.train_labels)
    return MEASURES[goal.measure].of(model, encoded(model, split.X, split.y), train)


def evaluate(
    goals: Sequence[Goal],
    model: Autoencoder,
    dataset: Dataset,
    analyses: Mapping[str, Mapping[str, float]],
    by_epoch: Mapping[Goal, Sequence[float]],
) -> list[Evaluation]:
    """Compare a fitted model with its goals.

    Parameters
    ----------
    goals
        What is to be reached.
    model, dataset
        The trained model, and its data.
    analyses
        The numbers of analyses, by analysis.
    by_epoch
        The values of goals with a bound per epoch, as they were measured during training.

    Raises
    ------
    ConfigError
        An analysis has no number of the name that a goal asks for.
    """
    evaluations = []
    for goal in goals:
        if isinstance(goal.value, tuple):
            value: float | tuple[float, ...] = tuple(by_epoch[goal])
        elif goal.analysis:
            numbers = analyses.get(goal.analysis, {})
            if goal.measure not in numbers:
                names = ", ".join(map(repr, numbers)) or "none"
                raise ConfigError(f"goal: {goal.analysis!r} must have the number {goal.measure!r}; it has {names}.")
            value = numbers[goal.measure]
        else:
            value = measure(goal, model, dataset)
        evaluations.append(Evaluation(goal, value))
    return evaluations
