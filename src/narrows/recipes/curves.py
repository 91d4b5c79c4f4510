"""A number across the variants of a recipe, beside PCA's: by the size of the code, or by that of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from narrows import figures
from narrows.data import Dataset
from narrows.estimators import PCA
from narrows.estimators.base import Autoencoder
from narrows.figures.sweep import Line
from narrows.recipes.goals import MEASURES

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ROWS", "Curve", "Point", "drawn", "point"]

ROWS = "training samples"
"""What a curve may run across beside the fields of the model."""


@dataclass(frozen=True)
class Curve:
    """What is drawn across the variants."""

    across: str
    """A field of the model, or ROWS."""
    measure: str
    part: str = "test"


class Point(NamedTuple):
    """One variant."""

    x: float
    found: float
    pca: float
    """The same for PCA with as long a code, fitted to the same samples."""


def point(curve: Curve, estimator: Autoencoder, dataset: Dataset) -> Point:
    """Return a fitted variant's place on the curve."""
    measure, X = MEASURES[curve.measure], dataset.split(curve.part).X
    x = float(len(dataset.train)) if curve.across == ROWS else float(getattr(estimator, curve.across))
    size = min(estimator.latent_dim_, len(dataset.train) - 1, estimator.n_features_in_)
    pca = PCA(latent_dim=size).fit(dataset.train)
    against = (measure.of_pca or measure.of)(pca, X, dataset.train)
    return Point(x, measure.of(estimator, X, dataset.train), against)


def drawn(curve: Curve, points: Sequence[Point], name: str) -> Image.Image:
    """Return the curve as a picture; `name` is the model's."""
    x = [p.x for p in points]
    none = [0.0] * len(points)
    lines = [Line(name, x, [p.found for p in points], none), Line("PCA", x, [p.pca for p in points], none, True)]
    unit = MEASURES[curve.measure].unit
    return figures.sweep({f"{curve.measure}, {curve.part}\n{unit}": lines}, curve.across)
