"""scikit-learn's PCA, with the solver that is asked for."""

from __future__ import annotations

from data import gap, table
from protocol import Prepared, serve
from sklearn.decomposition import PCA


def pca(data: str, k: int, solver: str = "auto", seed: int = 0) -> Prepared:
    X, model = table(data), PCA(k, svd_solver=solver, random_state=seed)
    return Prepared(lambda: model.fit(X), lambda: gap(model.components_, X, data))


if __name__ == "__main__":
    serve({"pca": pca})
