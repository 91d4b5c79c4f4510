"""What the rules of diagnosis read, measured once: of a fitted model and its data, or of a training while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from narrows.data.arrays import Array
from narrows.errors import DataError
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import codes, encoded
from narrows.evaluation.columns import column_gains
from narrows.evaluation.diagnosis import measurements
from narrows.evaluation.diagnosis.curves import common_jump, curves_of, late_speed, rise_of
from narrows.evaluation.diagnosis.measurements import Activity
from narrows.evaluation.errors import compared_reconstructions, compared_values, pca_baseline, squared_error
from narrows.objectives import rising
from narrows.params import fields

COLLAPSED = 0.01
"""Nats: a latent dimension with a smaller KL term on average counts as collapsed."""
FLAT = 1e-6
"""Share of the largest variance below which a latent dimension does not vary."""


class Errors(NamedTuple):
    """Mean squared errors per sample, on the model's scale."""

    model: float
    pca: float
    """Of PCA with as many dimensions."""
    mean: float
    """Of the mean training sample."""


class Spread(NamedTuple):
    """Mean and deviation of every latent dimension, over samples and posterior, and the prior's: (latent_dim,) each."""

    mean: Array
    deviation: Array
    prior_mean: Array
    prior_deviation: Array


@dataclass(frozen=True)
class Evidence:
    """What is known; where it is None, or empty, nothing is."""

    model: Autoencoder
    n: int | None = None
    """Training samples."""
    rank: int = 0
    """Of PCA."""
    train: Errors | None = None
    test: Errors | None = None
    kl: Array | None = None
    """KL per latent dimension in nats, (latent_dim,), of models with a posterior where it has a closed form."""
    constant: int = 0
    """Latent dimensions that never vary, of models without a posterior."""
    spread: Spread | None = None
    """Of models with a posterior."""
    deviations: Array | None = None
    """Of every feature on the model's scale, (D,)."""
    low: float = 0.0
    high: float = 1.0
    """Least and greatest value of the training samples on the model's scale."""
    jump: tuple[float, float] | None = None
    """By how much the training loss jumped up, and fell in total."""
    speed: float | None = None
    """How fast it fell at the end, relative to its first speed, per unit of learning rate."""
    rise: tuple[int, float, float] | None = None
    """Epoch of the best validation loss, its rise since and the fall of the training loss since, while it trains."""
    validated: bool = False
    """Whether training had validation data."""
    activity: Sequence[Activity] = ()
    residual_ratio: float | None = None
    """Squared residuals divided by the variance of the likelihood."""
    grey_share: float | None = None
    """Share of values in (0.1, 0.9), of models whose likelihood is Bernoulli's."""
    output_share: float | None = None
    """Variance of the reconstructions over that of the samples."""
    off_range: float | None = None
    """Share of values of drawn samples outside the range of the data."""

    gains: Mapping[str, float] = field(default_factory=dict)
    """Of tables of typed columns: the nats by which the code explains each; see `column_gains`."""

    def parameter(self, name: str, default: Any = None) -> Any:
        """Return a parameter of the estimator, what "auto" came to be; the default where it has none of that name."""
        if name not in {field.name for field in fields(self.model)}:
            return default
        value, learnt = getattr(self.model, name), vars(self.model)
        if value == "auto" and name == "latent_dim":
            return learnt.get("latent_dim_", default)
        if value == "auto" and name == "epochs":
            return learnt["history_"][-1]["epochs"] if learnt.get("history_") else default
        return value

    @property
    def errors(self) -> Errors | None:
        """Held-out ones, where there are some."""
        return self.test or self.train

    @property
    def collapsed(self) -> bool:
        """Whether no latent dimension holds information."""
        return self.kl is not None and bool((self.kl < COLLAPSED).all())

    @property
    def fixed_scale(self) -> bool:
        """Whether the likelihood has a scale that is not learned."""
        observed = getattr(vars(self.model).get("module_"), "observed", None)
        return observed is None or (observed.log_scale is not None and not observed.learned)

    @property
    def gap(self) -> float:
        """How many times larger the error is on held-out samples; 1 without them."""
        if self.test is None or self.train is None or self.train.model <= 0:
            return 1.0
        return self.test.model / self.train.model


def measured(model: Autoencoder, X: Any, X_test: Any, y: Any, y_test: Any, seed: int) -> Evidence:
    """Return the evidence on a fitted model; see `narrows.evaluation.diagnose`."""
    train = encoded(model, X, y)
    n = len(train.x)
    if n < 2:
        raise DataError(f"diagnose: X must have at least 2 samples; got {n}. Pass the training samples.")
    rows = measurements.few(train, seed)
    held = None if X_test is None else measurements.few(encoded(model, X_test, y_test), seed)
    pca = pca_baseline(model, train)

    def errors(part: Any) -> Errors:
        each = (squared_error(model, part), pca.squared_error(part), pca.squared_error_of_mean(part))
        return Errors(*(float(error.mean()) for error in each))

    x, x_hat = compared_values(model, rows), compared_reconstructions(model, rows)
    variance = float(x.var(0).sum())
    curves, rates = curves_of(model.history_)
    speeds = [late_speed(curve, rates) for curve in curves]
    return Evidence(
        model=model,
        n=n,
        rank=pca.rank,
        train=errors(rows),
        test=None if held is None else errors(held),
        kl=measurements.kl(model, rows),
        constant=_constant(model, rows),
        spread=spread_of(model, rows),
        deviations=None if model.schema_.types is not None else x.reshape(len(x), -1).std(0),
        low=float(x.min()),
        high=float(x.max()),
        jump=common_jump(curves),
        speed=min(speeds, default=None),
        validated=any(record["validation"] is not None for record in model.history_),
        activity=measurements.activity(model, rows),
        residual_ratio=measurements.residual_ratio(model, rows, seed),
        grey_share=measurements.grey_share(model, rows, x),
        output_share=float(x_hat.var(0).sum()) / variance if variance > 0 else None,
        gains={} if model.schema_.types is None else column_gains(model, rows),
        off_range=measurements.off_range(model, rows, x, seed),
    )


def in_training(history: Sequence[dict[str, Any]], model: Autoencoder) -> Evidence:
    """Return the evidence on a training while it runs."""
    curves, _ = curves_of(history)
    rise = rise_of(history)
    kl, nats = None, _kl_of(history, model)
    if nats is not None and not (np.diff(nats[-3:]) > 0).all():  # else it may only have begun
        given = model.get_params(deep=False)["latent_dim"]
        size = given if isinstance(given, int) else vars(model).get("latent_dim_", 1)
        kl = np.full(size, nats[-1] / size)
    return Evidence(model=model, jump=common_jump(curves), kl=kl, rise=rise, validated=rise is not None)


def _kl_of(history: Sequence[dict[str, Any]], model: Autoencoder) -> Array | None:
    """Return the KL term of epochs, without the weight that beta and a warm-up give it; None where that is unknown.

    The bound is no way to it: that is of the data as given, the reconstruction on the model's scale.
    """
    given = model.get_params(deep=False)
    beta = given.get("beta", 1.0)
    if "kl" not in history[0]["train"] or not beta or given.get("free_bits"):
        return None
    middles = [(record["epoch"] - 0.5) / record["epochs"] for record in history]
    weights = [beta * float(rising(middle, given.get("kl_warmup", 0.0))) for middle in middles]
    terms: Array = np.array([record["train"]["kl"] for record in history], dtype=np.float64)
    return terms / weights


def _constant(model: Autoencoder, rows: Any) -> int:
    if model.module_.probabilistic or not model.code_.continuous:
        return 0
    variance = codes(model, rows).var(0)
    largest = float(variance.max())
    return int((variance <= FLAT * largest).sum()) if largest > 0 else len(variance)


def spread_of(model: Autoencoder, rows: Any) -> Spread | None:
    """Return where the codes of samples lie, and the prior; None for a model without posterior."""
    if not model.module_.probabilistic:
        return None
    mean, variance, prior_mean, prior_variance = measurements.aggregate(model, rows)
    return Spread(mean, np.sqrt(variance), prior_mean, np.sqrt(prior_variance))
