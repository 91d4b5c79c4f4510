"""Where codes lead: a plane of two of them, and each by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Outcome, Step, Subject
from narrows.analyses.codes import (
    Spread,
    checked_dims,
    codes_of,
    images_of,
    quantiles_of,
    rows_of,
    shown_limits,
    spread_of,
    usage,
)
from narrows.errors import ConfigError
from narrows.estimators.base import Array
from narrows.params import model, param

__all__ = ["Scan", "Traverse"]

REACH = 3
"""Deviations of the prior on both sides that a range spans."""
MIDDLE = 0.98
"""Share of the codes that a range of codes spans: single outliers would leave little room for the others."""


@model
class Scan(Step):
    """Draw a plane of two numbers of the code as one picture.

    The other numbers are those of one sample's code, or stay at the prior's mean, or at the mean code of models
    without a prior. By quantiles, every sample of the grid stands for the same share of the prior (Kingma & Welling,
    2014, fig. 4), or of the codes.
    """

    dims: tuple[int, int] | None = param(None, "Which numbers of the code, from 1; the two most used if left out.")
    size: int = param(20, "Samples along each axis.", low=2, high=100)
    range: tuple[float, ...] | None = param(
        None, "Least and greatest value, such as -3,3; four numbers for x and y apart. Else that of the codes."
    )
    spacing: str = param(
        "auto",
        "Values along the axes; auto: quantiles for a prior without a range.",
        choices=("auto", "quantiles", "even"),
    )
    around: int | None = param(None, "Keep the other numbers of this sample's code.", low=0)

    def run(self, subject: Subject) -> Outcome:
        """Do it."""
        images_of(subject, "Scan")
        estimator = subject.model
        if estimator.latent_dim_ < 2:
            raise ConfigError(
                "Scan: the code must have at least 2 numbers; got latent_dim = 1. `narrows traverse` draws one."
            )
        spread = spread_of(subject)
        dims = self._dims(subject)
        x, y, how = self._values(subject, spread, dims)
        start = spread.centre
        if self.around is not None:
            start = estimator.transform(rows_of(subject, [self.around], "Scan", "around"))[0]
        Z = grid(start, dims, x, y)
        X = estimator.inverse_transform(Z.reshape(-1, Z.shape[-1]))
        X = X.reshape(self.size, self.size, *X.shape[1:])
        names = (f"code {dims[0] + 1}", f"code {dims[1] + 1}")
        picture = figures.plane(X, x, y, labels=names, limits=shown_limits(subject))
        numbers = {f"{name}, {end}": float(values[at]) for name, values in zip(names, (x, y), strict=True)
                   for end, at in (("least", 0), ("greatest", -1))}  # fmt: skip
        rest = "" if estimator.latent_dim_ == 2 else f"; the others {self._rest(spread)}"
        said = f"{self.size} x {self.size} samples, {how}{rest}."
        return Outcome(numbers, (subject.draw("scan.png", picture),), said)

    def _dims(self, subject: Subject) -> list[int]:
        if self.dims is not None:
            return checked_dims(self.dims, subject.model, "Scan")
        if subject.model.latent_dim_ == 2:
            return [0, 1]
        used = usage(subject)[0]
        return [int(i) for i in np.argsort(-used, kind="stable")[:2]]

    def _values(self, subject: Subject, spread: Spread, dims: list[int]) -> tuple[Array, Array, str]:
        """Return the values along x and y, and how they were chosen."""
        if self.range is not None:
            return *self._ranged(self.range), "evenly spaced"
        if self.spacing == "quantiles" or (self.spacing == "auto" and spread.prior):
            found, of = quantiles_of(subject, (np.arange(self.size) + 0.5) / self.size)
            return found[:, dims[0]], found[:, dims[1]], f"at quantiles of the {of}"
        if spread.prior:
            ends = spread.centre + np.array([[-REACH], [REACH]]) * spread.deviation
            how = f"evenly spaced over {REACH} deviations of the prior on both sides"
        else:
            ends = np.quantile(codes_of(subject), [(1 - MIDDLE) / 2, (1 + MIDDLE) / 2], axis=0)
            how = f"evenly spaced over the middle {MIDDLE:.0%} of the codes"
        low, high = ends[:, dims]
        return np.linspace(low[0], high[0], self.size), np.linspace(low[1], high[1], self.size), how

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

    def _rest(self, spread: Spread) -> str:
        if self.around is not None:
            return f"those of sample {self.around}"
        return "at the prior's mean" if spread.prior else "at their mean"


def grid(start: Array, dims: Sequence[int], x: Array, y: Array) -> Array:
    """Return a code for every point of a plane, the others as in `start`: (len(y), len(x), latent_dim)."""
    Z = np.tile(start.astype(np.float64), (len(y), len(x), 1))
    Z[:, :, dims[0]] = x
    Z[:, :, dims[1]] = y[:, None]
    return Z


@model
class Traverse(Step):
    """Change one number of the code after the other, and draw what becomes of a sample.

    A row for every number of the code, the most used first: by its KL to the prior, in nats, or by the variance of
    the codes of models without a prior.
    """

    dims: tuple[int, ...] | None = param(None, "Which numbers of the code, from 1; the most used if left out.")
    number: int = param(10, "At most so many of them.", low=1, high=100)
    size: int = param(11, "Values of each.", low=2, high=100)
    range: tuple[float, float] | None = param(
        None, "Least and greatest value; else 3 deviations of the prior, or of the codes, on both sides."
    )
    around: int | None = param(None, "Change this sample; else the prior's mean, or the mean code.", low=0)

    def run(self, subject: Subject) -> Outcome:
        """Do it."""
        images_of(subject, "Traverse")
        estimator = subject.model
        spread = spread_of(subject)
        used, unit = usage(subject)
        if self.dims is None:
            dims = [int(i) for i in np.argsort(-used, kind="stable")[: self.number]]
        else:
            dims = checked_dims(self.dims, estimator, "Traverse")
        start = spread.centre
        if self.around is not None:
            start = estimator.transform(rows_of(subject, [self.around], "Traverse", "around"))[0].astype(np.float64)
        if self.range is None:
            steps = np.linspace(-REACH, REACH, self.size)
            values = spread.centre[:, None] + spread.deviation[:, None] * steps
            heads, note = [f"{v:+.1f}".replace("-", "−") if v else "0" for v in steps], "deviations"
        else:
            low, high = self.range
            if not low < high:
                raise ConfigError(f"Traverse: range must be the least and the greatest value; got {self.range}.")
            steps = np.linspace(low, high, self.size)
            values = np.tile(steps, (len(used), 1))
            heads, note = [f"{v:.3g}".replace("-", "−") for v in steps], "value"
        Z = np.tile(start, (len(dims), self.size, 1))
        for row, dim in zip(Z, dims, strict=True):
            row[:, dim] = values[dim]
        X = estimator.inverse_transform(Z.reshape(-1, Z.shape[-1]))
        X = X.reshape(len(dims), self.size, *X.shape[1:])
        word = "nats" if unit == "nats" else "var"
        names = [f"code {d + 1}  {used[d]:.3g} {word}" for d in dims]
        picture = figures.rows(X, names, heads, limits=shown_limits(subject), note=note)
        numbers = {f"code {d + 1}, {unit}": float(used[d]) for d in dims}
        about = (
            f"sample {self.around}"
            if self.around is not None
            else "the prior's mean"
            if spread.prior
            else "the mean code"
        )
        return Outcome(numbers, (subject.draw("traversed.png", picture),), f"Around {about}.")
