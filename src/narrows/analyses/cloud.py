"""Points of a plane, their reconstructions, and the axes of a linear model."""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject, mean_error
from narrows.analyses.latents import decode, loadings
from narrows.data.arrays import Array
from narrows.errors import ConfigError
from narrows.evaluation.errors import squared_errors
from narrows.evaluation.inference import codes
from narrows.params import model, param


@model
class Cloud(Analysis):
    """Draw points of a plane, their reconstructions, and the axes of a linear model.

    Every point is joined to its reconstruction. An arrow is as long as two deviations of its dimension; where the code
    has one dimension, the reconstructions of all codes are a line.
    """

    use: int | None = param(
        None, "Dimensions of an ordered code to use; all if left out, or one fewer than columns.", low=1
    )

    def run(self, subject: Subject) -> Result:
        """Run the analysis."""
        check_columns(subject, 2, "Cloud", "codes draws points in space, narrows reconstruct all tables")
        estimator, baseline = subject.model, subject.baseline
        k = self._rank(subject)
        x, Z = subject.values(subject.arrays), codes(estimator, subject.arrays)
        x_hat = decode(estimator, np.where(np.arange(Z.shape[1]) < k, Z, 0))
        components = baseline.components[:k]
        centred = x - baseline.mean
        numbers = error_numbers(x, x_hat, centred @ components.T @ components + baseline.mean)
        arrows, axes = [], loadings(subject)
        angle = None if axes is None else subspace_angle(axes[:k], components)
        for j, axis in enumerate(() if axes is None else axes):
            name = f"component {j + 1}" if len(Z.T) > 1 else "the axis"
            share = float(Z[:, j].var() * (axis @ axis)) / float(x.var(0).sum())
            degrees = direction(axis)
            numbers[f"explained variance of {name}, share"] = share
            numbers[f"angle of {name}, degrees"] = degrees
            unit = np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
            length = 2 * float(Z[:, j].std() * np.linalg.norm(axis))
            arrows.append((x.mean(0), unit * length, f"{degrees:.1f}°, {share:.1%}"))
        if angle is not None:
            numbers["angle to PCA, rad"] = angle
        line = curve = None
        if k == 1:
            if angle is None or angle > 1e-6:
                line = np.stack([baseline.mean, baseline.mean + baseline.components[0]])
            z = np.zeros((200, Z.shape[1]))
            z[:, 0] = np.linspace(Z[:, 0].min(), Z[:, 0].max(), 200)
            curve = decode(estimator, z)
        picture = figures.cloud(x, x_hat, arrows=arrows, curve=curve, line=line)
        dimensions = f"{k} dimension{'s' if k > 1 else ''}"
        note = f"{len(x):,} {subject.shown.name} points from {dimensions}; squared errors per point."
        return Result(numbers, (subject.draw("cloud.png", picture),), note)

    def _rank(self, subject: Subject) -> int:
        """Return how many dimensions of the code to use."""
        size, ordered = subject.model.latent_dim_, subject.model.code_.ordered
        if self.use is None:
            return 1 if ordered and size >= 2 else size
        if self.use > size or (self.use < size and not ordered):
            fits = (
                f"from 1 to latent_dim = {size}"
                if ordered
                else f"latent_dim = {size}, since these codes are not ordered"
            )
            raise ConfigError(f"Cloud: use must be {fits}; got {self.use}.")
        return self.use


def subspace_angle(A: Array, B: Array) -> float:
    """Return the largest principal angle between the spaces that the rows of A (k, D) and B (k, D) span, in rad.

    From sines where it is small, so that no digits are lost (Knyazev & Argentati, 2002).
    """
    return float(scipy.linalg.subspace_angles(A.T, B.T).max())


def direction(axis: Array) -> float:
    """Return the angle of an axis (2,) to the first column, in degrees; its larger entry counts as positive."""
    sign = -1.0 if axis[np.abs(axis).argmax()] < 0 else 1.0
    return math.degrees(math.atan2(sign * axis[1], sign * axis[0]))


def check_columns(subject: Subject, columns: int, analysis: str, elsewhere: str) -> None:
    """Refuse data that are not a table of so many columns, and codes that are indices.

    Raises
    ------
    ConfigError
        The samples have another shape.
    """
    shape = subject.model.sample_shape_
    if shape != (columns,):
        raise ConfigError(f"{analysis}: data must be a table of {columns} columns; got shape {shape}. ({elsewhere}.)")
    subject.check_continuous(analysis)


def error_numbers(x: Array, x_hat: Array, x_pca: Array) -> dict[str, float]:
    """Return the squared errors of points' reconstructions by the model and by PCA, and the explained variance."""
    total = mean_error(squared_errors(x, np.broadcast_to(x.mean(0), x.shape)))
    error = mean_error(squared_errors(x, x_hat))
    return {
        "squared error": error,
        "squared error of PCA": mean_error(squared_errors(x, x_pca)),
        "explained variance, share": 1 - error / total if total else math.nan,
    }
