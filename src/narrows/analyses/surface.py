"""Points in space, the surface that a two-dimensional code describes, and the codes."""

from __future__ import annotations

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject
from narrows.analyses.cloud import check_columns, error_numbers, subspace_angle
from narrows.analyses.latents import decode, loadings
from narrows.errors import ConfigError
from narrows.evaluation.inference import codes
from narrows.params import model


@model
class Codes(Analysis):
    """Draw points in space, the surface of a two-dimensional code, and the codes.

    Colours follow the angle around the centre of the codes, so that a point can be located in both pictures.
    """

    def run(self, subject: Subject) -> Result:
        """Run the analysis."""
        check_columns(subject, 3, "Codes", "cloud draws points of a plane; latent.png, in the run, all codes")
        estimator = subject.model
        if estimator.latent_dim_ != 2:
            raise ConfigError(f"Codes: latent_dim must be 2; got {estimator.latent_dim_}.")
        x, Z = subject.values(subject.arrays), codes(estimator, subject.arrays)
        x_hat = decode(estimator, Z)
        low, high = Z.min(0), Z.max(0)
        margin = 0.08 * (high - low)
        axes = np.linspace(low - margin, high + margin, 12)
        grid = np.stack(np.meshgrid(axes[:, 0], axes[:, 1], indexing="ij"), -1)
        surface = decode(estimator, grid.reshape(-1, 2)).reshape(12, 12, 3)
        numbers = error_numbers(x, x_hat, subject.baseline.reconstruct(subject.arrays))
        if (linear := loadings(subject)) is not None:
            numbers["angle to PCA, rad"] = subspace_angle(linear, subject.baseline.components)
        note = f"{len(x):,} {subject.shown.name} points from 2 dimensions; squared errors per point."
        return Result(numbers, (subject.draw("codes.png", figures.codes(x, x_hat, Z, surface)),), note)
