"""A map of the codes in the plane."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.manifold import TSNE, trustworthiness
from sklearn.neighbors import NearestNeighbors

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject
from narrows.data.arrays import Array, subset
from narrows.errors import ConfigError
from narrows.estimators.inference import codes
from narrows.params import model, param
from narrows.pca import principal_axes

FEWEST = 4
"""Samples of which a map can be made."""


@model
class Map(Analysis):
    """Draw the codes in the plane, coloured by label, with thumbnails of images.

    The picture is map_METHOD.png. Numbers: the map's trustworthiness, whether neighbours in it are neighbours among the
    codes (Venna & Kaski 2001, at most 1); and with classes the share of each sample's neighbours that have its label,
    in the map and among the codes.
    """

    method: str = param("tsne", "Method; umap needs the package umap-learn.", choices=("tsne", "pca", "umap"))
    limit: int = param(2500, "Samples at most, drawn with the seed.", low=FEWEST)
    neighbours: int = param(10, "Neighbours of each sample, for the numbers and for umap.", low=1)
    perplexity: float = param(30.0, "Effective number of neighbours in t-SNE.", low=1)
    seed: int = param(0, "The same seed gives the same map.", low=0)

    def run(self, subject: Subject) -> Result:
        """Run the analysis."""
        split, X, y = subject.shown
        rows = subset(len(X), self.limit, self.seed)
        if len(rows) < FEWEST:
            raise ConfigError(f"Map: there must be at least {FEWEST} {split} samples; got {len(rows)}.")
        labels = None if y is None else y[rows]
        Z = codes(subject.model, subject.arrays.rows(rows))
        points = self._points(Z)
        near = min(self.neighbours, (len(rows) - 1) // 2)
        numbers = {"trustworthiness": float(trustworthiness(Z, points, n_neighbors=near))}
        if labels is not None and labels.dtype.kind != "f":
            numbers["neighbours of the same label, map"] = agreement(points, labels, near)
            numbers["neighbours of the same label, codes"] = agreement(Z, labels, near)
        page = figures.thumbnail_map(points, X[rows], labels, subject.dataset.label_names, seed=self.seed)
        picture = subject.draw(f"map_{self.method}.png", page)
        return Result(numbers, (picture,), f"{len(rows):,} {split} samples, {near} neighbours of each.")

    def _points(self, Z: Array) -> Array:
        if self.method == "pca":
            return plane(Z).points
        return tsne(Z, self.perplexity, self.seed) if self.method == "tsne" else umap(Z, self.neighbours, self.seed)


class Plane(NamedTuple):
    """The first two principal components of codes."""

    points: Array
    """(N, 2); the second is 0 where codes have one dimension."""
    mean: Array
    """(k,)"""
    axes: Array
    """(2, k), or (1, k) where codes have one dimension."""


def plane(Z: Array) -> Plane:
    """Return the principal plane of codes (N, k)."""
    axes = principal_axes(Z, min(2, Z.shape[1]))
    points = np.zeros((len(Z), 2))
    points[:, : len(axes.components)] = (Z - axes.mean) @ axes.components.T
    return Plane(points, axes.mean, axes.components)


def tsne(Z: Array, perplexity: float = 30.0, seed: int = 0) -> Array:
    """Return t-SNE's map (van der Maaten & Hinton 2008), initialised by PCA: (N, k) to (N, 2)."""
    start = plane(Z).points
    start *= 1e-4 / (start[:, 0].std() or 1.0)
    perplexity = min(perplexity, (len(Z) - 1) / 3)
    return np.asarray(TSNE(2, perplexity=perplexity, init=start, random_state=seed).fit_transform(Z))


def umap(Z: Array, neighbours: int = 10, seed: int = 0) -> Array:
    """Return UMAP's map (McInnes et al. 2018), initialised by PCA: (N, k) to (N, 2)."""
    try:
        from umap import UMAP
    except ImportError:
        message = 'Map: method "umap" must have umap-learn installed; it is not. Run: pip install "narrows[map]".'
        raise ConfigError(message) from None
    near = min(max(2, neighbours), len(Z) - 1)
    return np.asarray(UMAP(near, init="pca", random_state=seed, n_jobs=1).fit_transform(Z), np.float64)


def agreement(points: Array, labels: Array, neighbours: int) -> float:
    """Return the mean share of the nearest neighbours of points (N, k) that have their label (N,): in [0, 1]."""
    nearest = NearestNeighbors(n_neighbors=neighbours).fit(points).kneighbors(return_distance=False)
    return float((labels[nearest] == labels[:, None]).mean())
