"""Sparse matrices, as scipy and AnnData store them, made dense."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.readers.checks import unsound

LIMIT = 8 * 2**30
"""Bytes that a dense matrix may take."""
_PARTS = {"csr": ("data", "indices", "indptr"), "csc": ("data", "indices", "indptr"), "coo": ("data", "row", "col")}


def is_sparse(names: set[str]) -> bool:
    """Return whether the arrays of an archive are those of `scipy.sparse.save_npz`."""
    return {"format", "shape", "data"} <= names


def densified(kind: str, shape: Any, parts: Mapping[str, Array], path: Path) -> Array:
    """Return a sparse matrix as a dense one (N, D).

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
    """
    from scipy import sparse

    rows, columns = (int(n) for n in np.asarray(shape).reshape(-1)[:2])
    data = np.asarray(parts["data"])
    if kind not in _PARTS or data.dtype.kind not in "buif" or min(rows, columns) < 1:
        raise unsound(path, f"hold a sparse matrix of numbers, csr, csc or coo; got {kind} of {data.dtype}.")
    data = data.astype(np.float32 if data.dtype.itemsize <= 4 and data.dtype.kind != "i" else np.float64)
    if rows * columns * data.itemsize > LIMIT:
        raise unsound(
            path,
            f"take at most {LIMIT >> 30} GiB as a dense matrix; got {rows:,} x {columns:,}. Choose fewer columns "
            "first, such as the most variable ones.",
        )
    places = [np.asarray(parts[name]) for name in _PARTS[kind][1:]]
    if kind == "coo":
        matrix = sparse.coo_matrix((data, (places[0], places[1])), shape=(rows, columns))
    else:
        make = sparse.csr_matrix if kind == "csr" else sparse.csc_matrix
        matrix = make((data, places[0], places[1]), shape=(rows, columns))
        matrix.check_format(full_check=True)  # positions beyond the matrix would be written outside of it
    return np.asarray(matrix.toarray())
