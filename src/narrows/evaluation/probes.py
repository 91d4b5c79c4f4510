"""What can be read from the codes: neighbourhoods and labels. Every model that has codes takes part."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import trustworthiness as sklearn_trustworthiness
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from narrows.errors import ConfigError, DataError, did_you_mean
from narrows.estimators.base import Autoencoder
from narrows.evaluation.inference import Array, checked, same_length, scaled, subset

__all__ = [
    "METRICS",
    "FewLabels",
    "few_label_accuracy",
    "few_labels",
    "knn_accuracy",
    "logistic_accuracy",
    "trustworthiness",
]

METRICS = ("euclidean", "cosine")
"""How far apart codes are."""


class FewLabels(NamedTuple):
    """Recognition from a few labelled samples of each class, over draws of them."""

    mean: float
    """Of the accuracy, over draws."""
    deviation: float
    """Of the accuracy, over draws, with draws - 1."""
    accuracies: Array
    """(draws,)"""
    per_class: int
    """Labelled samples of each class."""


def trustworthiness(
    model: Autoencoder, X: ArrayLike, *, neighbours: int = 5, limit: int | None = 2000, seed: int = 0
) -> float:
    """Return whether neighbours among the codes were neighbours among the samples: in [0, 1], higher is better.

    Venna & Kaski (2001), Euclidean distances, by scikit-learn. Costs N^2: at most `limit` rows, drawn with the seed,
    are looked at.

    References
    ----------
    doi:10.1007/3-540-44668-0_68
    """
    data = checked(model, X)
    data = data[subset(len(data), limit, seed)]
    if not 1 <= neighbours < len(data) / 2:
        raise ConfigError(
            f"trustworthiness: neighbours must be >= 1 and less than half of {len(data)} samples; got {neighbours!r}."
        )
    flat = scaled(model, data).reshape(len(data), -1)
    return float(sklearn_trustworthiness(flat, model.transform(data), n_neighbors=neighbours))


def knn_accuracy(
    model: Autoencoder,
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    *,
    neighbours: int = 5,
    k: int | None = None,
) -> float:
    """Return the share of test samples whose nearest codes have their label: in [0, 1] (Cover & Hart 1967).

    The majority of `neighbours` codes, Euclidean distance, codes as `transform` gives them, by scikit-learn.

    Parameters
    ----------
    model
        A fitted model.
    X, y
        Samples with labels (N,), to look among.
    X_test, y_test
        Samples with labels, to recognise.
    neighbours
        Codes that vote.
    k
        Numbers of the code to use, the first ones; None for all.
    """
    Z, labels = _codes(model, X, y, k, "knn_accuracy")
    Z_test, wanted = _codes(model, X_test, y_test, k, "knn_accuracy")
    return float(KNeighborsClassifier(neighbours).fit(Z, labels).score(Z_test, wanted))


def logistic_accuracy(
    model: Autoencoder, X: ArrayLike, y: ArrayLike, X_test: ArrayLike, y_test: ArrayLike, *, k: int | None = None
) -> float:
    """Return the share of test samples that a linear classifier of the codes recognises: in [0, 1].

    A linear probe (Alain & Bengio 2016): multinomial logistic regression on standardised codes, with an L2 penalty of
    C = 1, by scikit-learn.

    References
    ----------
    arXiv:1610.01644
    """
    Z, labels = _codes(model, X, y, k, "logistic_accuracy")
    Z_test, wanted = _codes(model, X_test, y_test, k, "logistic_accuracy")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return float(probe.fit(Z, labels).score(Z_test, wanted))


def few_label_accuracy(
    model: Autoencoder,
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    *,
    per_class: int = 1,
    draws: int = 20,
    seed: int = 0,
    metric: str = "euclidean",
) -> FewLabels:
    """Return recognition by the nearest labelled code, with a few labels per class: accuracy over seeded draws.

    Every draw picks `per_class` samples of each class of (X, y), and gives each test sample the label of the nearest
    code. Draws depend on y and the seed alone: the same ones serve any model.

    Parameters
    ----------
    model
        A fitted model; that it was fitted to X without labels is the point.
    X, y
        Samples with labels (N,), from which the labelled ones are drawn.
    X_test, y_test
        Samples with labels, to recognise.
    per_class
        Labelled samples of each class.
    draws
        How often to draw, at least 2, so that there is a deviation.
    seed
        Of the draws.
    metric
        "euclidean", or "cosine": the angle between codes, which leaves out how long they are.
    """
    data, test = checked(model, X), checked(model, X_test)
    return few_labels(
        model.transform, data, y, test, y_test, per_class=per_class, draws=draws, seed=seed, metric=metric
    )


def few_labels(
    encode: Callable[[Array], Array],
    X: Array,
    y: ArrayLike,
    X_test: Array,
    y_test: ArrayLike,
    *,
    per_class: int,
    draws: int,
    seed: int,
    metric: str = "euclidean",
) -> FewLabels:
    """Return the same for anything that makes codes: `encode`, samples (N, *shape) -> (N, k)."""
    if draws < 2 or per_class < 1:
        raise ConfigError(
            f"few_label_accuracy: draws must be >= 2 and per_class >= 1; got {draws!r} and {per_class!r}."
        )
    if metric not in METRICS:
        raise ConfigError(
            f"few_label_accuracy: metric must be one of {', '.join(METRICS)}; got {metric!r}."
            f"{did_you_mean(metric, METRICS)}"
        )
    labels = same_length("few_label_accuracy", X, y)
    wanted = same_length("few_label_accuracy", X_test, y_test)
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    if min(map(len, members)) < per_class:
        raise DataError(
            f"few_label_accuracy: every class must have per_class = {per_class} samples; the rarest has "
            f"{min(map(len, members))}. Lower per_class."
        )
    drawn = [np.concatenate([rng.choice(rows, per_class, replace=False) for rows in members]) for _ in range(draws)]
    used, places = np.unique(np.stack(drawn), return_inverse=True)
    Z, Z_test = encode(X[used]), encode(X_test)  # of the others no code is needed
    found = np.empty(draws)
    for i, chosen in enumerate(places.reshape(draws, -1)):
        nearest = KNeighborsClassifier(1, metric=metric).fit(Z[chosen], labels[used[chosen]])
        found[i] = nearest.score(Z_test, wanted)
    return FewLabels(float(found.mean()), float(found.std(ddof=1)), found, per_class)


def _codes(model: Autoencoder, X: ArrayLike, y: ArrayLike, k: int | None, measure: str) -> tuple[Array, Array]:
    data = checked(model, X)
    return model.transform(data, k), same_length(measure, data, y)
