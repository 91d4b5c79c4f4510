"""scikit-learn's PCA, with the solver that is asked for."""

from __future__ import annotations

import numpy as np
from protocol import Prepared, serve
from sklearn.decomposition import PCA

from data import gap, table


def pca(data: str, k: int, solver: str = "auto", seed: int = 0) -> Prepared:
    X, model = table(data), PCA(k, svd_solver=solver, random_state=seed)
    if X.dtype == np.uint8:  # which it would take to float64: the user who knows that scales them
        return Prepared(lambda: model.fit(X / np.float32(255)), lambda: gap(model.components_, X, data))
    return Prepared(lambda: model.fit(X), lambda: gap(model.components_, X, data))


if __name__ == "__main__":
    serve({"pca": pca})
