"""What the rules of diagnosis read: a fitted model and its data, measured once and only where a rule asks."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from narrows.data.arrays import Array, Arrays, subset
from narrows.errors import ConfigError, DataError
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import batches, encoded, evaluating, reconstruct_encoded, values
from narrows.evaluation.errors import Baseline, pca_baseline, squared_error
from narrows.evaluation.inference import codes, from_noise, latent_variable_module, likelihood_of
from narrows.evaluation.likelihood import is_bernoulli, support
from narrows.evaluation.representation import kl_per_dimension

LIMIT = 2000
"""Rows of each part that are used, drawn with the seed."""

ENDS: dict[type[nn.Module], tuple[float, ...]] = {nn.Sigmoid: (0.0, 1.0), nn.Tanh: (-1.0, 1.0)}
"""Activations that saturate, and where."""


class Activity(NamedTuple):
    """The outputs of the units of one activation layer."""

    name: str
    units: int
    decodes: bool
    """Whether it belongs to the decoder."""
    dead: float
    """Share of units that are 0 for every sample; of ReLU layers."""
    saturated: float
    """Share of units within 1% of an end of their range for 95% of the samples; of sigmoid and tanh layers."""


class Measurements:
    """Of one model, the samples it was fitted to, and held-out samples where there are some."""

    def __init__(self, model: Autoencoder, X: Any, X_test: Any, y: Any, y_test: Any, seed: int) -> None:
        self.model, self.seed = model, seed
        self.train = encoded(model, X, y)
        self.n = len(self.train.x)
        if self.n < 2:
            raise DataError(f"diagnose: X must have at least 2 samples; got {self.n}. Pass the training samples.")
        self.rows = self._few(self.train)
        self.X = values(model, self.rows)
        self.test = None if X_test is None else self._few(encoded(model, X_test, y_test))

    def _few(self, arrays: Arrays) -> Arrays:
        return arrays.rows(subset(len(arrays.x), LIMIT, self.seed))

    @cached_property
    def curves(self) -> list[Array]:
        """Training loss, reconstruction term and, where it is recorded, minus the ELBO, of every epoch: each (epochs,).

        Empty for fewer than 4 epochs.
        """
        means = [record["train"] for record in self.model.history_]
        if len(means) < 4:
            return []
        curves = [np.array([mean[name] for mean in means]) for name in ("loss", "reconstruction")]
        return [*curves, np.array([-mean["elbo"] for mean in means])] if "elbo" in means[0] else curves

    @cached_property
    def rates(self) -> Array:
        """Learning rate at the end of every epoch: (epochs,)."""
        return np.array([record["learning_rate"] for record in self.model.history_])

    @cached_property
    def kl(self) -> Array | None:
        """KL per latent dimension in nats, (latent_dim,), of models with a posterior where it has a closed form."""
        if not self.model.module_.probabilistic:
            return None
        with contextlib.suppress(ConfigError):
            return kl_per_dimension(self.model, self.rows)
        return None

    @cached_property
    def codes(self) -> Array:
        """(N, latent_dim)."""
        return codes(self.model, self.rows)

    @cached_property
    def output(self) -> Array:
        """Reconstructions on the model's scale: (N, *shape)."""
        return reconstruct_encoded(self.model, self.rows)

    @cached_property
    def pca(self) -> Baseline:
        """PCA of the same rank."""
        return pca_baseline(self.model, self.train)

    @cached_property
    def error(self) -> float:
        """Mean squared error per sample, on training samples."""
        return float(squared_error(self.model, self.rows).mean())

    @cached_property
    def test_error(self) -> float | None:
        """The same on held-out samples."""
        return None if self.test is None else float(squared_error(self.model, self.test).mean())

    @cached_property
    def pca_error(self) -> float:
        """Mean squared error per sample of PCA, on training samples."""
        return float(self.pca.squared_error(self.rows).mean())

    @cached_property
    def pca_test_error(self) -> float:
        """The same on held-out samples; nan where there are none."""
        return math.nan if self.test is None else float(self.pca.squared_error(self.test).mean())

    @cached_property
    def error_of_mean(self) -> float:
        """Mean squared error per sample of the mean training sample."""
        return float(self.pca.squared_error_of_mean(self.rows).mean())

    @property
    def explained(self) -> float:
        """Share of the training data's variance that is reconstructed."""
        return 1 - self.error / self.error_of_mean if self.error_of_mean > 0 else 1.0

    @property
    def explained_by_pca(self) -> float:
        """The same for PCA."""
        return 1 - self.pca_error / self.error_of_mean if self.error_of_mean > 0 else 1.0

    @property
    def variance_of_data(self) -> float:
        """Summed over values."""
        return float(self.X.var(0).sum())

    @property
    def variance_of_output(self) -> float:
        """Over samples, summed over values."""
        return float(self.output.var(0).sum())

    @cached_property
    def residual_ratio(self) -> float | None:
        """Squared residuals at a draw of the code, divided by the variance of the likelihood: 1 where it fits.

        Mean over values; None where the likelihood has no scale.
        """
        if not self.model.module_.probabilistic or support(likelihood_of(self.model, self.rows)).is_discrete:
            return None
        module = latent_variable_module(self.model, "diagnose")
        ratios, rng = [], np.random.default_rng([self.seed, 2])
        with evaluating(module):
            for batch in batches(self.model, self.rows, size=256):
                posterior = module.posterior(batch)
                noise = from_noise(rng.standard_normal(posterior.mean.shape), posterior.mean)
                likelihood = module.likelihood(posterior.draw(noise), batch)
                ratio = (batch.x - likelihood.mean).square() / likelihood.variance
                ratios.append(ratio.flatten() if batch.mask is None else ratio[batch.mask])
        return float(torch.cat(ratios).mean())

    @cached_property
    def grey_share(self) -> float | None:
        """Share of values in (0.1, 0.9), of models whose likelihood is Bernoulli's."""
        if not self.model.module_.probabilistic or not is_bernoulli(self.model, self.rows):
            return None
        return float(((self.X > 0.1) & (self.X < 0.9)).mean())

    @cached_property
    def off_range(self) -> float | None:
        """Share of the values of drawn samples that leave the data's range by a tenth of it; None without a prior."""
        if not self.model.module_.probabilistic:
            return None
        module, drawn = self.model.module_, 500
        with evaluating(module):
            z = module.prior().draw(drawn, torch.Generator(module.device).manual_seed(self.seed))
            (batch,) = batches(self.model, self.rows.rows(np.arange(drawn) % len(self.rows.x)), size=drawn)
            samples = module.decode(z, batch).cpu().numpy()
        low, high = self.X.min(), self.X.max()
        margin = 0.1 * (high - low)
        return float(((samples < low - margin) | (samples > high + margin)).mean())

    @cached_property
    def activity(self) -> list[Activity]:
        """The outputs of the units of every activation layer, over one pass of the training samples."""
        module = self.model.module_
        layers = {name: m for name, m in module.named_modules() if type(m) is nn.ReLU or type(m) in ENDS}
        extremes: dict[str, list[Tensor]] = {}
        hooks = [layer.register_forward_hook(_extremes(name, extremes)) for name, layer in layers.items()]
        try:
            with evaluating(module):
                inputs = list(batches(self.model, self.rows, size=256))
                encoder_output = [module.encode(batch) for batch in inputs]
                encoder = set(extremes)
                for z, batch in zip(encoder_output, inputs, strict=True):
                    module.decode(z, batch)
        finally:
            for hook in hooks:
                hook.remove()
        return [
            _activity(name, layers[name], name not in encoder, torch.cat(parts, 1)) for name, parts in extremes.items()
        ]


def _extremes(name: str, parts: dict[str, list[Tensor]]) -> Callable[[nn.Module, Any, Tensor], None]:
    """Return a hook that keeps the least and the greatest output of every unit over its positions: (2, B, units)."""

    def hook(_: nn.Module, __: Any, out: Tensor) -> None:
        flat = out.reshape(len(out), out.shape[1], -1).float()
        parts.setdefault(name, []).append(torch.stack([flat.amin(2), flat.amax(2)]))

    return hook


def _activity(name: str, layer: nn.Module, decodes: bool, extremes: Tensor) -> Activity:
    low, high = extremes
    dead = float((high.amax(0) <= 0).float().mean()) if type(layer) is nn.ReLU else 0.0
    near = torch.zeros_like(low, dtype=torch.bool)
    for end in ENDS.get(type(layer), ()):
        near |= (high <= end + 0.01) & (low >= end - 0.01)
    saturated = float((near.float().mean(0) >= 0.95).float().mean())
    return Activity(name, low.shape[1], decodes, dead, saturated)


def jump(curve: Array) -> float:
    """Return the highest peak of a curve: how far it rose to it or fell from it, whichever is less."""
    turns = [i for i in range(1, len(curve) - 1) if (curve[i] - curve[i - 1]) * (curve[i + 1] - curve[i]) < 0]
    steps = np.diff(curve[[0, *turns, len(curve) - 1]])
    return float(max((min(up, -down) for up, down in itertools.pairwise(steps) if up > 0), default=0.0))


def late_speed(curve: Array, rates: Array) -> float:
    """Return how fast a curve falls at the end, relative to its first speed, per unit of learning rate.

    Over the last and the first third of the sum of learning rates, so that a schedule that ends at 0 does not count as
    an end of learning. 0 where the curve did not fall.
    """
    path = np.cumsum(rates)
    third = (path[-1] - path[0]) / 3
    marks = np.interp([path[0], path[0] + third, path[-1] - third, path[-1]], path, curve)
    early, late = marks[0] - marks[1], marks[2] - marks[3]
    return float(late / early) if early > 0 else 0.0
