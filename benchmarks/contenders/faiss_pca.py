"""PCA as faiss trains it before it indexes."""

from __future__ import annotations

import faiss
import numpy as np
from protocol import Prepared, serve

from data import gap, table


def pca(data: str, k: int, seed: int = 0) -> Prepared:
    X, found = table(data), []

    def run() -> None:
        matrix = faiss.PCAMatrix(X.shape[1], k)
        matrix.max_points_per_d = len(X)  # all rows, not a sample of them
        matrix.train(X)
        found[:] = [faiss.vector_to_array(matrix.A).reshape(k, -1)]

    return Prepared(run, lambda: gap(found[0].astype(np.float64), X, data))


if __name__ == "__main__":
    serve({"pca": pca})
