"""Counts, sums and products of rows: all that a mean and a covariance need, in one pass, and mergeable.

Rows are multiplied in blocks, less a shift near their mean, in their own type or in double precision, and blocks are
summed in double precision. Moments of parts of the data, wherever these were read, merge into those of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch

Array = np.ndarray[Any, Any]

ROWS, VALUES = 4096, 2**24
"""Rows that are multiplied at once, so that sums over more are in double precision, and values that they have."""
EXACT, WHOLE = 2**10, 2**16
"""Rows of pixels whose products float32 sums without rounding, and whole numbers of 32 bits do."""
PIXEL = 128.0
"""What is subtracted from pixels: whole numbers of 8 bits with a sign are left."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Of rows (N, D), by their sums and products less a shift; pixels count from 0 to 255.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> both = Moments.of(X[:40]).merge(Moments.of(X[40:]))
    >>> bool(np.allclose(both.covariance(), np.cov(X.T)))
    True
    """

    count: int
    """Rows."""
    shift: Array
    """(D,), what was subtracted from the rows."""
    sums: Array
    """(D,), of rows less the shift."""
    product: Array
    """(D, D), of rows less the shift."""

    @classmethod
    def of(cls, X: Any, shift: Array | None = None, dtype: np.dtype[Any] | None = None) -> Self:
        """Return the moments of rows (N, *shape), an array or anything that gives one for a slice, in one pass.

        Parameters
        ----------
        X
            Numbers without missing values. uint8 is multiplied exactly.
        shift
            (D,), a point near the mean; None to choose one from some rows. Pixels have their own.
        dtype
            In which rows are multiplied, block by block; None for their own.
        """
        if X.dtype == np.uint8:
            product, sums, shift = _pixel_products(X)
        else:
            dtype = np.dtype(dtype or X.dtype)
            product, sums, shift = _products(X, shift_of(X, dtype) if shift is None else shift.astype(dtype), dtype)
        return cls(len(X), shift, sums, product)

    def merge(self, other: Moments) -> Self:
        """Return the moments of both, about this one's shift."""
        e = other.shift - self.shift  # rows less this shift are rows less the other, plus e
        cross = np.outer(other.sums, e)
        return type(self)(
            self.count + other.count,
            self.shift,
            self.sums + other.sums + other.count * e,
            self.product + other.product + cross + cross.T + other.count * np.outer(e, e),
        )

    @classmethod
    def merged(cls, parts: Iterable[Self]) -> Self:
        """Return the moments of all parts, merged in their order; there is at least one."""
        first, *rest = parts
        for part in rest:
            first = first.merge(part)
        return first

    @property
    def mean(self) -> Array:
        """(D,)."""
        return self.shift + self.sums / self.count

    def scaled(self, offset: Array, factor: Array) -> Self:
        """Return the moments of rows less an offset (D,), divided by a factor (D,)."""
        return type(self)(
            self.count, (self.shift - offset) / factor, self.sums / factor, self.product / factor / factor[:, None]
        )

    def scatter(self, *, center: bool = True) -> Array:
        """Return the product of rows less their mean, or of the rows themselves: (D, D)."""
        product = self.product.copy()
        # Rows less their shift are there, rows less their mean are wanted: r + e has the product rr + re + er + ee.
        e = self.shift - self.mean if center else self.shift
        if e.any():
            product += np.outer(self.sums, e)
            if not center:  # else this is 0
                product += np.outer(e, self.sums + self.count * e)
        return product

    def covariance(self) -> Array:
        """Return the covariance with n - 1 degrees of freedom: (D, D)."""
        return self.scatter() / (self.count - 1)


class Products:
    """Moments of rows (n, D) that come one block after the other, each multiplied less its own mean.

    Parameters
    ----------
    d
        Values of a row.
    dtype
        In which rows are multiplied, but for uint8, whose products are exact.
    """

    def __init__(self, d: int, dtype: np.dtype[Any]) -> None:
        self.dtype, self.moments = dtype, Moments(0, np.zeros(d), np.zeros(d), np.zeros((d, d)))

    def add(self, rows: Array) -> None:
        """Add rows (n, D)."""
        size = block_rows(rows.shape[1])
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            if part.dtype == np.uint8:
                self._merge(Moments.of(part))
            else:
                part = part.astype(self.dtype, copy=False)
                self._merge(Moments.of(part, part.mean(0, dtype=np.float64)))

    def _merge(self, block: Moments) -> None:
        """Merge moments into those there are, whose arrays are changed; see `Moments.merge`."""
        kept = self.moments
        if not kept.count:
            self.moments = block
            return
        e = block.shift - kept.shift
        np.add(kept.product, block.product, out=kept.product)
        if e.any():
            # block's sums times e, and e times these, and count times e and e: a product of three columns.
            left, right = np.stack([block.sums, e, block.count * e]), np.stack([e, block.sums, e])
            np.add(kept.product, left.T @ right, out=kept.product)
        self.moments = Moments(
            kept.count + block.count, kept.shift, kept.sums + block.sums + block.count * e, kept.product
        )


def block_rows(d: int) -> int:
    """Return how many rows of d values are multiplied at once."""
    return max(1, min(ROWS, VALUES // d))


def shift_of(X: Any, dtype: np.dtype[Any] | None = None) -> Array | None:
    """Return what to subtract from rows before they are multiplied in a type, theirs if None; None where nothing is.

    Products of values far from 0 lose the digits of what varies. Where no mean is over twice the largest deviation,
    they lose hardly any, and subtracting would cost as much as a quarter of the product.
    """
    d = math.prod(X.shape[1:])
    few = max(100, min(1000, 2**20 // d))
    sample = np.asarray(X[:: max(1, len(X) // few)]).reshape(-1, d).astype(np.float64)
    mean = sample.mean(0)
    near = float((mean**2).max()) <= 4 * float(sample.var(0).max())
    return None if near else mean.astype(np.float32 if X.dtype == np.uint8 else dtype or X.dtype)


def _products(X: Any, shift: Array | None, dtype: np.dtype[Any]) -> tuple[Array, Array, Array]:
    """Return the product of rows less a shift (D, D), their sums and the shift (D,).

    They are multiplied in a type, and summed in double precision.
    """
    d = math.prod(X.shape[1:])
    product, sums = np.zeros((d, d)), np.zeros(d)
    size = block_rows(d)
    kept = np.empty((min(size, len(X)), d), dtype)  # one for all: memory that is new costs as much as a pass
    for start in range(0, len(X), size):
        rows = np.asarray(X[start : start + size]).reshape(-1, d)
        if shift is not None:
            rows = np.subtract(rows, shift, out=kept[: len(rows)])
        elif rows.dtype != dtype:
            rows = np.positive(rows, out=kept[: len(rows)])
        product += rows.T @ rows
        sums += np.ones(len(rows), rows.dtype) @ rows
    return product, sums, np.zeros(d) if shift is None else shift.astype(np.float64)


def _pixel_products(X: Any) -> tuple[Array, Array, Array]:
    """Return the same of pixels, from 0 to 255, with not one digit lost.

    Pixels less 128 are whole numbers of 8 bits, whose products are at most 2^14: sums of 2^16 of them fit 32 bits.
    Processors that multiply them natively take a quarter of the time of float32, which sums 2^10 of them exactly.
    """
    d, whole = math.prod(X.shape[1:]), _multiplies_whole()
    product, sums = np.zeros((d, d)), np.zeros(d)
    size = WHOLE if whole else EXACT
    for start in range(0, len(X), size):
        pixels = np.asarray(X[start : start + size]).reshape(-1, d)
        if whole:
            rows = torch.from_numpy((pixels ^ np.uint8(128)).view(np.int8))
            product += torch._int_mm(rows.T, rows).numpy()
            sums += torch._int_mm(rows.T, torch.ones(len(rows), 8, dtype=torch.int8))[:, 0].numpy()
        else:
            near = pixels - np.float32(PIXEL)
            product += near.T @ near
            sums += np.ones(len(near), np.float32) @ near
    return product, sums, np.full(d, PIXEL)


def _multiplies_whole() -> bool:
    """Whether torch has the product of 8-bit whole numbers, and the processor too; neither is documented."""
    probe = getattr(torch.cpu, "_is_vnni_supported", None)
    return hasattr(torch, "_int_mm") and probe is not None and bool(probe())
