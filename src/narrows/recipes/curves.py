"""A measure across the variants of a recipe, beside PCA's: by a parameter of the model, or by the number of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from narrows import figures
from narrows.data import Dataset
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import encoded
from narrows.evaluation.errors import pca_baseline
from narrows.figures.sweep import Line
from narrows.recipes.goals import MEASURES

if TYPE_CHECKING:
    from PIL import Image

ROWS = "training samples"
"""What a curve may be drawn against beside the parameters of the model."""


@dataclass(frozen=True)
class Curve:
    """What is drawn across the variants."""

    across: str
    """A parameter of the model, or ROWS."""
    measure: str
    """One of MEASURES that PCA has as well."""
    split: str = "test"
    """Of the data: train, validation or test."""


class Point(NamedTuple):
    """One variant."""

    x: float
    value: float
    pca: float
    """The same measure of PCA of the same rank, fitted to the same samples."""


def point_of(curve: Curve, estimator: Autoencoder, dataset: Dataset) -> Point:
    """Return a fitted variant's point on the curve."""
    measure, split = MEASURES[curve.measure], dataset.split(curve.split)
    assert measure.of_pca is not None  # checked with the recipe
    arrays = encoded(estimator, split.X, split.y)
    train = encoded(estimator, dataset.train, dataset.train_labels)
    x = float(len(dataset.train)) if curve.across == ROWS else float(getattr(estimator, curve.across))
    of_pca = measure.of_pca(pca_baseline(estimator, train), arrays)
    return Point(x, measure.of(estimator, arrays, train), of_pca)


def draw_curve(curve: Curve, points: Sequence[Point], name: str) -> Image.Image:
    """Return the curve as a picture; `name` is the model's."""
    x = [p.x for p in points]
    zeros = [0.0] * len(points)
    lines = [Line(name, x, [p.value for p in points], zeros), Line("PCA", x, [p.pca for p in points], zeros, True)]
    unit = MEASURES[curve.measure].unit
    return figures.sweep({f"{curve.measure}, {curve.split}\n{unit}": lines}, curve.across)
