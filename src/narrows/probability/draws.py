"""Draws from p(x | z), and its mean over several z, of any likelihood; typed columns have their own of both."""

from __future__ import annotations

from functools import singledispatch

import torch
from torch import Tensor
from torch.distributions import Distribution

from narrows.probability.typed_distribution import ColumnDistribution
from narrows.rng import Seeded


@singledispatch
def draw(likelihood: Distribution, stream: Seeded) -> Tensor:
    """Return a draw of every value: (B, *shape)."""
    with stream:
        return likelihood.sample()


@draw.register
def _(likelihood: ColumnDistribution, stream: Seeded) -> Tensor:
    return likelihood.draw(stream.generator)


@singledispatch
def weighted_mean(likelihood: Distribution, weight: Tensor) -> Tensor:
    """Return the mean over x of K draws of z for each of B rows, by weights (K, B): (K * B, *shape) to (B, *shape)."""
    return _mean(likelihood.mean, weight)


@weighted_mean.register
def _(likelihood: ColumnDistribution, weight: Tensor) -> Tensor:
    return likelihood.point(_mean(likelihood.moments, weight))  # a mean of indices of levels is none


def _mean(x: Tensor, weight: Tensor) -> Tensor:
    return torch.einsum("kb,kb...->b...", weight.to(x.dtype), x.unflatten(0, weight.shape))
