"""The likelihood of rows of typed columns under independent columns and under a Gaussian copula, held out.

Both have the likelihoods of a model's columns, fitted to the training rows column by column. The copula joins them by
the correlations of `narrows.evaluation.synthesis.GaussianCopula`, drawn to 0 as far as helps. A level is an interval of
a normal variable and a missing value the whole line, over which the simulator of Geweke, Hajivassiliou and Keane (Keane
1994, doi:10.2307/2951768) integrates: its mean over draws is unbiased for a probability, so that its logarithm is a
lower bound, as that of importance weights is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logsumexp, ndtr, ndtri

from narrows.data.arrays import Arrays
from narrows.data.types_schema import log_jacobian
from narrows.evaluation.synthesis.baselines import GaussianCopula
from narrows.evaluation.synthesis.columns import columns_of
from narrows.probability.typed import ColumnLikelihoods
from narrows.probability.typed_distribution import thresholds_of

Array = NDArray[np.float64]
STEPS, DRAWS, EDGE = 1500, 200, 1e-9
SHARES = (1e-3, 0.03, 0.1, 0.2, 0.4, 0.7)
"""Of the identity in the copula's correlations, of which the best is taken."""


class Marginals:
    """A likelihood per column, with parameters that do not depend on the row, of the greatest likelihood."""

    def __init__(self, schema: Any, train: Arrays) -> None:
        self.schema, self.features = schema, schema.features
        torch.manual_seed(0)
        likelihoods = ColumnLikelihoods(self.features)
        self.layer = likelihoods.layer()
        x, mask = tensors(train)
        means = [mean for column in self.features for mean in _means(column)]
        self.h = torch.nn.Parameter(likelihoods.link(torch.tensor(means)[None]))
        optimiser = torch.optim.Adam([self.h, *self.layer.parameters()], lr=0.02)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
        for _ in range(STEPS):
            optimiser.zero_grad()
            (-self._log_prob(x, mask).sum(1).mean()).backward()
            optimiser.step()
            schedule.step()

    def _log_prob(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return torch.where(mask, self.layer(self.h.expand(len(x), -1)).log_prob(x), 0.0)

    def log_prob(self, rows: Arrays) -> Array:
        """Return log p of every value in the units of the data, 0 where it is missing: (N, D)."""
        x, mask = tensors(rows)
        with torch.no_grad():
            return (self._log_prob(x, mask) + torch.where(mask, log_jacobian(self.schema.types, x), 0.0)).numpy()

    def intervals(self, rows: Arrays) -> tuple[Array, Array]:
        """Return the distribution functions below and at every value, (N, D); equal where it has a density."""
        x, mask = (t.double().numpy() for t in tensors(rows))
        low, high = np.zeros(x.shape), np.ones(x.shape)
        with torch.no_grad():
            outputs = [part[0].double().numpy() for part in self.h.split(self.layer.sizes, 1)]
            scales = self.layer.scales.double().numpy()
            for i, column in enumerate(self.features):
                low[:, i], high[:, i] = self._interval(i, x[:, i], outputs[i], float(scales[i]), column)
        return np.where(mask, low, 0.0), np.where(mask, high, 1.0)

    def _interval(self, i: int, x: Array, h: Array, scale: float, column: Any) -> tuple[Array, Array]:
        layer, kind = self.layer, str(column.likelihood)
        if kind in ("spike", "log_spike"):
            p, normal = 1 / (1 + np.exp(-h[0])), stats.norm(h[1], scale).cdf(x)
            at = np.isclose(x, column.spike_code)
            low = (1 - p) * (np.zeros(len(x)) if kind == "log_spike" and at.all() else normal)
            low = np.where(at & (kind == "log_spike"), 0.0, low)
            above = (1 - p) * normal + p * (x > column.spike_code)
            return np.where(at, low, above), np.where(at, low + p, above)
        if kind == "student":
            both = stats.t(np.clip(np.exp(layer.log_freedom[i].item()), 0.5, 200), h[0], scale).cdf(x)
            return both, both
        if kind in ("poisson", "negative_binomial"):
            k, mean = np.rint(x * column.factor + column.offset), np.exp(h[0])
            r = np.exp(np.clip(layer.log_scales[i].item(), -10, 10))
            of = stats.poisson(mean) if kind == "poisson" else stats.nbinom(r, r / (r + mean))
            return of.cdf(k - 1), of.cdf(k)
        if kind in ("bernoulli", "categorical", "ordinal"):
            if kind == "bernoulli":
                edges = np.array([0, 1 / (1 + np.exp(h[0])), 1])
            elif kind == "categorical":
                logits = layer.levels[str(i)](torch.from_numpy(h)[None])[0].numpy() if str(i) in layer.levels else h
                edges = np.append(0, np.cumsum(np.exp(logits - logsumexp(logits))))
            else:
                row = layer.steps[layer.groups["ordinal"].index(i)][: column.classes - 1]
                cuts = thresholds_of(row).double().numpy()
                edges = np.array([0, *1 / (1 + np.exp(-(cuts - h[0]) / scale)), 1])
            k = np.clip(np.rint(x * column.factor + column.offset), 0, len(edges) - 2).astype(int)
            return edges[k], np.minimum(edges[k + 1], 1.0)
        both = stats.norm(h[0], scale).cdf(x)
        return both, both


def _means(column: Any) -> list[float]:
    """Return the means of a column's linear features: shares of levels, and 0 of numbers on the model's scale."""
    if column.likelihood in ("categorical", "bernoulli"):
        shares = column.class_shares.tolist()
        return shares[: column.linear] if column.likelihood == "categorical" else shares[-1:]
    return [column.share, 0.0] if column.linear == 2 else [0.0]


def tensors(rows: Arrays) -> tuple[torch.Tensor, torch.Tensor]:
    """Return values and mask, 0 where a value is missing."""
    mask = np.ones(rows.x.shape, bool) if rows.mask is None else rows.mask
    return torch.from_numpy(np.where(mask, rows.x, 0).astype(np.float32)), torch.from_numpy(mask)


def log_likelihoods(schema: Any, frame: Any, train: Arrays, test: Arrays, seed: int = 0) -> dict[str, Array]:
    """Return log p of each test row under independent columns and under the copula: (N,), in nats."""
    marginals = Marginals(schema, train)
    names = [column.name for column in schema.features]
    categories = [column.name for column in schema.features if column.kind == "category"]
    log_p, (low, high) = marginals.log_prob(test), marginals.intervals(test)
    share = _shrinkage(marginals, frame[names], categories, train, seed)
    R = _correlations(frame[names], categories, share)
    return {"independent columns": log_p.sum(1), "Gaussian copula": simulated(R, log_p, low, high, seed)}


def _correlations(frame: Any, categories: list[str], share: float) -> Array:
    found = GaussianCopula(columns_of(frame, categories=categories, owner="copula")).correlations
    return (1 - share) * found + share * np.eye(len(found))


def _shrinkage(marginals: Marginals, frame: Any, categories: list[str], train: Arrays, seed: int) -> float:
    """Return how far correlations are drawn to 0, by a fifth of the training rows: with few they are those of noise."""
    order = np.random.default_rng(seed).permutation(len(frame))
    held, rest = order[: len(frame) // 5][:500], order[len(frame) // 5 :]
    rows = train.rows(np.sort(held))
    log_p, (low, high) = marginals.log_prob(rows), marginals.intervals(rows)
    fits = {
        share: simulated(_correlations(frame.iloc[rest], categories, share), log_p, low, high, seed).mean()
        for share in SHARES
    }
    return max(fits, key=lambda share: fits[share])


def simulated(R: Array, log_p: Array, low: Array, high: Array, seed: int) -> Array:
    """Return log p of each row under a copula of correlations R (D, D): (N,)."""
    rng, L = np.random.default_rng(seed), np.linalg.cholesky(R)
    n, d = log_p.shape
    dense = low == high
    value, a, b = (ndtri(np.clip(edge, EDGE, 1 - EDGE)) for edge in (low, low, high))
    a, b = np.where(low <= 0, -np.inf, a), np.where(high >= 1, np.inf, b)
    weights, e = np.zeros((n, DRAWS)), np.zeros((n, DRAWS, d))
    for j in range(d):
        mean = e[:, :, :j] @ L[j, :j]
        at = (value[:, j, None] - mean) / L[j, j]
        gain = (value[:, j, None] ** 2 - at**2) / 2 - np.log(L[j, j]) + log_p[:, j, None]
        below, above = ndtr((a[:, j, None] - mean) / L[j, j]), ndtr((b[:, j, None] - mean) / L[j, j])
        mass = np.maximum(above - below, 1e-300)
        drawn = ndtri(np.clip(below + rng.random((n, DRAWS)) * mass, 1e-300, 1 - 1e-16))
        weights += np.where(dense[:, j, None], gain, np.log(mass))
        e[:, :, j] = np.where(dense[:, j, None], at, drawn)
    return logsumexp(weights, 1) - np.log(DRAWS)
