"""A map of the codes in the plane."""

from __future__ import annotations

from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject
from narrows.data.arrays import Array, subset
from narrows.errors import ConfigError
from narrows.estimators.inference import codes
from narrows.params import model, param
from narrows.projection import plane, tsne, umap

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


def agreement(points: Array, labels: Array, neighbours: int) -> float:
    """Return the mean share of the nearest neighbours of points (N, k) that have their label (N,): in [0, 1]."""
    nearest = NearestNeighbors(n_neighbors=neighbours).fit(points).kneighbors(return_distance=False)
    return float((labels[nearest] == labels[:, None]).mean())
