"""The principal axes of data: the mean, the directions of greatest variance, and how much there is along each."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

__all__ = ["LARGEST", "SOLVERS", "Axes", "principal_axes"]

Array = np.ndarray[Any, Any]

LARGEST = 1e150
"""Values beyond have no finite square in double precision."""
ROWS = 4096
"""Rows that are held in double precision at once."""
EXACT = 2**10
"""Rows of pixels whose products float32 sums without rounding."""
OVERSAMPLING, POWERS = 64, 3
"""Dimensions beyond latent_dim that the range finder follows, and how often it multiplies by the product."""
HUGE = 5e11
"""Multiplications for the exact product from which on auto finds the range instead."""


class Axes(NamedTuple):
    """What is found: exact, but by the range finder."""

    mean: Array
    """(D,); 0 where nothing is centred."""
    components: Array
    """Unit vectors, by falling variance: (k, D)."""
    variance: Array
    """Along each, with n - 1 degrees of freedom: (k,)."""
    total: float
    """Along all D."""
    noise: float
    """Mean along those that are left out."""


def principal_axes(X: Array, k: int, *, center: bool = True, solver: str = "auto") -> Axes:
    """Return the first k principal axes of X (N, *shape), k <= min(N, D); uint8 counts as pixels, scaled by 1/255.

    `solver` is "auto", which goes by the shape, or one of `SOLVERS`.
    """
    n, d = len(X), math.prod(X.shape[1:])
    mean = _mean(X).reshape(-1) if center else np.zeros(d)
    if solver == "auto":
        work = float(n) * d * min(n, d)
        if work < 2e9:  # a second or so: the decomposition of the data keeps all digits
            solver = "svd"
        elif work > HUGE and 8 * (k + OVERSAMPLING) < min(n, d):
            solver = "range"
        else:
            solver = "covariance" if n >= d else "gram"
    values, components, total = SOLVERS[solver](X, mean, k)
    # scikit-learn's sign: the largest entry of every component is positive.
    largest = np.abs(components).argmax(1)
    components *= np.where(components[np.arange(k), largest] < 0, -1.0, 1.0)[:, None]
    variance, total = np.maximum(values, 0) / (n - 1), total / (n - 1)
    rest = min(n, d) - k
    noise = max(total - variance.sum(), 0.0) / rest if rest > 0 else 0.0
    return Axes(mean, components, variance, float(total), float(noise))


def _chunks(X: Array, mean: Array) -> Generator[Array, None, None]:
    """Yield centred rows in double precision, flat; uint8 scaled by 1/255."""
    for start in range(0, len(X), ROWS):
        chunk = np.asarray(X[start : start + ROWS]).reshape(-1, mean.size)
        scaled = chunk / 255 if chunk.dtype == np.uint8 else chunk.astype(np.float64)
        yield scaled - mean


def _mean(X: Array) -> Array:
    total = np.zeros(math.prod(X.shape[1:]))
    if X.dtype == np.uint8:  # whole numbers: float32 sums so many of them exactly
        for start in range(0, len(X), ROWS):
            rows = np.asarray(X[start : start + ROWS]).reshape(-1, total.size).astype(np.float32)
            total += np.ones(len(rows), np.float32) @ rows
        return total / 255 / len(X)
    for start in range(0, len(X), ROWS):
        total += np.asarray(X[start : start + ROWS]).reshape(-1, total.size).sum(0, dtype=np.float64)
    return total / len(X)


def _svd(X: Array, mean: Array, k: int) -> tuple[Array, Array, float]:
    """Return the first k squared singular values, their right vectors, and the sum of all: all digits are kept."""
    _, s, v = scipy.linalg.svd(np.concatenate(list(_chunks(X, mean))), full_matrices=False)
    return s[:k] ** 2, v[:k], float((s**2).sum())


def _covariance(X: Array, mean: Array, k: int) -> tuple[Array, Array, float]:
    """Return the same from the D x D product, built in one pass."""
    product = {"u": _pixel_product, "f": _product}[X.dtype.kind](X, mean)
    # Beyond some eighth of the axes the decomposition of all of them is the faster one.
    few = 8 * k < mean.size
    most: dict[str, Any] = {"subset_by_index": [mean.size - k, mean.size - 1]} if few else {"driver": "evd"}
    values, vectors = scipy.linalg.eigh(product, **most)
    values, vectors = values[-k:], vectors[:, -k:]
    return values[::-1], np.ascontiguousarray(vectors.T[::-1]), float(np.trace(product))


def _product(X: Array, mean: Array) -> Array:
    """Return the centred product, (D, D): multiplied in the data's own type, summed in double precision."""
    product = np.zeros((mean.size, mean.size))
    near = mean.astype(X.dtype)  # centred first, float32 data hold no more than float32 multiplies
    kept = np.empty((min(ROWS, len(X)), mean.size), X.dtype)  # one for all: memory that is new costs as much as a pass
    for start in range(0, len(X), ROWS):
        rows = np.asarray(X[start : start + ROWS]).reshape(-1, mean.size)
        rows = np.subtract(rows, near, out=kept[: len(rows)])
        product += rows.T @ rows
    return product - len(X) * np.outer(mean - near, mean - near)  # what rounding the mean has added


def _pixel_product(X: Array, mean: Array) -> Array:
    """Return the centred product of pixels, (D, D), with not one digit lost at float32's speed.

    Pixels less 128 are whole numbers whose products are at most 2^14: float32 sums 2^10 of them exactly.
    """
    product, total = np.zeros((mean.size, mean.size)), np.zeros(mean.size)
    kept = np.empty((min(EXACT, len(X)), mean.size), np.float32)
    for start in range(0, len(X), EXACT):
        pixels = np.asarray(X[start : start + EXACT]).reshape(-1, mean.size)
        rows = np.subtract(pixels, np.float32(128), out=kept[: len(pixels)])
        product += rows.T @ rows
        total += np.ones(len(rows), np.float32) @ rows
    # What was subtracted is 128, what should have been is the mean of every column (0 where nothing is centred).
    shift = 128 - 255 * mean
    product += np.outer(total, shift) + np.outer(shift, total) + len(X) * np.outer(shift, shift)
    return product / 255**2


def _range(X: Array, mean: Array, k: int) -> tuple[Array, Array, float]:
    """Return nearly the same from a subspace that powers of the product find (Halko, Martinsson & Tropp 2011, 4.4).

    A pass over the rows multiplies by the D x D product, which is never there; in float32, sums of squares in double.
    """
    size = min(k + OVERSAMPLING, *X.shape[:1], mean.size)
    rng = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(mean.size, size, generator=rng))[0]
    centre = torch.from_numpy(mean).float()
    for _ in range(POWERS):
        product = torch.zeros_like(basis)
        for rows in _float_rows(X, centre):
            product.addmm_(rows.T, rows @ basis)
        basis = torch.linalg.qr(product)[0]  # Householder: through the product with itself, float32 has too few digits
    small, total = torch.zeros(size, size, dtype=torch.float64), 0.0
    for rows in _float_rows(X, centre):
        codes = (rows @ basis).double()
        small.addmm_(codes.T, codes)
        total += float(torch.linalg.vector_norm(rows, dtype=torch.float64)) ** 2
    values, vectors = torch.linalg.eigh(small)
    axes = (basis.double() @ vectors[:, -k:]).T.flip(0)
    return values[-k:].flip(0).numpy(), np.ascontiguousarray(axes.numpy()), total


def _float_rows(X: Array, centre: Tensor) -> Generator[Tensor, None, None]:
    """Yield centred rows in float32, flat; uint8 scaled by 1/255."""
    scale = 255 if X.dtype == np.uint8 else 1
    for start in range(0, len(X), ROWS):
        rows = torch.from_numpy(np.array(X[start : start + ROWS], dtype=np.float32).reshape(-1, len(centre)))
        yield rows.div_(scale).sub_(centre)


def _gram(X: Array, mean: Array, k: int) -> tuple[Array, Array, float]:
    """Return the same from the N x N product, for data with more features than samples."""
    centred = np.concatenate(list(_chunks(X, mean)))
    product = centred @ centred.T
    values, vectors = scipy.linalg.eigh(product, subset_by_index=[len(X) - k, len(X) - 1])
    values, vectors = values[::-1], vectors[:, ::-1]
    # Where the data do not reach k dimensions, QR completes the axes to an orthonormal set.
    axes, triangle = scipy.linalg.qr((vectors.T @ centred).T, mode="economic")
    return (
        values,
        np.ascontiguousarray((axes * np.sign(np.diag(triangle) + (np.diag(triangle) == 0))).T),
        float(np.trace(product)),
    )


SOLVERS: dict[str, Callable[[Array, Array, int], tuple[Array, Array, float]]] = {
    "svd": _svd,
    "covariance": _covariance,
    "gram": _gram,
    "range": _range,
}
"""Decompositions of the data, of their covariance, of their products, and of a range that nearly holds it."""
