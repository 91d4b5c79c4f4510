"""Probes of the codes: how well they keep neighbourhoods and predict labels."""

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

from narrows.data.arrays import Array, Arrays, subset
from narrows.errors import ConfigError, DataError, did_you_mean
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import encoded, values
from narrows.evaluation.inference import check_labels, codes

METRICS = ("euclidean", "cosine")
"""Distances between codes."""


class FewLabels(NamedTuple):
    """Accuracy of the nearest labelled code, over draws of a few labelled samples of each class."""

    mean: float
    """Accuracy, over draws."""
    deviation: float
    """Standard deviation over draws, with draws - 1."""
    accuracies: Array
    """(draws,)"""
    per_class: int
    """Labelled samples of each class."""


def trustworthiness(
    model: Autoencoder,
    X: ArrayLike | Arrays,
    *,
    neighbours: int = 5,
    limit: int | None = 2000,
    seed: int = 0,
    like: Autoencoder | None = None,
) -> float:
    """Return whether neighbours among the codes are neighbours among the samples: in [0, 1], higher is better.

    Venna & Kaski (2001), Euclidean distances, by scikit-learn. Costs N^2: at most `limit` rows, drawn with the seed,
    are used. Distances of samples are those on the model's scale, or on that of the fitted model `like`.

    References
    ----------
    doi:10.1007/3-540-44668-0_68
    """
    arrays = encoded(model, X)
    arrays = arrays.rows(subset(len(arrays.x), limit, seed))
    n = len(arrays.x)
    if not 1 <= neighbours < n / 2:
        raise ConfigError(
            f"trustworthiness: neighbours must be >= 1 and less than half of {n} samples; got {neighbours!r}."
        )
    x = values(model, arrays)
    x = x if like is None else model.schema_.rescale(x, like.schema_)
    return float(sklearn_trustworthiness(x.reshape(n, -1), codes(model, arrays), n_neighbors=neighbours))


def knn_accuracy(
    model: Autoencoder,
    X: ArrayLike | Arrays,
    y: ArrayLike,
    X_test: ArrayLike | Arrays,
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
        Samples with labels (N,), whose codes are the neighbours.
    X_test, y_test
        Samples with labels, to classify.
    neighbours
        Codes that vote.
    k
        Latent dimensions to use, the first ones of an ordered code; None for all.
    """
    Z, labels = _codes(model, X, y, k, "knn_accuracy")
    Z_test, test_labels = _codes(model, X_test, y_test, k, "knn_accuracy")
    return float(KNeighborsClassifier(neighbours).fit(Z, labels).score(Z_test, test_labels))


def logistic_accuracy(
    model: Autoencoder,
    X: ArrayLike | Arrays,
    y: ArrayLike,
    X_test: ArrayLike | Arrays,
    y_test: ArrayLike,
    *,
    k: int | None = None,
) -> float:
    """Return the share of test samples that a linear classifier of the codes classifies correctly: in [0, 1].

    A linear probe (Alain & Bengio 2016): multinomial logistic regression on standardised codes, with an L2 penalty of
    C = 1, by scikit-learn.

    References
    ----------
    arXiv:1610.01644
    """
    Z, labels = _codes(model, X, y, k, "logistic_accuracy")
    Z_test, test_labels = _codes(model, X_test, y_test, k, "logistic_accuracy")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return float(probe.fit(Z, labels).score(Z_test, test_labels))


def few_label_accuracy(
    model: Autoencoder,
    X: ArrayLike | Arrays,
    y: ArrayLike,
    X_test: ArrayLike | Arrays,
    y_test: ArrayLike,
    *,
    per_class: int = 1,
    draws: int = 20,
    seed: int = 0,
    metric: str = "euclidean",
) -> FewLabels:
    """Return the accuracy of the nearest labelled code with a few labels per class, over seeded draws.

    Every draw picks `per_class` samples of each class of (X, y), and gives each test sample the label of the nearest
    code. Draws depend on y and the seed alone: they are the same for every model.

    Parameters
    ----------
    model
        A fitted model; it was fitted to X without labels.
    X, y
        Samples with labels (N,), from which the labelled ones are drawn.
    X_test, y_test
        Samples with labels, to classify.
    per_class
        Labelled samples of each class.
    draws
        Number of draws, at least 2, so that there is a deviation.
    seed
        Of the draws.
    metric
        "euclidean", or "cosine": the angle between codes, which ignores their length.
    """
    return few_labels(
        lambda rows: codes(model, rows), encoded(model, X), y, encoded(model, X_test), y_test,
        per_class=per_class, draws=draws, seed=seed, metric=metric,
    )  # fmt: skip


def few_labels(
    encode: Callable[[Arrays], Array],
    X: Arrays,
    y: ArrayLike,
    X_test: Arrays,
    y_test: ArrayLike,
    *,
    per_class: int,
    draws: int,
    seed: int,
    metric: str = "euclidean",
) -> FewLabels:
    """Return the same for any function from samples to codes: `encode`, N rows to (N, k)."""
    if draws < 2 or per_class < 1:
        raise ConfigError(
            f"few_label_accuracy: draws must be >= 2 and per_class >= 1; got {draws!r} and {per_class!r}."
        )
    if metric not in METRICS:
        raise ConfigError(
            f"few_label_accuracy: metric must be one of {', '.join(METRICS)}; got {metric!r}."
            f"{did_you_mean(metric, METRICS)}"
        )
    labels = check_labels("few_label_accuracy", len(X.x), y)
    test_labels = check_labels("few_label_accuracy", len(X_test.x), y_test)
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    if min(map(len, members)) < per_class:
        raise DataError(
            f"few_label_accuracy: every class must have per_class = {per_class} samples; the rarest has "
            f"{min(map(len, members))}. Lower per_class."
        )
    drawn = [np.concatenate([rng.choice(rows, per_class, replace=False) for rows in members]) for _ in range(draws)]
    used, positions = np.unique(np.stack(drawn), return_inverse=True)
    Z, Z_test = encode(X.rows(used)), encode(X_test)
    accuracies = np.empty(draws)
    for i, chosen in enumerate(positions.reshape(draws, -1)):
        nearest = KNeighborsClassifier(1, metric=metric).fit(Z[chosen], labels[used[chosen]])
        accuracies[i] = nearest.score(Z_test, test_labels)
    return FewLabels(float(accuracies.mean()), float(accuracies.std(ddof=1)), accuracies, per_class)


def _codes(model: Autoencoder, X: ArrayLike | Arrays, y: ArrayLike, k: int | None, measure: str) -> tuple[Array, Array]:
    arrays = encoded(model, X)
    return codes(model, arrays, k=k), check_labels(measure, len(arrays.x), y)
