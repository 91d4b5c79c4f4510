"""A plane of two latent dimensions as one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject
from narrows.analyses.latents import (
    Distribution,
    check_dims,
    decode,
    display_limits,
    distribution_of,
    quantiles_of,
    training_codes,
    usage,
)
from narrows.data.arrays import Array
from narrows.errors import ConfigError
from narrows.evaluation.inference import codes
from narrows.params import model, param

REACH = 3
"""Deviations of the prior on both sides that a range spans."""
CENTRAL = 0.98
"""Share of the codes that a range of codes spans, so that single outliers do not stretch it."""


@model
class Scan(Analysis):
    """Draw a plane of two latent dimensions as one picture.

    The other dimensions are those of one sample's code, or stay at the prior's median, or at the mean code of models
    without a prior. With quantiles, every sample of the grid has the same probability under the prior (Kingma &
    Welling, 2014, fig. 4), or among the codes.
    """

    dims: tuple[int, int] | None = param(None, "The two dimensions, from 1; the two most used if left out.")
    size: int = param(20, "Samples along each axis.", low=2, high=100)
    range: tuple[float, ...] | None = param(
        None, "Least and greatest value, such as -3,3; four values for x and y apart. That of the codes if left out."
    )
    spacing: str = param(
        "auto",
        "Values along the axes; auto: quantiles for a prior without a range.",
        choices=("auto", "quantiles", "even"),
    )
    around: int | None = param(None, "Keep the other dimensions of this sample's code.", low=0)

    def run(self, subject: Subject) -> Result:
        """Run the analysis."""
        subject.check_images("Scan")
        subject.check_continuous("Scan")
        estimator = subject.model
        if estimator.latent_dim_ < 2:
            raise ConfigError("Scan: latent_dim must be at least 2; got 1. `narrows traverse` draws one dimension.")
        distribution = distribution_of(subject)
        dims = self._dims(subject)
        x, y, spacing = self._values(subject, distribution, dims)
        start = distribution.centre
        if self.around is not None:
            start = codes(estimator, subject.rows([self.around], "Scan", "around"))[0]
        Z = grid(start, dims, x, y)
        images = decode(estimator, Z.reshape(-1, Z.shape[-1]))
        images = images.reshape(self.size, self.size, *images.shape[1:])
        names = (f"dimension {dims[0] + 1}", f"dimension {dims[1] + 1}")
        picture = figures.plane(images, x, y, labels=names, limits=display_limits(subject))
        numbers = {f"{name}, {end}": float(values[at]) for name, values in zip(names, (x, y), strict=True)
                   for end, at in (("least", 0), ("greatest", -1))}  # fmt: skip
        others = "" if estimator.latent_dim_ == 2 else f"; the others {self._others(distribution)}"
        note = f"{self.size} x {self.size} samples, {spacing}{others}."
        return Result(numbers, (subject.draw("scan.png", picture),), note)

    def _dims(self, subject: Subject) -> list[int]:
        if self.dims is not None:
            return check_dims(self.dims, subject.model, "Scan")
        if subject.model.latent_dim_ == 2:
            return [0, 1]
        used = usage(subject)[0]
        return [int(i) for i in np.argsort(-used, kind="stable")[:2]]

    def _values(self, subject: Subject, distribution: Distribution, dims: list[int]) -> tuple[Array, Array, str]:
        """Return the values along x and y, and how they are spaced."""
        if self.range is not None:
            return *self._ranged(self.range), "evenly spaced"
        if self.spacing == "quantiles" or (self.spacing == "auto" and subject.model.module_.probabilistic):
            values, source = quantiles_of(subject, (np.arange(self.size) + 0.5) / self.size)
            return values[:, dims[0]], values[:, dims[1]], f"at quantiles of the {source}"
        if distribution.prior:
            ends = distribution.centre + np.array([[-REACH], [REACH]]) * distribution.deviation
            spacing = f"evenly spaced over {REACH} deviations of the prior on both sides"
        else:
            ends = np.quantile(training_codes(subject), [(1 - CENTRAL) / 2, (1 + CENTRAL) / 2], axis=0)
            spacing = f"evenly spaced over the central {CENTRAL:.0%} of the codes"
        low, high = ends[:, dims]
        return np.linspace(low[0], high[0], self.size), np.linspace(low[1], high[1], self.size), spacing

    def _ranged(self, given: tuple[float, ...]) -> tuple[Array, Array]:
        if self.spacing == "quantiles":
            raise ConfigError(f"Scan: range must be left out with spacing='quantiles', which sets it; got {given}.")
        ends = tuple(given) * (2 if len(given) == 2 else 1)
        if len(ends) != 4 or not (ends[0] < ends[1] and ends[2] < ends[3]):
            raise ConfigError(
                f"Scan: range must be the least and the greatest value, or those of x and then of y; got {given}. "
                "Write -3,3 or -3,3,-2,2."
            )
        return np.linspace(*ends[:2], self.size), np.linspace(*ends[2:], self.size)

    def _others(self, distribution: Distribution) -> str:
        if self.around is not None:
            return f"those of sample {self.around}"
        return "at the prior's median" if distribution.prior else "at their mean"


def grid(start: Array, dims: Sequence[int], x: Array, y: Array) -> Array:
    """Return a code for every point of a plane, other dimensions as in `start`: (len(y), len(x), latent_dim)."""
    Z = np.tile(start.astype(np.float64), (len(y), len(x), 1))
    Z[:, :, dims[0]] = x
    Z[:, :, dims[1]] = y[:, None]
    return Z
