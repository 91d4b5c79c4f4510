"""A subspace that nearly holds rows, found in two passes over them: for rows that are read from a disk.

The first pass multiplies a random block by the D x D product of the rows, which is never there; the second does so with
an orthonormal basis Q of the result, and C is taken for C Q (Q^T C Q)^-1 (C Q)^T: Nystrom's approximation after a step
of subspace iteration (Halko et al. 2011, sec. 5.5; Tropp et al. 2017, algorithm 3).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from narrows.moments import block_rows

Array = np.ndarray[Any, Any]
EPS = torch.finfo(torch.float32).eps


def sketch_width(k: int, most: int) -> int:
    """Return how many dimensions are followed for k axes, of at most so many that there are."""
    return min(3 * k + 96, most)


class Sketch:
    """The first pass, over rows (n, D) block by block: the product of the rows' scatter and a random block.

    Parameters
    ----------
    d
        Values of a row.
    width
        Columns of the block.
    center
        Whether the scatter is about the mean.
    """

    def __init__(self, d: int, width: int, *, center: bool = True) -> None:
        self.center, self.count, self.sums = center, 0, np.zeros(d)
        self.shift: Array | None = None
        self._block = torch.randn(d, width, generator=torch.Generator().manual_seed(0))
        self._product = torch.zeros(d, width)

    def add(self, rows: Array) -> None:
        """Add rows."""
        if self.shift is None:  # near the mean, which is not known yet: products about it keep their digits
            self.shift = rows.mean(0, dtype=np.float64) if self.center else np.zeros(rows.shape[1])
        for part in blocks_of(rows, self.shift):
            self._product.addmm_(part.T, part @ self._block)
            self.sums += part.sum(0, dtype=torch.float64).numpy()
        self.count += len(rows)

    @property
    def mean(self) -> Array:
        """(D,)."""
        return np.asarray(self.shift) + self.sums / self.count

    def basis(self) -> Tensor:
        """Return orthonormal columns that nearly span the rows: (D, width)."""
        product = self._product
        if self.center:
            e = torch.from_numpy(self.sums / self.count).float()
            product = product - self.count * torch.outer(e, e @ self._block)
        product = product / torch.linalg.vector_norm(product, dim=0).clamp(min=torch.finfo(torch.float32).tiny)
        # Noise as small as rounding: where the rows have no further dimension, any other follows.
        product += EPS * torch.randn(product.shape, generator=torch.Generator().manual_seed(1))
        for _ in range(2):
            product = torch.linalg.qr(product)[0]
        return nn.functional.normalize(product, dim=0)


class Refined:
    """The second pass: the product of the scatter and a basis, and what it is within that.

    Parameters
    ----------
    basis
        (D, width), orthonormal columns.
    mean
        (D,), subtracted from the rows.
    """

    def __init__(self, basis: Tensor, mean: Array) -> None:
        self.basis, self._mean = basis, mean
        self._product = torch.zeros_like(basis)
        self._within = torch.zeros(basis.shape[1], basis.shape[1], dtype=torch.float64)

    def add(self, rows: Array) -> None:
        """Add rows."""
        for part in blocks_of(rows, self._mean):
            codes = part @ self.basis
            self._product.addmm_(part.T, codes)
            double = codes.double()
            self._within.addmm_(double.T, double)

    def axes(self, k: int) -> tuple[Array, Array]:
        """Return at least how much lies along k axes as sums of squares, falling, and the axes: (k,) and (k, D)."""
        basis = self.basis.double()
        # What is added keeps the root real where rounding made an eigenvalue negative, and is taken off again.
        added = EPS * float(self._within.diagonal().sum()) + torch.finfo(torch.float64).tiny
        root = torch.linalg.cholesky(self._within + added * torch.eye(len(self._within), dtype=torch.float64))
        scaled = torch.linalg.solve_triangular(root, (self._product.double() + added * basis).T, upper=False)
        axes, lengths, _ = torch.linalg.svd(scaled.T, full_matrices=False)
        values = (lengths[:k] ** 2 - added).clamp(min=0)
        return values.numpy(), np.ascontiguousarray(axes[:, :k].T.numpy())


def blocks_of(rows: Array, shift: Array) -> Iterator[Tensor]:
    """Yield rows less a shift in float32, so many at once."""
    size, single = block_rows(rows.shape[1]), shift.astype(np.float32)
    for start in range(0, len(rows), size):
        yield torch.from_numpy(np.subtract(rows[start : start + size], single, dtype=np.float32))
