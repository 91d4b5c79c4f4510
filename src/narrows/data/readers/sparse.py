"""Sparse matrices, as scipy and AnnData store them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.readers.checks import unsound
from narrows.data.sparse_rows import rows_of

MOST = 10**8
"""Rows of a file at most: a table of where each begins is made."""
_PARTS = {"csr": ("data", "indices", "indptr"), "csc": ("data", "indices", "indptr"), "coo": ("data", "row", "col")}


def is_sparse(names: set[str]) -> bool:
    """Return whether the arrays of an archive are those of `scipy.sparse.save_npz`."""
    return {"format", "shape", "data"} <= names


def matrix_of(kind: str, shape: Any, parts: Mapping[str, Array], path: Path, *, transpose: bool = False) -> Array:
    """Return a sparse matrix (N, D) as an array, or where that would be large as `SparseRows`.

    Parameters
    ----------
    kind
        csr, csc or coo.
    shape
        Two whole numbers.
    parts
        `data`, and the positions of its values as scipy names them.
    path
        Of the file, for messages.
    transpose
        Whether samples lie along the columns.
    """
    from scipy import sparse

    rows, columns = (int(n) for n in np.asarray(shape).reshape(-1)[:2])
    data = np.asarray(parts["data"])
    if kind not in _PARTS or data.dtype.kind not in "buif" or min(rows, columns) < 1:
        raise unsound(path, f"hold a sparse matrix of numbers, csr, csc or coo; got {kind} of {data.dtype}.")
    data = data.astype(np.float32 if data.dtype.itemsize <= 4 and data.dtype.kind != "i" else np.float64)
    if max(rows, columns) > MOST:
        raise unsound(path, f"hold at most {MOST:,} rows and columns; got {rows:,} x {columns:,}.")
    places = [np.asarray(parts[name]) for name in _PARTS[kind][1:]]
    if kind == "coo":
        matrix = sparse.coo_matrix((data, (places[0], places[1])), shape=(rows, columns))
    else:
        make = sparse.csr_matrix if kind == "csr" else sparse.csc_matrix
        matrix = make((data, places[0], places[1]), shape=(rows, columns))
        matrix.check_format(full_check=True)  # positions beyond the matrix would be written outside of it
    return rows_of(matrix.T if transpose else matrix, f"load_dataset: {path}")
