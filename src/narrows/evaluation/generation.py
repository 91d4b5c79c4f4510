"""Distances between generated and real samples, on named features (N, d)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh, svdvals
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from narrows.data.arrays import Array, subset
from narrows.errors import ConfigError, DataError
from narrows.evaluation.features import PIXELS, Features


class KernelDistance(NamedTuple):
    """Squared maximum mean discrepancy, unbiased: about 0, also below, where both have one distribution."""

    mean: float
    deviation: float
    """Over blocks of samples; nan for one block."""


class PrecisionRecall(NamedTuple):
    """Kynkäänniemi et al. (2019); both in [0, 1]."""

    precision: float
    """Share of generated samples within the radius of a real one."""
    recall: float
    """Share of real samples within the radius of a generated one."""


class DensityCoverage(NamedTuple):
    """Naeem et al. (2020)."""

    density: float
    """Real samples in whose radius a generated one lies, by the number expected: about 1 is best, more is possible."""
    coverage: float
    """Share of real samples in whose radius a generated one lies, in [0, 1]."""


def frechet_distance(real: ArrayLike, generated: ArrayLike) -> float:
    """Return the Fréchet distance of two normals with the moments of two sets of features (Heusel et al. 2017, eq. 6).

    |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)), covariances with n - 1, in squared units of the features. It is FID
    only on Inception's features. It falls with the number of samples: compare at the same number.

    Parameters
    ----------
    real, generated
        Features (N, d) and (M, d).

    References
    ----------
    arXiv:1706.08500
    """
    a, b = _pair(real, generated, "frechet_distance")
    return frechet_from_moments(a.mean(0), np.cov(a.T), b.mean(0), np.cov(b.T))


def frechet_from_moments(mean: ArrayLike, covariance: ArrayLike, mean_2: ArrayLike, covariance_2: ArrayLike) -> float:
    """Return the Fréchet distance of two normals: means (d,), covariances (d, d).

    tr (C C')^(1/2) is the sum of the singular values of C^(1/2) C'^(1/2): no root of a matrix that is not symmetric, no
    imaginary parts, and covariances without full rank do not disturb it.
    """
    m, m_2 = np.atleast_1d(np.asarray(mean, float)), np.atleast_1d(np.asarray(mean_2, float))
    c, c_2 = np.atleast_2d(np.asarray(covariance, float)), np.atleast_2d(np.asarray(covariance_2, float))
    overlap = svdvals(_root(c) @ _root(c_2)).sum()
    return max(0.0, float(np.square(m - m_2).sum() + np.trace(c) + np.trace(c_2) - 2 * overlap))


def _root(covariance: Array) -> Array:
    values, vectors = eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def kernel_distance(real: ArrayLike, generated: ArrayLike, *, block: int = 1000, seed: int = 0) -> KernelDistance:
    """Return the squared MMD with the kernel (x . y / d + 1)^3, unbiased (Bińkowski et al. 2018).

    It is KID only on Inception's features. Unlike the Fréchet distance its mean does not depend on the number of
    samples. Samples are shuffled with the seed and divided into blocks, whose mean and deviation are returned.

    Parameters
    ----------
    real, generated
        Features (N, d) and (M, d).
    block
        Samples of each kind in a block; fewer samples make one block.
    seed
        Of the shuffling.

    References
    ----------
    arXiv:1801.01401
    """
    a, b = _pair(real, generated, "kernel_distance")
    rng = np.random.default_rng(seed)
    a, b = rng.permutation(a), rng.permutation(b)
    n = min(len(a), len(b))
    blocks = max(1, n // block)
    if blocks == 1:
        return KernelDistance(_mmd(a, b), float("nan"))
    distances = [_mmd(a[i * block : (i + 1) * block], b[i * block : (i + 1) * block]) for i in range(blocks)]
    return KernelDistance(float(np.mean(distances)), float(np.std(distances, ddof=1)))


def _mmd(a: Array, b: Array) -> float:
    d = a.shape[1]
    aa, bb, ab = ((x @ y.T / d + 1) ** 3 for x, y in ((a, a), (b, b), (a, b)))
    n, m = len(a), len(b)
    within = (aa.sum() - np.trace(aa)) / (n * (n - 1)) + (bb.sum() - np.trace(bb)) / (m * (m - 1))
    return float(within - 2 * ab.mean())


def precision_recall(real: ArrayLike, generated: ArrayLike, *, neighbours: int = 3) -> PrecisionRecall:
    """Return improved precision and recall; a sample's radius ends at its k-th nearest neighbour of its kind, k = 3.

    References
    ----------
    arXiv:1904.06991
    """
    a, b = _pair(real, generated, "precision_recall", neighbours)
    radii_a, radii_b = _radii(a, neighbours), _radii(b, neighbours)
    in_a, in_b = np.zeros(len(b), bool), np.zeros(len(a), bool)
    start = 0
    for distance in pairwise_distances_chunked(a, b, working_memory=64):
        rows = slice(start, start + len(distance))
        in_a |= (distance <= radii_a[rows, None]).any(0)
        in_b[rows] = (distance <= radii_b).any(1)
        start += len(distance)
    return PrecisionRecall(float(in_a.mean()), float(in_b.mean()))


def density_coverage(real: ArrayLike, generated: ArrayLike, *, neighbours: int = 5) -> DensityCoverage:
    """Return density and coverage; a real sample's radius ends at its k-th nearest real neighbour, k = 5.

    Unlike precision and recall they do not depend on single outliers among the samples.

    References
    ----------
    arXiv:2002.09797
    """
    a, b = _pair(real, generated, "density_coverage", neighbours)
    radii = _radii(a, neighbours)
    hits, covered, start = 0, np.zeros(len(a), bool), 0
    for distance in pairwise_distances_chunked(a, b, working_memory=64):
        rows = slice(start, start + len(distance))
        within = distance <= radii[rows, None]
        hits += int(within.sum())
        covered[rows] = within.any(1)
        start += len(distance)
    return DensityCoverage(hits / (neighbours * len(b)), float(covered.mean()))


def _radii(features: Array, neighbours: int) -> Array:
    # kneighbors without an argument leaves each sample itself out.
    return NearestNeighbors(n_neighbors=neighbours).fit(features).kneighbors()[0][:, -1]


def measure_generation(
    real: Array, generated: Array, *, features: Features = PIXELS, limit: int | None = 10_000, seed: int = 0
) -> dict[str, float]:
    """Return all measures of generated samples by name, each with the features and the number of samples in its name.

    Parameters
    ----------
    real, generated
        Samples (N, *shape) and (M, *shape) on one scale; uint8 is scaled by 1/255. min(N, M, limit) of each are used.
    features
        The features that are compared.
    limit
        Samples of each kind at most.
    seed
        Of the choice of samples.
    """
    n = min(len(real), len(generated), limit or len(real))
    a = features.extract(np.asarray(real)[subset(len(real), n, seed)])
    b = features.extract(np.asarray(generated)[subset(len(generated), n, seed)])
    kernel, pr, dc = kernel_distance(a, b, seed=seed), precision_recall(a, b), density_coverage(a, b)
    values = {
        "frechet distance": frechet_distance(a, b),
        "kernel distance": kernel.mean,
        "precision": pr.precision,
        "recall": pr.recall,
        "density": dc.density,
        "coverage": dc.coverage,
    }
    return {f"{name} ({features.name}, n={n})": value for name, value in values.items()}


def _pair(real: ArrayLike, generated: ArrayLike, measure: str, neighbours: int = 1) -> tuple[Array, Array]:
    a, b = np.asarray(real, np.float64), np.asarray(generated, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise DataError(
            f"{measure}: real and generated must be features (N, d) and (M, d), two rows at least; got {a.shape} and "
            f"{b.shape}. Flatten samples, or use measure_generation."
        )
    if not 1 <= neighbours < min(len(a), len(b)):
        raise ConfigError(f"{measure}: neighbours must be in [1, {min(len(a), len(b)) - 1}]; got {neighbours!r}.")
    return a, b
