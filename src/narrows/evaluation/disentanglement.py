"""Disentanglement: whether single latent dimensions encode single factors, where the factors are known.

Every measure takes codes Z (N, latent_dim) and factors (N, F), integers, of the same N samples, best drawn evenly
from all combinations; `factor_grid` renders such samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import mutual_info_score
from sklearn.svm import LinearSVC

from narrows.data.arrays import Array
from narrows.errors import ConfigError, DataError

BINS = 20
"""Intervals of equal width into which a latent dimension is divided for mutual information."""


class DCI(NamedTuple):
    """Eastwood & Williams (2018); each in [0, 1], higher is better."""

    disentanglement: float
    """Whether a latent dimension matters for one factor only."""
    completeness: float
    """Whether a factor needs one latent dimension only."""
    informativeness: float
    """Accuracy of the prediction on held-out samples, mean over factors."""
    importance: Array
    """(latent_dim, F)"""


class Disentanglement(NamedTuple):
    """All measures on the same codes."""

    mig: float
    sap: float
    factor_vae: float
    modularity: float
    dci: DCI


def mutual_information_matrix(Z: ArrayLike, factors: ArrayLike, *, bins: int = BINS) -> Array:
    """Return the mutual information of every latent dimension with every factor: (latent_dim, F), in nats.

    Of the empirical distribution, the code divided into `bins` intervals of equal width between its extremes.
    """
    codes, truth = _checked(Z, factors, "mutual_information_matrix")
    cells = [np.digitize(z, np.histogram_bin_edges(z, bins)[1:-1]) for z in codes.T]
    return np.array([[mutual_info_score(factor, cell) for factor in truth.T] for cell in cells])


def mig(Z: ArrayLike, factors: ArrayLike, *, bins: int = BINS) -> float:
    """Return the mutual information gap: in [0, 1], higher is better (Chen et al. 2018, eq. 6).

    For each factor the largest mutual information with a latent dimension less the second largest, divided by the
    factor's entropy; the mean over factors. Factors that never vary are left out.

    References
    ----------
    arXiv:1802.04942
    """
    codes, truth = _checked(Z, factors, "mig")
    information = np.sort(mutual_information_matrix(codes, truth, bins=bins), axis=0)[::-1]
    information = np.vstack([information, np.zeros_like(information[:1])])  # a code of one dimension has no second
    entropy = np.array([mutual_info_score(f, f) for f in truth.T])
    varied = entropy > 0
    return float(np.mean((information[0] - information[1])[varied] / entropy[varied])) if varied.any() else 0.0


def modularity(Z: ArrayLike, factors: ArrayLike, *, bins: int = BINS) -> float:
    """Return modularity: whether each latent dimension informs about one factor only; in [0, 1].

    Ridgeway & Mozer (2018); see `modularity_of_matrix`, here of the mutual information.

    References
    ----------
    arXiv:1802.05312
    """
    return modularity_of_matrix(mutual_information_matrix(Z, factors, bins=bins))


def modularity_of_matrix(information: ArrayLike) -> float:
    """Return modularity from the mutual information of codes and factors (latent_dim, F).

    1 - sum of the squares of all but the largest entry of a row / (largest^2 (F - 1)); the mean over latent
    dimensions, where one without information counts 0 (Ridgeway & Mozer 2018, eq. 2).

    Examples
    --------
    >>> modularity_of_matrix([[1.0, 0.0], [0.0, 2.0]])
    1.0
    """
    squares = np.square(np.asarray(information, dtype=np.float64))
    largest = squares.max(1)
    informs = largest > 0
    others = (squares.sum(1) - largest)[informs] / (largest[informs] * max(1, squares.shape[1] - 1))
    return float((1 - others).sum() / len(squares))


def disentanglement_of_matrix(importance: ArrayLike) -> float:
    """Return DCI's disentanglement from the importance of codes for factors (latent_dim, F).

    1 - entropy of a row to the base F, weighted by the row's share of all importance (Eastwood & Williams 2018).
    """
    matrix = np.asarray(importance, dtype=np.float64)
    total = matrix.sum()
    if total <= 0:
        return 0.0
    rows = matrix.sum(1)
    shares = matrix[rows > 0] / rows[rows > 0, None]
    logs = np.log(np.where(shares > 0, shares, 1.0))
    entropy = -(shares * logs).sum(1) / math.log(max(2, matrix.shape[1]))
    return float(((1 - entropy) * rows[rows > 0]).sum() / total)


def completeness(importance: ArrayLike) -> float:
    """Return DCI's completeness from the importance of codes for factors (latent_dim, F), column by column."""
    return disentanglement_of_matrix(np.asarray(importance).T)


def dci(Z: ArrayLike, factors: ArrayLike, *, test: float = 0.25, seed: int = 0) -> DCI:
    """Return disentanglement, completeness and informativeness (Eastwood & Williams 2018).

    Variant: one random forest per factor (scikit-learn, 100 trees, all dimensions at every split), whose impurity
    importances are the matrix; informativeness is accuracy on a held-out share `test` of the samples.

    References
    ----------
    openreview.net/forum?id=By-7dz-AZ
    """
    codes, truth = _checked(Z, factors, "dci")
    order = np.random.default_rng(seed).permutation(len(codes))
    held, rest = np.split(order, [max(1, round(test * len(codes)))])
    importance, accuracy = [], []
    for factor in truth.T:
        forest = RandomForestClassifier(100, max_features=None, min_samples_leaf=2, random_state=seed)
        forest.fit(codes[rest], factor[rest])
        importance.append(forest.feature_importances_)
        accuracy.append(forest.score(codes[held], factor[held]))
    matrix = np.array(importance).T
    return DCI(disentanglement_of_matrix(matrix), completeness(matrix), float(np.mean(accuracy)), matrix)


def sap(Z: ArrayLike, factors: ArrayLike, *, categorical: Sequence[int] = ()) -> float:
    """Return the separated attribute predictability: in [0, 1], higher is better (Kumar et al. 2018, sec. 3).

    For each factor the best score of a latent dimension less the second best; the mean over factors. The score is the
    squared correlation, or for categorical factors the accuracy of a linear classifier, classes weighted equally.

    Parameters
    ----------
    Z, factors
        Codes (N, latent_dim) and factors (N, F).
    categorical
        Which factors have no order, such as a shape.

    References
    ----------
    arXiv:1711.00848
    """
    codes, truth = _checked(Z, factors, "sap")
    if any(not 0 <= i < truth.shape[1] for i in categorical):
        raise ConfigError(f"sap: categorical must be in [0, {truth.shape[1] - 1}]; got {list(categorical)!r}.")
    gaps = []
    for i, factor in enumerate(truth.T):
        scores = sorted([_accuracy(z, factor) if i in categorical else _correlation(z, factor) for z in codes.T])
        gaps.append(scores[-1] - (scores[-2] if len(scores) > 1 else 0.0))
    return float(np.mean(gaps))


def _correlation(z: Array, factor: Array) -> float:
    variance, spread = z.var(), factor.var()
    if variance <= 1e-12 or spread == 0:
        return 0.0
    return float(np.mean((z - z.mean()) * (factor - factor.mean())) ** 2 / (variance * spread))


def _accuracy(z: Array, factor: Array) -> float:
    if z.var() <= 1e-12 or len(np.unique(factor)) < 2:
        return 0.0
    scaled = ((z - z.mean()) / z.std())[:, None]
    machine = LinearSVC(C=0.01, class_weight="balanced", random_state=0)
    return float(machine.fit(scaled, factor).score(scaled, factor))


def factor_vae_score(
    Z: ArrayLike, factors: ArrayLike, *, votes: int = 800, batch: int = 64, seed: int = 0, threshold: float = 0.05
) -> float:
    """Return the FactorVAE score: accuracy in [0, 1], 1 / F at random (Kim & Mnih 2018, sec. 4).

    One factor is fixed, `batch` samples that share its value are drawn, and the latent dimension that varies least,
    relative to its variance over all samples, votes for the factor. A majority vote is learned from `votes` draws and
    evaluated on as many others. Dimensions whose variance is below `threshold` times the largest do not vote; where
    none varies the score is 0.

    Parameters
    ----------
    Z, factors
        Codes (N, latent_dim) and factors (N, F), all combinations or an even draw of many of them.
    votes
        Draws to learn from, and as many to evaluate on.
    batch
        Samples in a draw; with replacement where fewer share the value.
    seed
        Of the draws.
    threshold
        Share of the largest variance, below which a dimension counts as unused.

    References
    ----------
    arXiv:1802.05983
    """
    codes, truth = _checked(Z, factors, "factor_vae_score")
    spread = codes.var(0)
    used = spread > max(threshold * spread.max(), 1e-12)
    if not used.any():
        return 0.0
    codes = codes[:, used] / np.sqrt(spread[used])
    rng = np.random.default_rng(seed)
    varied = [i for i in range(truth.shape[1]) if len(np.unique(truth[:, i])) > 1]
    members = {i: [np.flatnonzero(truth[:, i] == value) for value in np.unique(truth[:, i])] for i in varied}
    counts = np.zeros((2, codes.shape[1], truth.shape[1]), dtype=np.int64)
    for part in counts:
        for _ in range(votes):
            factor = rng.choice(varied)
            rows = members[factor][rng.integers(len(members[factor]))]
            drawn = codes[rng.choice(rows, batch, replace=len(rows) < batch)]
            part[drawn.var(0).argmin(), factor] += 1
    learned = counts[0].argmax(1)
    return float(counts[1][np.arange(len(learned)), learned].sum() / votes)


def measure_disentanglement(
    Z: ArrayLike, factors: ArrayLike, *, categorical: Sequence[int] = (), seed: int = 0
) -> Disentanglement:
    """Return every measure of the same codes (N, latent_dim) and factors (N, F); see each of them."""
    return Disentanglement(
        mig(Z, factors),
        sap(Z, factors, categorical=categorical),
        factor_vae_score(Z, factors, seed=seed),
        modularity(Z, factors),
        dci(Z, factors, seed=seed),
    )


def _checked(Z: ArrayLike, factors: ArrayLike, measure: str) -> tuple[Array, Array]:
    codes, truth = np.asarray(Z, dtype=np.float64), np.asarray(factors)
    if codes.ndim != 2 or truth.ndim != 2 or len(codes) != len(truth) or len(codes) < 2:
        raise DataError(
            f"{measure}: Z must be (N, latent_dim) and factors (N, F) of the same N >= 2; got {codes.shape} and "
            f"{truth.shape}."
        )
    if truth.dtype.kind not in "iub":
        raise DataError(f"{measure}: factors must be integers; got {truth.dtype}. Give the index of each value.")
    return codes, truth
