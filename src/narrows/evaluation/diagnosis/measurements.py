"""Measurements of a fitted model for its diagnosis, each on rows of its training data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from narrows.data.arrays import Array, Arrays, subset
from narrows.errors import ConfigError
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import batches, evaluating, from_noise, latent_variable_module, likelihood_of
from narrows.evaluation.likelihood import is_bernoulli, support
from narrows.evaluation.representation import AggregatePosterior, aggregate_posterior, kl_per_dimension

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


def few(arrays: Arrays, seed: int) -> Arrays:
    """Return at most 2,000 rows, drawn with the seed."""
    return arrays.rows(subset(len(arrays.x), LIMIT, seed))


def kl(model: Autoencoder, rows: Arrays) -> Array | None:
    """Return KL per latent dimension in nats, (latent_dim,), of models with a posterior where it has a closed form."""
    if not model.module_.probabilistic:
        return None
    with contextlib.suppress(ConfigError):
        return kl_per_dimension(model, rows)
    return None


def aggregate(model: Autoencoder, rows: Arrays) -> AggregatePosterior:
    """Return mean and variance of codes and prior."""
    return aggregate_posterior(model, rows)


def residual_ratio(model: Autoencoder, rows: Arrays, seed: int) -> float | None:
    """Return squared residuals at a draw of the code, divided by the variance of the likelihood: 1 where it fits.

    Mean over values; None where the likelihood has no scale.
    """
    if not model.module_.probabilistic or support(likelihood_of(model, rows)).is_discrete:
        return None
    module = latent_variable_module(model, "diagnose")
    ratios, rng = [], np.random.default_rng([seed, 2])
    with evaluating(module):
        for batch in batches(model, rows, size=256):
            posterior = module.posterior(batch)
            noise = from_noise(rng.standard_normal(posterior.mean.shape), posterior.mean)
            likelihood = module.likelihood(posterior.draw(noise), batch)
            ratio = (batch.x - likelihood.mean).square() / likelihood.variance
            ratios.append(ratio.flatten() if batch.mask is None else ratio[batch.mask])
    return float(torch.cat(ratios).mean())


def grey_share(model: Autoencoder, rows: Arrays, x: Array) -> float | None:
    """Return the share of values in (0.1, 0.9), of models whose likelihood is Bernoulli's."""
    if not model.module_.probabilistic or not is_bernoulli(model, rows):
        return None
    return float(((x > 0.1) & (x < 0.9)).mean())


def off_range(model: Autoencoder, rows: Arrays, x: Array, seed: int) -> float | None:
    """Return the share of the values of drawn samples that leave the data's range by a tenth of it.

    None without a prior, and for typed columns, each of which has a range of its own.
    """
    if not model.module_.probabilistic or model.schema_.types is not None:
        return None
    module, drawn = model.module_, 500
    with evaluating(module):
        z = module.prior().draw(drawn, torch.Generator(module.device).manual_seed(seed))
        (batch,) = batches(model, rows.rows(np.arange(drawn) % len(rows.x)), size=drawn)
        samples = module.decode(z, batch).cpu().numpy()
    low, high = x.min(), x.max()
    margin = 0.1 * (high - low)
    return float(((samples < low - margin) | (samples > high + margin)).mean())


def activity(model: Autoencoder, rows: Arrays) -> list[Activity]:
    """Return the outputs of the units of every activation layer, over one pass of the rows."""
    module = model.module_
    layers = {name: m for name, m in module.named_modules() if type(m) is nn.ReLU or type(m) in ENDS}
    extremes: dict[str, list[Tensor]] = {}
    hooks = [layer.register_forward_hook(_extremes(name, extremes)) for name, layer in layers.items()]
    try:
        with evaluating(module):
            inputs = list(batches(model, rows, size=256))
            encoder_output = [module.encode(batch) for batch in inputs]
            encoder = set(extremes)
            for z, batch in zip(encoder_output, inputs, strict=True):
                module.decode(z, batch)
    finally:
        for hook in hooks:
            hook.remove()
    return [_activity(name, layers[name], name not in encoder, torch.cat(parts, 1)) for name, parts in extremes.items()]


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
