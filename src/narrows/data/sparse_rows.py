"""Sparse matrices: small ones become arrays, of large ones only the rows that are asked for."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from narrows.data.arrays import Array
from narrows.data.stored import StoredRows
from narrows.errors import DataError

LARGE = 2**28
"""Bytes that a matrix takes at most as a dense array to become one at once."""
COLUMNS = 200_000
"""Columns at most: every batch, every mean and the first layer's weights are as wide."""


class SparseRows(StoredRows):
    """The rows of a sparse matrix, which become dense as they are read: a batch at a time, as rows on disk."""

    def __init__(self, matrix: Any) -> None:
        rows = sparse.csr_array(matrix)
        if not rows.has_canonical_format:
            rows = rows.copy()  # what was given stays as it is
            rows.sum_duplicates()
        self.matrix, self.shape, self.dtype = rows, rows.shape, rows.dtype

    @cached_property
    def identity(self) -> str:  # type: ignore[override]
        """A checksum of the values and their places."""
        digest = hashlib.sha256(f"{self.shape}|{self.dtype.str}".encode())
        digest.update(np.ascontiguousarray(self.matrix.data).data.cast("B"))
        for places in (self.matrix.indices, self.matrix.indptr):
            digest.update(np.ascontiguousarray(places, np.int64).data.cast("B"))  # int32 where there are few
        return digest.hexdigest()

    def read(self, start: int, stop: int) -> Array:
        """Return neighbouring rows as an array."""
        return np.asarray(self.matrix[start:stop].toarray())

    def pick(self, rows: NDArray[np.int64]) -> Array:
        """Return rows in any order as an array."""
        return np.asarray(self.matrix[rows].toarray())


def rows_of(matrix: Any, owner: str) -> Any:
    """Return a sparse matrix (N, D) of real numbers as an array, or as `SparseRows` where that takes more than `LARGE`.

    Raises: DataError where it has more than `COLUMNS` columns.
    """
    if matrix.shape[1] > COLUMNS:
        raise DataError(
            f"{owner}: X must have at most {COLUMNS:,} columns as a sparse matrix; got {matrix.shape[1]:,}. Choose "
            "columns, or reduce it first by sklearn.decomposition.TruncatedSVD."
        )
    if matrix.shape[0] * matrix.shape[1] * matrix.dtype.itemsize > LARGE:
        return SparseRows(matrix)
    return np.asarray(matrix.toarray())
