"""Anomaly detection: scores, thresholds, AUROC, and the one-class-against-rest protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.metrics import average_precision_score, roc_auc_score

from narrows.data.arrays import Array, Arrays
from narrows.errors import ConfigError, DataError, did_you_mean
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import check_labels, codes, encoded, map_batches, values
from narrows.evaluation.errors import compared_reconstructions, compared_values, measured, squared_error
from narrows.evaluation.likelihood import elbo
from narrows.probability.densities import fit_density


class Detection(NamedTuple):
    """How well scores separate anomalies from normal samples."""

    auroc: float
    """Area under the ROC curve: the chance that a normal sample scores higher than an anomaly; 0.5 at random."""
    average_precision: float
    """Area under the precision-recall curve, anomalies as the positive class; `prevalence` at random."""
    prevalence: float
    """Share of anomalies."""


class OneAgainstRest(NamedTuple):
    """One model per class: that class is normal, all others are anomalies."""

    classes: Array
    """(C,), the class that was normal."""
    auroc: Array
    """(C,)"""
    average_precision: Array
    """(C,)"""
    mean_auroc: float
    by: str
    """Which score; see `anomaly_scores`."""


Score = Callable[[Autoencoder, Arrays, Arrays, int], Array]
"""Model, samples, training samples, seed -> scores (N,), higher is more normal."""


def _latent(kind: str) -> Score:
    def score(model: Autoencoder, X: Arrays, X_train: Arrays, seed: int) -> Array:
        return fit_density(codes(model, X_train), kind, seed).score_samples(codes(model, X))

    return score


DRAWS, REFERENCES = 100, 20
"""Random sets of training samples that the score "nearest" uses, and samples in each."""


def _nearest(model: Autoencoder, X: Arrays, X_train: Arrays, seed: int) -> Array:
    rng, n = np.random.default_rng(seed), len(X_train.x)
    x, total = compared_values(model, X).reshape(len(X.x), -1), np.zeros(len(X.x))
    spread = _spread(model, X_train)
    mask = measured(model, X)
    absent = None if mask is None else ~mask.reshape(x.shape)
    x = x if absent is None else np.where(absent, 0.0, x)
    for _ in range(DRAWS):
        drawn = X_train.rows(np.sort(rng.choice(n, min(REFERENCES, n), replace=False)))
        known = compared_reconstructions(model, drawn).reshape(len(drawn.x), -1) / spread
        distances = cdist(x / spread, known, "sqeuclidean")
        if absent is not None:  # what is missing counts as 0: over what is observed, as if over all values
            distances -= absent.astype(np.float64) @ np.square(known).T
            distances *= x.shape[1] / np.maximum(1, x.shape[1] - absent.sum(1))[:, None]
        total += np.sqrt(np.maximum(distances.min(1), 0))
    return -total / DRAWS


def _spread(model: Autoencoder, X_train: Arrays) -> Array:
    """Return what values are divided by: the deviations of a table's columns, whose units must not matter, else 1."""
    if model.schema_.kind != "table" or model.schema_.types is not None:  # features of typed columns are scaled alike
        return np.ones(1)
    deviations = values(model, X_train).std(0)
    return np.where(deviations > 0, deviations, 1.0)


SCORES: dict[str, Score] = {
    "score": lambda model, X, X_train, seed: map_batches(model, model.module_.score, X, exact=True),
    "reconstruction": lambda model, X, X_train, seed: -squared_error(model, X),
    "elbo": lambda model, X, X_train, seed: elbo(model, X, samples=10, seed=seed),
    "nearest": _nearest,
    "latent:gaussian": _latent("gaussian"),
    "latent:gmm": _latent("gmm"),
    "latent:kde": _latent("kde"),
}
"""Every score by name; see `anomaly_scores`."""
UNFITTED = ("score", "reconstruction", "elbo")
"""Scores that need no training samples."""


def auto_score(model: Autoencoder, X_train: Arrays | None) -> str:
    """Return the score that "auto" stands for: nearest for tables of numbers with training rows, else score."""
    numbers = model.schema_.kind == "table" and model.schema_.types is None
    return "nearest" if numbers and X_train is not None else "score"


def anomaly_scores(
    model: Autoencoder, X: ArrayLike | Arrays, *, by: str = "score", X_train: ArrayLike | Arrays | None = None,
    seed: int = 0,
) -> Array:  # fmt: skip
    """Return how normal each sample is, higher is more normal: (N,).

    Parameters
    ----------
    model
        A fitted model.
    X
        (N, *shape).
    by
        "score": the model's own `score_samples`, in nats. "reconstruction": minus the squared error, on the model's
        scale. "elbo": the bound with 10 draws, in nats; for models with a posterior. "nearest": minus the distance of
        the sample from the nearest reconstruction of 20 random training samples, the mean over 100 draws of 20
        (Sugiyama & Borgwardt, Rapid distance-based outlier detection via sampling, NIPS 2013, who take it between the
        samples themselves), of tables in units of the columns' deviations: few of a draw are anomalies, so that it
        tolerates anomalies in the training data best. "latent:gaussian", "latent:gmm", "latent:kde": log density of the
        code, in nats, under a density fitted to the codes of `X_train`. "auto": nearest for tables of numbers where
        there is `X_train`, else score; see docs/anomalies.md.
    X_train
        Normal samples, those of training; for "nearest" and the latent scores.
    seed
        Of draws and fits.

    Raises
    ------
    ConfigError
        `by` is unknown, or a score that needs `X_train` comes without it.
    """
    if by == "auto":
        by = auto_score(model, None if X_train is None else encoded(model, X_train))
    if by not in SCORES:
        names = ", ".join(map(repr, SCORES))
        raise ConfigError(f"anomaly_scores: by must be one of {names}; got {by!r}.{did_you_mean(by, SCORES)}")
    if X_train is None and by not in UNFITTED:
        raise ConfigError(f"anomaly_scores: X_train must be given for by={by!r}; got None. Pass the training samples.")
    arrays = encoded(model, X)
    return SCORES[by](model, arrays, arrays if X_train is None else encoded(model, X_train), seed)


def detection(scores: ArrayLike, anomalous: ArrayLike) -> Detection:
    """Return how well scores (N,), higher is more normal, separate anomalies (N,), 1 or True.

    AUROC and average precision by scikit-learn: ties count one half in AUROC, average precision does not interpolate.

    Raises
    ------
    DataError
        There are only normal samples, or only anomalies.

    Examples
    --------
    >>> detection([3.0, 2.0, 1.0], [0, 0, 1]).auroc
    1.0
    """
    values = np.asarray(scores, dtype=np.float64)
    truth = check_labels("detection", len(values), anomalous).astype(bool)
    if truth.all() or not truth.any():
        raise DataError(f"detection: anomalous must hold both kinds; got {int(truth.sum())} anomalies of {len(truth)}.")
    return Detection(
        float(roc_auc_score(truth, -values)), float(average_precision_score(truth, -values)), float(truth.mean())
    )


def threshold(scores: ArrayLike, contamination: float) -> float:
    """Return the score below which a share `contamination` of these scores lies; lower ones are anomalies.

    Parameters
    ----------
    scores
        (N,), of training samples; higher is more normal.
    contamination
        Share of anomalies expected among them, in [0, 1); with 0 the lowest score is still normal.

    Examples
    --------
    >>> threshold([1.0, 2.0, 3.0, 4.0], 0.25)
    2.0
    """
    values = np.sort(np.asarray(scores, dtype=np.float64))
    if not 0 <= contamination < 1 or not len(values):
        raise ConfigError(
            f"threshold: contamination must be in [0, 1), of at least 1 score; got {contamination!r} of {len(values)}."
        )
    return float(values[int(np.floor(contamination * len(values) + 1e-9))])


def predict_anomalies(scores: ArrayLike, limit: float) -> Array:
    """Return 1 for normal and -1 for anomalies, whose score is below `limit`: (N,), as scikit-learn's detectors do."""
    return np.where(np.asarray(scores) < limit, -1, 1)


def one_against_rest(
    model: Autoencoder,
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    *,
    by: str = "score",
    classes: Sequence[object] | None = None,
    seed: int = 0,
) -> OneAgainstRest:
    """Fit a copy of the model to one class at a time, and detect all other classes among test samples.

    The protocol of Ruff et al. (2018, http://proceedings.mlr.press/v80/ruff18a.html, sec. 4): training samples of the
    one class only, all test samples.

    Parameters
    ----------
    model
        An estimator, fitted or not; it is left as it is.
    X, y
        Training samples with classes (N,).
    X_test, y_test
        Test samples with classes.
    by
        Which score, see `anomaly_scores`.
    classes
        Which classes to take as normal; None for all.
    seed
        Of draws and fits of the score.
    """
    data, test = np.asarray(X), np.asarray(X_test)
    labels = check_labels("one_against_rest", len(data), y)
    test_labels = check_labels("one_against_rest", len(test), y_test)
    chosen = np.unique(labels) if classes is None else np.asarray(classes)
    results = []
    for label in chosen:
        normal = data[labels == label]
        if not len(normal):
            raise DataError(f"one_against_rest: classes must occur in y; got {label!r}, of which there is no sample.")
        fitted = clone(model).fit(normal)
        scores = anomaly_scores(fitted, test, by=by, X_train=normal, seed=seed)
        results.append(detection(scores, test_labels != label))
    auroc = np.array([d.auroc for d in results])
    return OneAgainstRest(chosen, auroc, np.array([d.average_precision for d in results]), float(auroc.mean()), by)
