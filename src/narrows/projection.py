"""Codes brought into the plane, to be looked at: by PCA, t-SNE or UMAP."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from narrows.errors import ConfigError

Array = NDArray[Any]


class Plane(NamedTuple):
    """The first two principal components of codes."""

    points: Array
    """(N, 2); the second is 0 where codes have one dimension, or lie on a line."""
    mean: Array
    """(k,)"""
    axes: Array
    """(2, k), or (1, k) where there is one component."""
    shares: tuple[float, float]
    """Of the variance of the codes, that of each component."""


def plane(Z: Array) -> Plane:
    """Return the principal plane of codes (N, k)."""
    Z = np.asarray(Z, np.float64)
    mean = Z.mean(0)
    _, s, v = np.linalg.svd(Z - mean, full_matrices=False)
    v *= np.where(v[np.arange(len(v)), np.abs(v).argmax(1)] < 0, -1.0, 1.0)[:, None]  # a sign that is always the same
    points = np.zeros((len(Z), 2))
    points[:, : min(2, len(v))] = (Z - mean) @ v[:2].T
    first, second, *_ = [*(s**2 / max(float((s**2).sum()), 1e-300)), 0.0]
    return Plane(points, mean, v[:2], (float(first), float(second)))


def tsne(Z: Array, perplexity: float = 30.0, seed: int = 0) -> Array:
    """Return t-SNE's map (van der Maaten & Hinton 2008), initialised by PCA: (N, k) to (N, 2), at least 4 codes."""
    from sklearn.manifold import TSNE

    start = plane(Z).points
    start *= 1e-4 / (start[:, 0].std() or 1.0)
    perplexity = min(perplexity, (len(Z) - 1) / 3)
    return np.asarray(TSNE(2, perplexity=perplexity, init=start, random_state=seed).fit_transform(Z))


def umap(Z: Array, neighbours: int = 10, seed: int = 0) -> Array:
    """Return UMAP's map (McInnes et al. 2018), initialised by PCA: (N, k) to (N, 2).

    Raises: ConfigError where umap-learn is not installed.
    """
    try:
        from umap import UMAP
    except ImportError:
        message = 'Map: method "umap" must have umap-learn installed; it is not. Run: pip install "narrows[map]".'
        raise ConfigError(message) from None
    near = min(max(2, neighbours), len(Z) - 1)
    return np.asarray(UMAP(near, init="pca", random_state=seed, n_jobs=1).fit_transform(Z), np.float64)
