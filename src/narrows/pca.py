"""The principal axes of data: the mean, the directions of greatest variance, and how much there is along each."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import torch
from torch import Tensor, nn

from narrows.moments import Moments, block_rows, shift_of
from narrows.sketch import Refined, Sketch

Array = np.ndarray[Any, Any]

LARGEST = 1e150
"""Values beyond have no finite square in double precision."""
BLOCKS, OVERSAMPLING = 6, 24
"""The range finder follows a quarter of latent_dim and this many dimensions through so many powers, and keeps all."""
CODES = 2**30
"""Bytes that the range finder may keep beside the data, so as not to multiply twice."""
MANY = 1500
"""Features from which on the decomposition of their product for a few axes is quicker than that for all."""
FEW = 2**24
"""Values of rows on disk up to which all are held in memory."""
WHOLE = ("svd", "gram")
"""Solvers that hold all rows in double precision."""
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


Found = tuple[Array, Array, Array, float]
"""What a solver returns: the mean (D,), sums of squares along k axes, falling, the axes (k, D), the sum along all."""


def principal_axes(
    X: Array, k: int, *, center: bool = True, solver: str = "auto", dtype: np.dtype[Any] | None = None
) -> Axes:
    """Return the first k principal axes of X (N, *shape), k <= min(N, D); uint8 counts as pixels, scaled by 1/255.

    `solver` is "auto", which goes by the shape, or one of `SOLVERS`; `dtype` is that in which a covariance is summed up
    block by block, that of X if None.
    """
    n, d = len(X), math.prod(X.shape[1:])
    solver = solver_of(n, d, k, solver, held=type(X) is np.ndarray)
    if solver in WHOLE:
        X = np.asarray(X)
    solve = partial(_covariance, dtype=dtype) if solver == "covariance" else SOLVERS[solver]
    return _axes(n, solve(X, center, k))


def solver_of(n: int, d: int, k: int, solver: str = "auto", *, held: bool = False) -> str:
    """Return the solver for n rows of d values; "auto" goes by their number. `held` says that they are in memory."""
    if solver != "auto":
        return solver
    work = float(n) * d * min(n, d)
    if work < 2e9 and (held or n * d < FEW):  # a second or so: the decomposition of the data keeps all digits
        return "svd"
    if work > HUGE and 6 * BLOCKS * _width(k) < min(n, d):
        return "range"
    return "covariance" if n >= d else "gram"


def axes_of(moments: Moments, k: int, *, center: bool = True, pixels: bool = False) -> Axes:
    """Return the first k principal axes of rows by their moments, k <= min(N, D); pixels are scaled by 1/255."""
    return _axes(moments.count, _decomposed(moments, center, k, 255.0 if pixels else 1.0))


def axes_of_sketch(first: Sketch, second: Refined, k: int, squares: float) -> Axes:
    """Return the first k principal axes of rows by two passes over them; `squares` are those of all values, centred."""
    values, components = second.axes(k)
    mean = first.mean if first.center else np.zeros_like(first.sums)
    return _axes(first.count, (mean, values, components, squares))


def _axes(n: int, found: Found) -> Axes:
    """Return the axes of n rows with their signs, and what lies along them."""
    mean, values, components, total = found
    k, d = components.shape
    # scikit-learn's sign: the largest entry of every component is positive.
    largest = np.abs(components).argmax(1)
    components *= np.where(components[np.arange(k), largest] < 0, -1.0, 1.0)[:, None]
    variance, total = np.maximum(values, 0) / (n - 1), total / (n - 1)
    rest = min(n, d) - k
    noise = max(total - variance.sum(), 0.0) / rest if rest > 0 else 0.0
    return Axes(mean, components, variance, float(total), float(noise))


def _centred(X: Array, center: bool) -> tuple[Array, Array]:
    """Return the mean, 0 where nothing is centred, and the rows less it: in double precision, flat."""
    mean, n = _mean(X, center), len(X)
    rows = np.empty((n, mean.size))
    np.divide(X.reshape(n, -1), 255.0 if X.dtype == np.uint8 else 1.0, out=rows)
    return mean, np.subtract(rows, mean, out=rows)


def _mean(X: Array, center: bool) -> Array:
    total = np.zeros(math.prod(X.shape[1:]))
    size = block_rows(total.size)
    for start in range(0, len(X) if center else 0, size):
        rows = np.asarray(X[start : start + size]).reshape(-1, total.size)
        if rows.dtype == np.uint8:  # whole numbers: float32 sums so many of them exactly
            total += np.ones(len(rows), np.float32) @ rows.astype(np.float32)
        else:
            total += rows.sum(0, dtype=np.float64)
    return total / len(X) / (255 if X.dtype == np.uint8 else 1)


def _svd(X: Array, center: bool, k: int) -> Found:
    """Decompose the data: all digits are kept."""
    mean, rows = _centred(X, center)
    _, s, v = scipy.linalg.svd(rows, full_matrices=False)
    return mean, s[:k] ** 2, v[:k], float((s**2).sum())


def _covariance(X: Array, center: bool, k: int, dtype: np.dtype[Any] | None = None) -> Found:
    """Decompose the D x D product, built in one pass."""
    return _decomposed(Moments.of(X, dtype=dtype), center, k, 255.0 if X.dtype == np.uint8 else 1.0)


def _decomposed(found: Moments, center: bool, k: int, unit: float) -> Found:
    """Decompose the product of rows, given by their moments; values are divided by `unit`."""
    mean, product = found.mean if center else np.zeros_like(found.shift), found.scatter(center=center)
    # A few of many axes are quicker found alone; else numpy is, whose threads are awake from the product.
    if mean.size > MANY and 8 * k < mean.size:
        values, vectors = scipy.linalg.eigh(product, subset_by_index=[mean.size - k, mean.size - 1])
    else:
        values, vectors = np.linalg.eigh(product)
    values, vectors = values[-k:] / unit**2, vectors[:, -k:]
    return mean / unit, values[::-1], np.ascontiguousarray(vectors.T[::-1]), float(np.trace(product)) / unit**2


def _width(k: int) -> int:
    """Return how many dimensions the range finder follows at once."""
    return k // 4 + OVERSAMPLING


def _range(X: Array, center: bool, k: int) -> Found:
    """Find a subspace that nearly holds the data by a block Krylov method (Musco & Musco 2015, algorithm 2).

    A pass over the rows multiplies a block by the D x D product, which is never there. The blocks of all passes are
    kept: each narrower than latent_dim, they lose less than one of full width of which only the last power is left.
    In float32, sums of squares in double.
    """
    mean, unit = _mean(X, center), 255.0 if X.dtype == np.uint8 else 1.0
    shift = shift_of(X) if center else None
    offset = torch.from_numpy(mean * unit if shift is None else mean * unit - shift).float()
    most, generator = min(len(X), mean.size), torch.Generator().manual_seed(0)
    width, single = min(_width(k), most), torch.finfo(torch.float32)
    basis, block = torch.empty(mean.size, 0), torch.randn(mean.size, width, generator=generator)
    size = min(BLOCKS * width, most)
    # What the rows are along a block is computed on the way to the next, and is wanted again at the end.
    kept = torch.empty(len(X), size if 4 * len(X) * size <= CODES else 0)
    while basis.shape[1] < size:
        product, at, own = torch.zeros_like(block), 0, slice(basis.shape[1] - block.shape[1], basis.shape[1])
        for rows in _float_rows(X, shift):
            codes = rows @ block
            if basis.shape[1] and kept.shape[1]:
                kept[at : at + len(rows), own] = codes
            at += len(rows)
            # Centring the codes does it: they add up to 0, and with them what is multiplied by the rows' mean.
            product.addmm_(rows.T, codes.sub_(offset @ block))
        product /= torch.linalg.vector_norm(product, dim=0, dtype=torch.float64).clamp(min=single.tiny)
        # Noise as small as rounding: where the data have no further dimension, any other follows.
        product += single.eps * torch.randn(mean.size, width, generator=generator)
        block = product[:, : size - basis.shape[1]]
        for _ in range(3):  # columns that nearly vanish are mostly rounding at first
            block = torch.linalg.qr(block - basis @ (basis.T @ block))[0]
        # Lengths that Householder's reflections leave are off by more than rounding.
        block = nn.functional.normalize(block, dim=0)
        basis = torch.cat([basis, block], 1)
    small, total, at = torch.zeros(size, size, dtype=torch.float64), 0.0, 0
    done = min(kept.shape[1], size - block.shape[1])
    left, middle = basis[:, done:], (offset @ basis).double()
    for rows in _float_rows(X, shift):
        found = torch.cat([kept[at : at + len(rows), :done], rows @ left], 1).double().sub_(middle)
        small.addmm_(found.T, found)
        total += float(torch.linalg.vector_norm(rows, dim=1).double().square().sum())
        at += len(rows)
    total -= len(X) * float(offset.double().square().sum())
    values, vectors = torch.linalg.eigh(small)
    axes = (basis.double() @ vectors[:, -k:]).T.flip(0)
    return mean, values[-k:].flip(0).numpy() / unit**2, np.ascontiguousarray(axes.numpy()), total / unit**2


def _float_rows(X: Array, shift: Array | None) -> Generator[Tensor, None, None]:
    """Yield rows in float32, flat, less a shift."""
    d = math.prod(X.shape[1:])
    for start in range(0, len(X), size := block_rows(d)):
        rows = np.asarray(X[start : start + size]).reshape(-1, d)
        rows = rows.astype(np.float32, copy=False) if shift is None else np.subtract(rows, shift, dtype=np.float32)
        # torch takes neither negative strides nor, without a warning, what is read-only.
        yield torch.from_numpy(rows if rows.flags.writeable and rows.flags.c_contiguous else rows.copy())


def _gram(X: Array, center: bool, k: int) -> Found:
    """Decompose the N x N product, for data with more features than samples."""
    mean, centred = _centred(X, center)
    product = centred @ centred.T
    values, vectors = scipy.linalg.eigh(product, subset_by_index=[len(X) - k, len(X) - 1])
    values, vectors = values[::-1], vectors[:, ::-1]
    # Where the data do not reach k dimensions, QR completes the axes to an orthonormal set.
    axes, triangle = scipy.linalg.qr((vectors.T @ centred).T, mode="economic")
    signs = np.sign(np.diag(triangle) + (np.diag(triangle) == 0))
    return mean, values, np.ascontiguousarray((axes * signs).T), float(np.trace(product))


SOLVERS: dict[str, Callable[[Array, bool, int], Found]] = {
    "svd": _svd,
    "covariance": _covariance,
    "gram": _gram,
    "range": _range,
}
"""Decompositions of the data, of their covariance, of their products, and of a range that nearly holds it."""
