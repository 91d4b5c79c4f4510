"""The numbers that recipes must reach: how each is measured, what bounds it, and whether it was reached."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from narrows.data import Dataset
from narrows.errors import ConfigError
from narrows.estimators import PCA
from narrows.estimators.base import Array, Autoencoder
from narrows.evaluation import against_baselines, elbo, measure_reconstruction
from narrows.evaluation.reconstruction import squared_error
from narrows.objectives import negative_log_likelihood

__all__ = ["BOUNDS", "MEASURES", "Goal", "Measure", "Verdict", "judge", "measured"]

BOUNDS = ("at_most", "at_least", "equals")
PIXEL = 255.0**2
"""Squared error in 0..255 units of a squared error of 1."""


class Measure(NamedTuple):
    """A number of a fitted model on one part of its data."""

    of: Callable[[Autoencoder, Array, Array], float]
    """Model, samples of the part, training samples -> the number."""
    unit: str
    of_pca: Callable[[Autoencoder, Array, Array], float] | None = None
    """The same of PCA, where that is another function."""


def _squared_error(model: Autoencoder, X: Array, train: Array) -> float:
    return float(squared_error(model, X).mean())


def _per_pixel(model: Autoencoder, X: Array, train: Array) -> float:
    return _squared_error(model, X, train) / model.n_features_in_ * PIXEL


def _against_pca(model: Autoencoder, X: Array, train: Array) -> float:
    found = against_baselines(model, X, train, with_ssim=False)
    return found.model.per_sample / found.pca.per_sample


def _rounded(model: Autoencoder, X: Array, train: Array) -> float:
    found = measure_reconstruction(model, X, with_ssim=False).rounded_accuracy
    return math.nan if found is None else found


def _negative_elbo(model: Autoencoder, X: Array, train: Array) -> float:
    return -float(elbo(model, X).mean())


def _over_ppca(model: Autoencoder, X: Array, train: Array) -> float:
    """Return the ELBO less the exact log-likelihood of PCA with as long a code (Tipping & Bishop 1999)."""
    size = min(model.latent_dim_, len(train) - 1, model.n_features_in_)
    return -_negative_elbo(model, X, train) - PCA(latent_dim=size).fit(train).score(X)


def _squared_and_kl(model: Autoencoder, X: Array, train: Array) -> float:
    """Return the negative ELBO less what the likelihood takes at its own mean: its constant, which no code changes."""
    module: Any = model.module_
    z = torch.zeros(1, model.latent_dim_, dtype=module.dtype, device=module.device)
    with torch.inference_mode():
        expected = module.likelihood(z)
        constant = float(negative_log_likelihood(expected, expected.mean))
    return _negative_elbo(model, X, train) - constant


def _negative_likelihood(model: Autoencoder, X: Array, train: Array) -> float:
    """Return minus the mean score: of autoencoders -log p(x | z), of PCA -log p(x), exactly."""
    return -model.score(X)


def _activity(model: Autoencoder, X: Array, train: Array) -> float:
    return float(model.transform(X).mean(dtype=np.float64))


def _svd(model: Autoencoder, X: Array, train: Array) -> float:
    """Return the largest difference between the model's reconstruction and that by numpy's SVD."""
    rows = train.reshape(len(train), -1).astype(np.float64) / (255.0 if train.dtype == np.uint8 else 1.0)
    mean = rows.mean(0)
    _, _, axes = np.linalg.svd(rows - mean, full_matrices=False)
    axes = axes[: model.latent_dim_]
    wanted = (rows - mean) @ axes.T @ axes + mean
    return float(np.abs(wanted - model.reconstruct(train).reshape(wanted.shape)).max())


MEASURES: dict[str, Measure] = {
    "squared error": Measure(_squared_error, "per sample, summed over values"),
    "squared error per pixel": Measure(_per_pixel, "in units of 0..255"),
    "squared error by PCA's": Measure(_against_pca, "as a share of that of PCA of the same size"),
    "cross-entropy": Measure(_negative_likelihood, "nats per sample"),
    "negative ELBO": Measure(_negative_elbo, "nats per sample", _negative_likelihood),
    "ELBO above probabilistic PCA": Measure(_over_ppca, "nats per sample, over the exact likelihood of PCA's size"),
    "squared error + KL": Measure(_squared_and_kl, "per sample, for a Gaussian of variance 1/2"),
    "rounded accuracy": Measure(_rounded, "share of values equal once rounded"),
    "mean activity": Measure(_activity, "of the code"),
    "difference from numpy's SVD": Measure(_svd, "largest of any value"),
}
"""What goals may name, beside the numbers that steps find."""


@dataclass(frozen=True)
class Goal:
    """One number that must be reached."""

    measure: str
    """Of MEASURES, or of what `step` finds."""
    part: str = "test"
    """Of the data: train, validation or test."""
    variant: str = ""
    """Which variant it is for; empty for each."""
    step: str = ""
    """The step that finds the number."""
    bound: str = "at_most"
    """at_most, at_least or equals."""
    value: float | tuple[float, ...] = math.nan
    """What is to be reached; one value per epoch where there are several."""
    tolerance: float = 0.0
    """By how much it may be missed: for plain references two standard deviations."""
    origin: str = ""
    """Where the value comes from."""

    @classmethod
    def parsed(cls, where: str, entry: Mapping[str, Any]) -> Goal:
        """Return the goal that a table of a recipe describes.

        Raises
        ------
        ConfigError
            It has no bound or several, or a value that is no number.
        """
        plain = entry.get("plain")
        bounds = [key for key in BOUNDS if key in entry]
        if len(bounds) + (plain is not None) != 1:
            raise ConfigError(f"{where}: must have one of {', '.join((*BOUNDS, 'plain'))}; got {bounds or 'none'}.")
        rest = {key: value for key, value in entry.items() if key not in (*BOUNDS, "plain")}
        if plain is not None:
            return cls._plain(where, plain, rest)
        value = entry[bounds[0]]
        numbers = value if isinstance(value, list) else [value]
        if not numbers or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in numbers):
            raise ConfigError(f"{where}: {bounds[0]} must be a number, or one per epoch; got {value!r}.")
        made = tuple(map(float, value)) if isinstance(value, list) else float(value)
        return cls(**{**rest, "bound": bounds[0], "value": made})

    @classmethod
    def _plain(cls, where: str, plain: Mapping[str, Any], rest: Mapping[str, Any]) -> Goal:
        """Return the goal of a reference by plain PyTorch: not worse than its mean by more than two deviations."""
        known = {"mean": float, "deviation": float, "seeds": int, "command": str}
        if set(plain) != set(known):
            raise ConfigError(f"{where}: plain must have {', '.join(known)}; got {', '.join(plain) or 'none'}.")
        better = "at_least" if rest.get("measure") == "rounded accuracy" else "at_most"
        origin = (
            f"plain PyTorch, {plain['seeds']} seeds: {plain['mean']:g} ± {plain['deviation']:g}; {plain['command']}"
        )
        return cls(
            **{**rest, "origin": origin},
            bound=better, value=float(plain["mean"]), tolerance=2 * float(plain["deviation"]),
        )  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """A goal, and what was found."""

    goal: Goal
    found: float | tuple[float, ...]

    @property
    def reached(self) -> bool:
        """Whether every number keeps the bound."""
        return self.missed_by <= 0

    @property
    def missed_by(self) -> float:
        """By how much the worst number misses the bound, in its unit; 0 or less where it keeps it."""
        goal = self.goal
        wanted, found = np.atleast_1d(goal.value), np.atleast_1d(self.found)
        if len(wanted) != len(found) or not np.isfinite(found).all():
            return math.inf
        over = {"at_most": found - wanted, "at_least": wanted - found, "equals": np.abs(found - wanted)}[goal.bound]
        return float(over.max() - goal.tolerance)

    def record(self) -> dict[str, Any]:
        """Return it in plain types, fit for JSON."""
        goal = self.goal
        unit = MEASURES[goal.measure].unit if goal.measure in MEASURES else ""
        return {
            "measure": goal.measure, "unit": unit, "part": goal.part, "bound": goal.bound, "wanted": goal.value,
            "tolerance": goal.tolerance, "found": self.found, "reached": self.reached, "origin": goal.origin,
        }  # fmt: skip


def measured(goal: Goal, model: Autoencoder, dataset: Dataset) -> float:
    """Return a goal's number for a fitted model.

    Raises
    ------
    ConfigError
        The data have no such split.
    """
    return MEASURES[goal.measure].of(model, dataset.split(goal.part).X, dataset.train)


def judge(
    goals: Sequence[Goal],
    model: Autoencoder,
    dataset: Dataset,
    steps: Mapping[str, Mapping[str, float]],
    by_epoch: Mapping[Goal, Sequence[float]],
) -> list[Verdict]:
    """Hold a fitted model against its goals.

    Parameters
    ----------
    goals
        What is to be reached.
    model, dataset
        What was trained, and on what.
    steps
        The numbers that the steps found, by step.
    by_epoch
        The numbers of goals with a value per epoch, as they were measured on the way.

    Raises
    ------
    ConfigError
        A step did not find the number that a goal asks for.
    """
    verdicts = []
    for goal in goals:
        if isinstance(goal.value, tuple):
            found: float | tuple[float, ...] = tuple(by_epoch[goal])
        elif goal.step:
            numbers = steps.get(goal.step, {})
            if goal.measure not in numbers:
                there = ", ".join(map(repr, numbers)) or "none"
                raise ConfigError(f"goal: {goal.step!r} must find {goal.measure!r}; it found {there}.")
            found = numbers[goal.measure]
        else:
            found = measured(goal, model, dataset)
        verdicts.append(Verdict(goal, found))
    return verdicts
