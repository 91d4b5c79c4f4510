"""What the rules of diagnosis look at: a fitted model and its data, measured once and only where a rule asks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.distributions import constraints

from narrows.estimators import PCA
from narrows.estimators.base import Autoencoder
from narrows.evaluation.inference import Array, checked, evaluating, scaled, subset, variational
from narrows.evaluation.likelihood import discrete, draw, support
from narrows.evaluation.representation import kl_per_dimension
from narrows.training import Rows

__all__ = ["Activity", "Case", "jump", "late_speed"]

LIMIT = 2000
"""Rows of each part that are looked at, drawn with the seed."""

ENDS: dict[type[nn.Module], tuple[float, ...]] = {nn.Sigmoid: (0.0, 1.0), nn.Tanh: (-1.0, 1.0)}
"""Activations that saturate, and where."""


class Activity(NamedTuple):
    """What the units of one activation layer do."""

    name: str
    units: int
    decodes: bool
    """Whether it belongs to the decoder."""
    dead: float
    """Share of units that are 0 for every sample; of ReLU layers."""
    saturated: float
    """Share of units within 1% of an end of their range for 95% of the samples; of sigmoid and tanh layers."""


class Case:
    """One model, the samples it was fitted to, and samples held out where there are some."""

    def __init__(self, model: Autoencoder, X: ArrayLike, X_test: ArrayLike | None = None, *, seed: int = 0) -> None:
        train = checked(model, X)
        self.model, self.seed, self.n = model, seed, len(train)
        self.raw = train[subset(len(train), LIMIT, seed)]
        self.X = scaled(model, self.raw)
        self.low, self.high = (float(f(train)) / (255.0 if train.dtype == np.uint8 else 1.0) for f in (np.min, np.max))
        self.raw_test: Array | None = None
        if X_test is not None:
            test = checked(model, X_test)
            self.raw_test = test[subset(len(test), LIMIT, seed)]
        self.train = train

    @cached_property
    def curves(self) -> list[Array]:
        """Training loss, reconstruction term and, where it is told, minus the ELBO, of every epoch: each (epochs,).

        Empty for fewer than 4 epochs.
        """
        means = [record["train"] for record in self.model.history_]
        if len(means) < 4:
            return []
        found = [np.array([mean[name] for mean in means]) for name in ("loss", "reconstruction")]
        return [*found, np.array([-mean["elbo"] for mean in means])] if "elbo" in means[0] else found

    @cached_property
    def rates(self) -> Array:
        """Learning rate at the end of every epoch: (epochs,)."""
        return np.array([record["learning_rate"] for record in self.model.history_])

    @cached_property
    def kl(self) -> Array | None:
        """Nats per dimension of the code, of models with a posterior."""
        return kl_per_dimension(self.model, self.raw) if self.model.module_.probabilistic else None

    @cached_property
    def codes(self) -> Array:
        """(N, latent_dim)."""
        return self.model.transform(self.raw).astype(np.float64)

    @cached_property
    def output(self) -> Array:
        """(N, *shape), on the model's scale."""
        return self.model.reconstruct(self.raw).astype(np.float64)

    @cached_property
    def size(self) -> int:
        """Numbers that PCA gets: as many as the model uses."""
        used = self.model.latent_dim_ if self.kl is None else max(1, int((self.kl >= 0.01).sum()))
        return min(used, self.n - 1, self.model.n_features_in_)

    @cached_property
    def pca(self) -> PCA:
        """PCA of that size, fitted to the training samples."""
        fields: dict[str, Any] = {"latent_dim": self.size}
        return PCA(**fields).fit(self.train)

    @cached_property
    def error(self) -> float:
        """Squared error per sample, on training samples."""
        return _error(self.X, self.output)

    @cached_property
    def test_error(self) -> float | None:
        """The same on samples held out."""
        if self.raw_test is None:
            return None
        return _error(scaled(self.model, self.raw_test), self.model.reconstruct(self.raw_test))

    @cached_property
    def pca_error(self) -> float:
        """Squared error per sample of PCA, on training samples."""
        return _error(self.X, self.pca.reconstruct(self.raw))

    @cached_property
    def pca_test_error(self) -> float:
        """The same on samples held out; nan where there are none."""
        if self.raw_test is None:
            return math.nan
        return _error(scaled(self.model, self.raw_test), self.pca.reconstruct(self.raw_test))

    @cached_property
    def error_of_mean(self) -> float:
        """Squared error per sample of the mean."""
        return _error(self.X, np.broadcast_to(self.X.mean(0), self.X.shape))

    @property
    def explained(self) -> float:
        """Share of the training data's variance that is rebuilt."""
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
        """Squared residuals at a draw of the code, by the variance that the likelihood expects: 1 where it fits.

        Mean over values; None where the likelihood has no scale.
        """
        if not self.model.module_.probabilistic:
            return None
        module = variational(self.model, "diagnose")
        ratios, rng = [], np.random.default_rng([self.seed, 2])
        with evaluating(module):
            for x in Rows(self.raw, module.device, module.dtype).chunks(256):
                posterior = module.posterior(x)
                noise = torch.from_numpy(rng.standard_normal(posterior.mean.shape)).to(posterior.mean)
                expected = module.likelihood(draw(posterior, noise[None])[0])
                if discrete(expected):
                    return None
                ratios.append(((x - expected.mean).square() / expected.variance).flatten(1).mean(1))
        return float(torch.cat(ratios).mean())

    @cached_property
    def grey_share(self) -> float | None:
        """Share of values in (0.1, 0.9), of models whose likelihood is Bernoulli."""
        if not self.model.module_.probabilistic:
            return None
        module = variational(self.model, "diagnose")
        with evaluating(module):
            z = torch.zeros(1, self.model.latent_dim_, dtype=module.dtype, device=module.device)
            if support(module.likelihood(z)) is not constraints.boolean:
                return None
        return float(((self.X > 0.1) & (self.X < 0.9)).mean())

    @cached_property
    def off_range(self) -> float | None:
        """Share of the values of drawn samples that leave the data's range by a tenth of it; None without a prior."""
        if not self.model.module_.probabilistic:
            return None
        drawn = self.model.sample(500, seed=self.seed)
        margin = 0.1 * (self.high - self.low)
        return float(((drawn < self.low - margin) | (drawn > self.high + margin)).mean())

    @cached_property
    def activity(self) -> list[Activity]:
        """What the units of every activation layer do, by one pass of the training samples."""
        module = self.model.module_
        layers = {name: m for name, m in module.named_modules() if type(m) is nn.ReLU or type(m) in ENDS}
        seen: dict[str, list[Tensor]] = {}
        hooks = [layer.register_forward_hook(_keep(name, seen)) for name, layer in layers.items()]
        try:
            with evaluating(module):
                chunks = list(Rows(self.raw, module.device, module.dtype).chunks(256))
                codes = [module.encode(x) for x in chunks]
                encoding = set(seen)
                for z in codes:
                    module.decode(z)
        finally:
            for hook in hooks:
                hook.remove()
        return [
            _activity(name, layers[name], name not in encoding, torch.cat(parts, 1)) for name, parts in seen.items()
        ]


def _keep(name: str, seen: dict[str, list[Tensor]]) -> Callable[[nn.Module, Any, Tensor], None]:
    """Return a hook that keeps the least and the greatest output of every unit over its places: (2, B, units)."""

    def hook(_: nn.Module, __: Any, out: Tensor) -> None:
        flat = out.reshape(len(out), out.shape[1], -1).float()
        seen.setdefault(name, []).append(torch.stack([flat.amin(2), flat.amax(2)]))

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
    """Return how fast a curve falls at the end, by its first speed, per unit of learning rate; 0 where it did not fall.

    Over the last and the first third of the sum of learning rates: a schedule that ends at 0 is no sign of its own.
    """
    path = np.cumsum(rates)
    third = (path[-1] - path[0]) / 3
    marks = np.interp([path[0], path[0] + third, path[-1] - third, path[-1]], path, curve)
    early, late = marks[0] - marks[1], marks[2] - marks[3]
    return float(late / early) if early > 0 else 0.0


def _error(X: Array, X_hat: Array) -> float:
    return float(np.square(X - X_hat).reshape(len(X), -1).sum(1).mean())
