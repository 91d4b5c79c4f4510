"""Probabilistic PCA where values are missing: its conditional distributions, and its maximum likelihood by EM.

x ~ N(mean, W W^T + noise I), W (D, k) with orthogonal columns (Tipping & Bishop 1999, doi.org/10.1111/1467-9868.00196,
eq. 3); of a row with observed values o, all that is asked for follows from M_o = W_o^T W_o + noise I (k, k).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from narrows.pca import Axes

Array = np.ndarray[Any, Any]

ITERATIONS = 2000
"""Steps of EM at most."""
TOLERANCE = 1e-8
"""EM ends where a step gains less than so many nats per observed value, by the steps that would follow it."""
FLOOR = 1e-12
"""The least noise, relative to the largest variance: data in a plane have no density."""
VALUES = 2**23
"""Values of factors that are in memory at once."""


@dataclass(frozen=True)
class Gaussian:
    """N(mean, loadings loadings^T + noise I)."""

    mean: Tensor
    """(D,)."""
    loadings: Tensor
    """(D, k)."""
    noise: Tensor
    """Without dimensions, positive."""

    @property
    def covariance(self) -> Tensor:
        """(D, D)."""
        unit = torch.eye(len(self.mean), dtype=self.mean.dtype, device=self.mean.device)
        return self.loadings @ self.loadings.T + self.noise * unit

    @classmethod
    def of(cls, mean: Tensor, components: Tensor, variance: Tensor, noise: Tensor) -> Gaussian:
        """Return it for unit vectors (k, D), the variance along each, and that along all other directions.

        Where all directions are among the components, the least of their variances counts as noise, which leaves the
        distribution as it is.
        """
        least = variance[-1] if len(components) == len(mean) else noise
        floor = FLOOR * float(variance.max()) + torch.finfo(variance.dtype).tiny
        least = torch.minimum(least, variance[-1]).clamp(min=floor)
        return cls(mean, components.T * (variance - least).clamp(min=0).sqrt(), least)


class Groups(NamedTuple):
    """Rows by the pattern of their mask: what it takes to solve for one row serves all of a pattern."""

    patterns: Tensor
    """(P, D), the masks that rows have."""
    sizes: Tensor
    """(P,), rows of each."""
    order: Tensor
    """(N,), positions of the rows, pattern by pattern."""
    pattern: Tensor
    """(N,), the pattern of each row."""

    @classmethod
    def of(cls, mask: Tensor) -> Groups:
        """Return the groups of rows with masks (N, D)."""
        patterns, index, counts = torch.unique(mask, dim=0, return_inverse=True, return_counts=True)
        return cls(patterns, counts, torch.argsort(index, stable=True), index)

    def parts(self, size: int) -> Iterator[tuple[slice, Tensor]]:
        """Yield at most `size` patterns at once, and the rows that have them."""
        ends = [0, *self.sizes.cumsum(0).tolist()]
        for first in range(0, len(self.patterns), size):
            last = min(first + size, len(self.patterns))
            yield slice(first, last), self.order[ends[first] : ends[last]]


class Given(NamedTuple):
    """What is known of some rows by their observed values."""

    rows: Tensor
    """(B,), their positions."""
    own: Tensor
    """(B,), the position of each row's pattern in `factors`."""
    patterns: slice
    """Of the groups."""
    factors: Tensor
    """(P, k, k), lower triangular: M_o = L L^T."""
    latents: Tensor
    """(B, k), E[z | x_o]."""
    filled: Tensor
    """(B, D), the observed values, and E[x | x_o] of the others."""
    log_prob: Tensor
    """(B,), log p(x_o)."""


def given(x: Tensor, mask: Tensor, model: Gaussian, groups: Groups | None = None) -> Iterator[Given]:
    """Yield what is known of rows x (N, D) by their values where mask is True, in parts: rows of a pattern together."""
    groups = groups or Groups.of(mask)
    W, noise = model.loadings, model.noise
    d, k = W.shape
    products = (W[:, :, None] * W[:, None, :]).reshape(d, k * k)
    unit = noise * torch.eye(k, dtype=W.dtype, device=W.device)
    for part, rows in groups.parts(max(1, VALUES // max(1, k * max(k, d)))):
        factors = torch.linalg.cholesky((groups.patterns[part].to(W.dtype) @ products).view(-1, k, k) + unit)
        own, seen = groups.pattern[rows] - part.start, mask[rows]
        left = torch.where(seen, x[rows] - model.mean, 0.0)
        right = (left @ W)[:, :, None]
        pieces = zip(*(torch.split(t, max(1, VALUES // max(1, k * k))) for t in (right, own)), strict=True)
        latents = torch.cat([torch.cholesky_solve(some, factors[which]) for some, which in pieces])[:, :, 0]
        along = latents @ W.T
        # |r|^2 - r^T W z, written as a sum of squares: no difference of near-equal numbers.
        distance = torch.where(seen, left - along, 0.0).square().sum(1) / noise + latents.square().sum(1)
        n = seen.sum(1).to(W.dtype)
        determinant = 2 * factors.diagonal(dim1=1, dim2=2).log().sum(1)[own] + (n - k) * noise.log()
        log_prob = -(n * math.log(2 * math.pi) + determinant + distance) / 2
        filled = torch.where(seen, x[rows], model.mean + along)
        yield Given(rows, own, part, factors, latents, filled, log_prob)


def draws(x: Tensor, mask: Tensor, model: Gaussian, noise: Tensor) -> Tensor:
    """Return x with draws from p(x_missing | x_o), made of normal noise (m, N, k + D): (m, N, D)."""
    k = model.loadings.shape[1]
    filled = x.expand(len(noise), *x.shape).clone()
    for part in given(x, mask, model):
        # Of covariance noise M^-1 = noise L^-T L^-1.
        normal = noise[:, part.rows, :k].permute(1, 2, 0)
        spread = torch.linalg.solve_triangular(part.factors[part.own].mT, normal, upper=True).permute(2, 0, 1)
        along = (part.latents + model.noise.sqrt() * spread) @ model.loadings.T
        drawn = model.mean + along + model.noise.sqrt() * noise[:, part.rows, k:]
        filled[:, part.rows] = torch.where(mask[part.rows], x[part.rows], drawn)
    return filled


def incomplete_axes(X: Array, mask: Array, k: int, *, center: bool = True) -> Iterator[tuple[Axes, bool]]:
    """Yield the first k principal axes of X (N, *shape), observed where mask is True, and whether they are the last.

    Those of probabilistic PCA's maximum likelihood, by EM. Variances have n - 1 degrees of freedom, as those of
    complete data, which changes no conditional mean. Where EM did not converge, a warning says so.
    """
    for axes, step in _found(X, mask, k, center):
        yield axes, step.last
        if step.last and not step.converged:
            warnings.warn(
                f"PCA: EM did not converge in {ITERATIONS:,} iterations; the axes are those of the last. Lower "
                "latent_dim, or leave out columns with few values.",
                ConvergenceWarning,
                stacklevel=2,
            )


def _found(X: Array, mask: Array, k: int, center: bool) -> Iterator[tuple[Axes, Step]]:
    n = len(X)
    x, seen = torch.from_numpy(X.reshape(n, -1)).double(), torch.from_numpy(mask.reshape(n, -1))
    unit = n / (n - 1)
    for step in expectation_maximisation(x, seen, k, center=center):
        components = step.components[:k].numpy().copy()
        largest = np.abs(components).argmax(1)
        components *= np.where(components[np.arange(k), largest] < 0, -1.0, 1.0)[:, None]
        values = step.values.numpy() * unit
        noise = float(values[k:].mean()) if k < len(values) else 0.0
        yield Axes(step.model.mean.numpy(), components, values[:k], float(values.sum()), noise), step


class Step(NamedTuple):
    """A step of EM."""

    model: Gaussian
    """After it."""
    values: Tensor
    """(D,), eigenvalues of the expected covariance, falling, with n degrees of freedom."""
    components: Tensor
    """(D, D), unit vectors, by falling variance."""
    log_likelihood: float
    """Per row, of the model before the step."""
    converged: bool
    """Whether further steps would gain less than the tolerance."""
    last: bool


def leading_axes(model: Gaussian, k: int) -> Axes:
    """Return the first k <= D principal axes of a Gaussian."""
    d = len(model.mean)
    values, vectors = torch.linalg.eigh(model.covariance)
    values, components = values.flip(0).clamp(min=0).numpy(), vectors.flip(1).T[:k].numpy()
    noise = float(values[k:].mean()) if k < d else 0.0
    return Axes(model.mean.numpy(), components.copy(), values[:k], float(values.sum()), noise)


def expectation_maximisation(x: Tensor, mask: Tensor, k: int, *, center: bool = True) -> Iterator[Step]:
    """Yield the steps of EM for rows x (N, D), observed where mask is True, to convergence, or `ITERATIONS` of them.

    What is missing is the only hidden quantity: a step takes the expectation of mean and covariance of the whole rows
    given what is observed, and then the exact maximum for these (Tipping & Bishop 1999, eq. 7 and 8). Without holes the
    first step is the last. The code's own EM (Ilin & Raiko 2010, jmlr.org/papers/v11/ilin10a.html, sec. 3) takes many
    more. The likelihood never falls.
    """
    x = torch.where(mask, x, 0.0)
    observed = int(mask.sum())
    model, groups = _start(x, mask, k, center), Groups.of(mask)
    before = gain = math.nan
    for iteration in range(1, ITERATIONS + 1):
        total, mean, covariance = expectation(x, mask, groups, model, center)
        values, vectors = torch.linalg.eigh(covariance)
        values, components = values.flip(0).clamp(min=0), vectors.flip(1).T
        model = model_of(mean, components, values, k)
        last, gain = gain, total - before
        # Steps gain by a factor: what all that follow would add is a geometric series.
        factor = min(gain / last, 0.999) if last > 0 and gain > 0 else 0.0
        converged = gain / (1 - factor) < TOLERANCE * observed
        before = total
        yield Step(model, values, components, total / len(x), converged, converged or iteration == ITERATIONS)
        if converged:
            return


def model_of(mean: Tensor, components: Tensor, values: Tensor, k: int) -> Gaussian:
    """Return the maximum of the likelihood for a covariance."""
    d = len(mean)
    noise = values[k:].sum() / (d - k) if k < d else values[-1]
    return Gaussian.of(mean, components[:k], values[:k], noise)


def _start(x: Tensor, mask: Tensor, k: int, center: bool) -> Gaussian:
    """Return the model of the covariance of every two columns over the rows in which both are observed."""
    weight = mask.to(x.dtype)
    mean = x.sum(0) / weight.sum(0).clamp(min=1) if center else x.new_zeros(x.shape[1])
    left = torch.where(mask, x - mean, 0.0)
    covariance = (left.T @ left) / (weight.T @ weight).clamp(min=1)
    values, vectors = torch.linalg.eigh(covariance)
    values = values.flip(0)
    # Pairs over different rows need not make a covariance: what is negative, or too near 0 to move, is lifted.
    values = values.clamp(min=1e-3 * float(values.clamp(min=0).mean()))
    return model_of(mean, vectors.flip(1).T, values, k)


def expectation(
    x: Tensor, mask: Tensor, groups: Groups, model: Gaussian, center: bool
) -> tuple[float, Tensor, Tensor]:  # fmt: skip
    """Return the log likelihood, and the expected mean (D,) and covariance (D, D) given what is observed."""
    n, d = x.shape
    filled, total = torch.empty_like(x), 0.0
    covariance = x.new_zeros(d, d)
    missing = (~mask).sum(0).to(x.dtype)
    for part in given(x, mask, model, groups):
        filled[part.rows] = part.filled
        total += float(part.log_prob.sum())
        patterns, counts = groups.patterns[part.patterns], groups.sizes[part.patterns]
        holes = ~patterns.all(1)
        # Of what is missing, noise I + W_m (noise M^-1) W_m^T: M^-1 = L^-T L^-1.
        loadings = torch.where(patterns[holes][:, None, :], 0.0, model.loadings.T)
        spread = torch.linalg.solve_triangular(part.factors[holes], loadings, upper=False)
        spread = (spread * (model.noise * counts[holes]).sqrt()[:, None, None]).reshape(-1, d)
        covariance.addmm_(spread.T, spread)
    covariance.diagonal().add_(model.noise * missing)
    mean = filled.mean(0) if center else x.new_zeros(d)
    left = filled - mean
    return total, mean, covariance.addmm_(left.T, left) / n
