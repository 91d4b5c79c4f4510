"""Points in a plane or in space, and what a model with a small code makes of them, beside PCA."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.linalg

from narrows import figures
from narrows.analyses.analysis import Outcome, Step, Subject
from narrows.analyses.codes import loadings
from narrows.errors import ConfigError
from narrows.estimators import PCA
from narrows.estimators.base import Array
from narrows.params import model, param

__all__ = ["Cloud", "Codes", "angle_between"]


@model
class Cloud(Step):
    """Draw points of a plane, what is recovered of them, and the axes of a linear model.

    Every point is joined to what is recovered of it. An arrow is as long as two deviations of its code; where the code
    is one number, all that it can recover is a line.
    """

    use: int | None = param(
        None,
        "Numbers of an ordered code to recover from; if left out all, or one fewer than columns.",
        low=1,
    )

    def run(self, subject: Subject) -> Outcome:
        """Do it."""
        estimator, (part, samples, _) = subject.model, subject.shown
        _check_columns(subject, 2, "Cloud", "codes draws points in space, narrows reconstruct all tables")
        X = subject.scaled(samples).astype(np.float64)
        k = _used(subject, self.use, 2)
        X_hat = _recovered(subject, samples, k)
        pca = _pca(subject, k)
        numbers = _errors(subject, X, X_hat, _recovered_by(pca, samples))
        arrows, line, found = [], None, loadings(subject)
        if found is not None:
            Z = estimator.transform(samples).astype(np.float64)
            total = float(X.var(0).sum())
            for j, axis in enumerate(found):
                name = f"component {j + 1}" if len(found) > 1 else "the axis"
                share = float(Z[:, j].var() * (axis @ axis)) / total
                degrees = direction(axis)
                numbers[f"explained variance of {name}, share"] = share
                numbers[f"angle of {name}, degrees"] = degrees
                oriented = np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
                length = 2 * float(Z[:, j].std() * np.linalg.norm(axis))
                arrows.append((X.mean(0), oriented * length, f"{degrees:.1f}°, {share:.1%}"))
            apart = angle_between(found[:k], pca.components_)
            numbers["angle to PCA, rad"] = apart
        if found is None or apart > 1e-6:
            line = np.stack([pca.mean_, pca.mean_ + pca.components_[0]]) if k == 1 else None
        curve = _curve(subject, samples) if k == 1 else None
        picture = figures.cloud(X, X_hat, arrows=arrows, curve=curve, line=line)
        said = f"{len(X):,} {part} points from {k} number{'s' if k > 1 else ''} each; squared errors per point."
        return Outcome(numbers, (subject.draw("cloud.png", picture),), said)


@model
class Codes(Step):
    """Draw points in space, the plane of a code of two numbers, and the codes.

    Colours go around the middle of the codes, so that a point is found in both pictures.
    """

    def run(self, subject: Subject) -> Outcome:
        """Do it."""
        estimator, (part, samples, _) = subject.model, subject.shown
        _check_columns(subject, 3, "Codes", "cloud draws points of a plane; latent.png, in the run, all codes")
        if estimator.latent_dim_ != 2:
            raise ConfigError(f"Codes: the code must have 2 numbers; got latent_dim = {estimator.latent_dim_}.")
        X = subject.scaled(samples).astype(np.float64)
        X_hat = _recovered(subject, samples, 2)
        Z = estimator.transform(samples).astype(np.float64)
        low, high = Z.min(0), Z.max(0)
        margin = 0.08 * (high - low)
        axes = np.linspace(low - margin, high + margin, 12)
        grid = np.stack(np.meshgrid(axes[:, 0], axes[:, 1], indexing="ij"), -1)
        surface = estimator.inverse_transform(grid.reshape(-1, 2)).reshape(12, 12, 3)
        pca = _pca(subject, 2)
        numbers = _errors(subject, X, X_hat, _recovered_by(pca, samples))
        if (found := loadings(subject)) is not None:
            numbers["angle to PCA, rad"] = angle_between(found, pca.components_)
        said = f"{len(X):,} {part} points from 2 numbers each; squared errors per point."
        return Outcome(numbers, (subject.draw("codes.png", figures.codes(X, X_hat, Z, surface)),), said)


def angle_between(A: Array, B: Array) -> float:
    """Return the largest principal angle between the spaces that the rows of A (k, D) and B (k, D) span, in rad.

    From sines where it is small, so that no digits are lost (Knyazev & Argentati, 2002).
    """
    return float(scipy.linalg.subspace_angles(A.T, B.T).max())


def direction(axis: Array) -> float:
    """Return the angle of an axis (2,) to the first column, in degrees; its larger entry counts as positive."""
    sign = -1.0 if axis[np.abs(axis).argmax()] < 0 else 1.0
    return math.degrees(math.atan2(sign * axis[1], sign * axis[0]))


def _check_columns(subject: Subject, columns: int, step: str, elsewhere: str) -> None:
    shape = subject.model.sample_shape_
    if shape != (columns,):
        raise ConfigError(f"{step}: data must be a table of {columns} columns; got shape {shape}. ({elsewhere}.)")


def _used(subject: Subject, use: int | None, columns: int) -> int:
    """Return how many numbers of the code to recover from."""
    estimator = subject.model
    size, ordered = estimator.latent_dim_, estimator.module_.ordered
    if use is None:
        return columns - 1 if ordered and size >= columns else size
    if use > size or (use < size and not ordered):
        fits = (
            f"from 1 to latent_dim = {size}" if ordered else f"latent_dim = {size}, since these codes are not ordered"
        )
        raise ConfigError(f"Cloud: use must be {fits}; got {use}.")
    return use


def _recovered(subject: Subject, samples: Array, k: int) -> Array:
    estimator = subject.model
    short = k if k < estimator.latent_dim_ else None
    return estimator.reconstruct(samples, short).astype(np.float64)


def _pca(subject: Subject, k: int) -> PCA:
    """Return PCA of the training samples with as many numbers."""
    rows = subject.dataset.train
    kind: Any = PCA
    return kind(latent_dim=min(k, *rows.shape)).fit(rows)


def _recovered_by(pca: PCA, samples: Array) -> Array:
    return pca.reconstruct(samples)


def _errors(subject: Subject, X: Array, X_hat: Array, X_pca: Array) -> dict[str, float]:
    total = float(np.square(X - X.mean(0)).sum() / len(X))
    error = float(np.square(X - X_hat).sum() / len(X))
    return {
        "squared error": error,
        "squared error of PCA": float(np.square(X - X_pca).sum() / len(X)),
        "explained variance, share": 1 - error / total if total else math.nan,
    }


def _curve(subject: Subject, samples: Array) -> Array:
    """Return what is recovered along the first number of the code, from the least to the greatest: (200, 2)."""
    z = subject.model.transform(samples)[:, :1].astype(np.float64)
    return subject.model.inverse_transform(np.linspace(z.min(0), z.max(0), 200))
