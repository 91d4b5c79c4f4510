"""What drawn rows are held against: independent columns, and a Gaussian copula, both of values of training rows.

A draw is an array (n, D) of positions: the value in row i of column j is that of training row `rows[i, j]`, so that
types, levels and missing values are those of the training rows whatever they are.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr, ndtri

from narrows.data.arrays import Array
from narrows.evaluation.synthesis.columns import Column

TERMS = 60
"""Hermite polynomials by which two columns with steps are compared; see `latent_correlations`."""
HALVINGS = 40


def independent_rows(columns: list[Column], n: int, seed: int = 0, table: int = 0) -> Array:
    """Return positions of training rows (n, D), each drawn for itself: no column says anything of another."""
    rng = np.random.default_rng(seed)
    return rng.integers(len(columns[0].values[table]), size=(n, len(columns)))


class GaussianCopula:
    """A multivariate normal whose dimensions are cut and stretched to the columns' own distributions (Nelsen, 2006).

    A column is a step function of a standard normal variable: its values in order, numbers by size and categories by
    their number of rows, each over an interval whose probability is the value's share. The correlations of the normal
    variables are those under which the columns have the correlations that they have; see `latent_correlations`. What is
    missing is missing together as in a training row drawn at random.

    Parameters
    ----------
    columns
        Of `columns_of`.
    table
        Which of their tables is that of the training rows.

    Attributes
    ----------
    correlations
        (D, D), of the normal variables.
    """

    def __init__(self, columns: list[Column], table: int = 0) -> None:
        self.order: list[Array] = []
        """Of each column the rows where it is there, by their values' order."""
        self.missing = np.stack([column.missing(table) for column in columns], 1)
        steps = []
        for j, column in enumerate(columns):
            there = np.flatnonzero(~self.missing[:, j])
            values = column.values[table][there]
            if not column.numeric:  # the most frequent level first
                _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
                place = np.argsort(np.argsort(-counts, kind="stable"))
                values = place[inverse] if len(values) else values
            self.order.append(there[np.argsort(values, kind="stable")])
            steps.append(_Steps(values, there, len(self.missing)))
        self.correlations = latent_correlations(steps, ~self.missing)

    def rows(self, n: int, seed: int = 0) -> Array:
        """Return positions of training rows (n, D)."""
        rng = np.random.default_rng(seed)
        vectors, values = np.linalg.eigh(self.correlations)[::-1]
        root = vectors * np.sqrt(np.maximum(values, 0))
        z = rng.standard_normal((n, len(self.correlations))) @ root.T
        patterns = self.missing[rng.integers(len(self.missing), size=n)]
        rows = np.empty(z.shape, np.int64)
        for j, order in enumerate(self.order):
            absent = np.flatnonzero(self.missing[:, j])
            if len(order):
                rows[:, j] = order[np.minimum((ndtr(z[:, j]) * len(order)).astype(np.int64), len(order) - 1)]
            if len(absent):
                rows[patterns[:, j], j] = absent[0]
        return rows


class _Steps:
    """A column as a step function of a standard normal variable Z, its heights the means of Z over the steps.

    `scores` (N,) is the height for each row, 0 where the value is missing, and `coefficients` (K,) are
    E[g(Z) He_k(Z)] / sqrt(k!) for k = 1, ..., K, He_k the Hermite polynomials of probability theory.
    """

    def __init__(self, values: Array, there: Array, n: int) -> None:
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        edges = np.concatenate([[0.0], np.cumsum(counts) / max(1, len(values))])
        edges[-1] = 1.0
        bounds = ndtri(edges)
        density = np.exp(-np.square(bounds) / 2) / math.sqrt(2 * math.pi)  # 0 at both ends
        heights = (density[:-1] - density[1:]) / np.maximum(np.diff(edges), 1e-300)
        self.scores = np.zeros(n)
        self.scores[there] = heights[inverse]
        inner, weights = bounds[1:-1], density[1:-1] * np.diff(heights)
        # E[g He_k] is the sum over steps of h (He_{k-1} phi at the lower bound - the same at the upper one), which is
        # the sum over inner bounds of He_{k-1} phi times the jump there.
        self.coefficients = np.empty(TERMS)
        before, current = np.zeros_like(inner), np.ones_like(inner)
        for k in range(1, TERMS + 1):
            self.coefficients[k - 1] = (weights * current).sum() / math.sqrt(k)
            before, current = current, (inner * current - math.sqrt(k - 1) * before) / math.sqrt(k)


def latent_correlations(steps: list[_Steps], there: Array) -> Array:
    """Return the correlations (D, D) of standard normal variables, of which columns are step functions.

    By Mehler's formula, E[f(X) g(Y)] = sum_k a_k b_k r^k for normal X and Y of correlation r, where a_k and b_k are the
    coefficients of f and g in normalised Hermite polynomials. The left side is the mean over the rows where both values
    are there; the right side rises with r, which is found by bisection. For numbers without ties this is the
    correlation of normal scores. Where the matrix has negative eigenvalues they become 0, and its diagonal 1 again.
    """
    scores = np.stack([step.scores for step in steps], 1)
    a = np.stack([step.coefficients for step in steps])
    both = there.astype(np.float64).T @ there.astype(np.float64)
    wanted = (scores.T @ scores) / np.maximum(both, 1)
    products = a[:, None, :] * a[None, :, :] if len(a) <= 200 else None
    low, high = np.full(wanted.shape, -1.0), np.full(wanted.shape, 1.0)
    for _ in range(HALVINGS):
        r = (low + high) / 2
        below = _series(a, products, r) < wanted
        low, high = np.where(below, r, low), np.where(below, high, r)
    r = np.where(both > 1, (low + high) / 2, 0.0)
    constant = np.abs(a).sum(1) < 1e-9  # says nothing of others
    r[constant] = r[:, constant] = 0
    np.fill_diagonal(r, 1.0)
    values, vectors = np.linalg.eigh((r + r.T) / 2)
    if values[0] < 0:
        r = (vectors * np.maximum(values, 0)) @ vectors.T
        deviations = np.sqrt(np.diag(r))
        r /= np.outer(deviations, deviations)
    return r


def _series(a: Array, products: Array | None, r: Array) -> Array:
    """Return sum_k a_ik a_jk r_ij^k by Horner's rule: (D, D)."""
    total = np.zeros_like(r)
    for k in range(a.shape[1] - 1, -1, -1):
        total = (total + (np.outer(a[:, k], a[:, k]) if products is None else products[:, :, k])) * r
    return total
