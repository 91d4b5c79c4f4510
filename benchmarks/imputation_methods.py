"""Who fills in missing values in `imputation.py`: fitted to the training rows, holes and all."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows import AE, PCA, VAE

Array = NDArray[np.float64]


def _sklearn(name: str) -> Any:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

    if name == "forest":  # as in missForest (Stekhoven & Buehlmann 2012): 100 trees, the root of the columns at a split
        forest = RandomForestRegressor(n_estimators=100, max_features="sqrt", random_state=0)
        return IterativeImputer(forest, max_iter=5, random_state=0)
    return {"mean": SimpleImputer, "iterative": IterativeImputer, "knn": KNNImputer}[name]()


def _fill_by_sklearn(name: str) -> Callable[[Array, Array, int], Array]:
    def fill(train: Array, test: Array, seed: int) -> Array:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that ten rounds did not converge: its default
            return _sklearn(name).fit(train).transform(test)

    return fill


def _fill_by(kind: Any, **settings: Any) -> Callable[[Array, Array, int], Array]:
    def fill(train: Array, test: Array, seed: int) -> Array:
        return np.asarray(kind(**settings, seed=seed).fit(train).impute(test))

    return fill


def _fill_by_pca(train: Array, test: Array, seed: int) -> Array:
    """PCA of half the columns, as the latent dimension that "auto" stands for."""
    return np.asarray(PCA(latent_dim=max(1, train.shape[1] // 2)).fit(train).impute(test))


METHODS: dict[str, Callable[[Array, Array, int], Array]] = {
    "mean": _fill_by_sklearn("mean"),
    "knn": _fill_by_sklearn("knn"),
    "iterative": _fill_by_sklearn("iterative"),
    "forest": _fill_by_sklearn("forest"),
    "pca": _fill_by_pca,
    "ae": _fill_by(AE),
    "vae": _fill_by(VAE),
    "vae-self": _fill_by(VAE, missingness="self"),
}

ONLY = {"vae-self": ("MNAR",)}
"""Mechanisms of a method that is not for all: that of Ipsen et al. models values missing because of what they are."""
