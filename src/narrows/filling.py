"""The Gaussian by which missing values of a table are filled in for an encoder: EM with a prior on the covariance.

400 rows of 30 columns with half of their values say too little of 465 covariances: the maximum of the likelihood takes
chance for structure. So further rows are counted in, in which every column has its own variance and none says anything
of another: the mode under an inverse Wishart prior (Schafer 1997, Analysis of Incomplete Multivariate Data, sec. 5.2).
How many such rows, the weight of the prior, is chosen by values that are observed and hidden for that.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from narrows.ppca import Gaussian, Groups, expectation, given, model_of

WEIGHTS = (300.0, 100.0, 30.0, 10.0, 3.0, 1.0)
"""Of the prior, in rows: those that are tried."""
PARTS, ENOUGH = 10, 500
"""Parts of the observed values, of which one is hidden at a time to choose the weight; and how many it takes in all."""
ROWS, LEAST = 2000, 500
"""Rows that the weight is chosen by, at most: among more it hardly matters; and rows taken whatever the cost."""
CHOICE, WORK = 2**25, 2**27
"""Multiplications of a step of EM at most, about, for the choice and for the result: of more, rows are left out."""
STEPS, FURTHER = 100, 20
"""Steps of EM at most, and of EM that starts at the result for another weight."""
TOLERANCE = 1e-4
"""EM ends where a step gains less than so many nats per observed value."""


def filling_gaussian(x: Tensor, mask: Tensor, rank: int) -> Gaussian:
    """Return a Gaussian of `rank` axes, and noise, for rows x (N, D), observed where mask is True; double precision."""
    cost = rank * rank * x.shape[1]
    few = slice(None, None, math.ceil(len(x) / min(ROWS, max(LEAST, CHOICE // cost))))
    many = slice(None, None, math.ceil(len(x) / max(LEAST, WORK // cost)))
    weight, start = chosen_weight(x[few], mask[few], rank)
    return fitted(x[many], mask[many], rank, weight, start=start)


def chosen_weight(x: Tensor, mask: Tensor, rank: int) -> tuple[float, Gaussian]:
    """Return the weight by which hidden values are filled in best, and a Gaussian that was fitted with it.

    Best is the least squared error in units of the columns' variances. A tenth of the values is hidden at a time, of
    small tables several tenths in turn.
    """
    part = torch.randint(PARTS, mask.shape, generator=torch.Generator().manual_seed(0))
    x, variance = torch.where(mask, x, 0.0), moments(x, mask)[1]
    scale = torch.where(variance > 0, variance, torch.inf)
    errors, models = dict.fromkeys(WEIGHTS, 0.0), {}
    for fold in range(min(PARTS, math.ceil(ENOUGH * PARTS / max(1, int(mask.sum()))))):
        hidden, model = mask & (part == fold), None
        for weight in WEIGHTS:
            model = fitted(x, mask & ~hidden, rank, weight, start=model, steps=FURTHER if model else STEPS)
            errors[weight] += float(((filled(x, mask & ~hidden, model) - x).square() / scale)[hidden].sum())
            models[weight] = model
    best = min(WEIGHTS, key=errors.__getitem__)
    return best, models[best]


def fitted(
    x: Tensor, mask: Tensor, rank: int, weight: float, *, start: Gaussian | None = None, steps: int = STEPS,
    tolerance: float = TOLERANCE,
) -> Gaussian:  # fmt: skip
    """Return the Gaussian after EM with a prior of so many rows, from one that is given or from independent columns.

    The maximum of log p(x observed) - weight / 2 (log |C| + tr C^-1 P), P the variances of the columns: with the
    expected covariance S, a step goes to C = (n S + weight P) / (n + weight), and to its `rank` axes and noise.
    """
    x, n, before = torch.where(mask, x, 0.0), len(x), -math.inf
    groups, prior, model = Groups.of(mask), moments(x, mask)[1].diag(), start or independent(x, mask, rank)
    for _ in range(steps):
        total, mean, covariance = expectation(x, mask, groups, model, center=True)
        factor = torch.linalg.cholesky(model.covariance)
        penalty = 2 * factor.diagonal().log().sum() + (prior * torch.cholesky_inverse(factor)).sum()
        objective = total - weight / 2 * float(penalty)
        values, vectors = torch.linalg.eigh((n * covariance + weight * prior) / (n + weight))
        model = model_of(mean, vectors.flip(1).T, values.flip(0).clamp(min=0), rank)
        if objective - before < tolerance * float(mask.sum()):
            break
        before = objective
    return model


def independent(x: Tensor, mask: Tensor, rank: int) -> Gaussian:
    """Return the Gaussian of independent columns of one variance."""
    mean, variance = moments(x, mask)
    return Gaussian(mean, x.new_zeros(x.shape[1], rank), variance.mean().clamp(min=torch.finfo(x.dtype).tiny))


def moments(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance (D,) of what is observed of every column."""
    counts = mask.sum(0).clamp(min=1)
    mean = torch.where(mask, x, 0.0).sum(0) / counts
    return mean, torch.where(mask, x - mean, 0.0).square().sum(0) / counts


def filled(x: Tensor, mask: Tensor, model: Gaussian) -> Tensor:
    """Return x with the mean of what is missing given what is observed: (N, D)."""
    result = torch.empty_like(x)
    for part in given(x, mask, model):
        result[part.rows] = part.filled
    return result
