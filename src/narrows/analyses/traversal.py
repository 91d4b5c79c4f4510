"""Samples as one latent dimension changes, for several dimensions."""

from __future__ import annotations

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject
from narrows.analyses.latents import check_dims, decode, display_limits, distribution_of, usage
from narrows.analyses.scan import REACH
from narrows.errors import ConfigError
from narrows.evaluation.inference import codes
from narrows.params import model, param


@model
class Traverse(Analysis):
    """Change one latent dimension after the other, and draw the samples that are decoded.

    One row per dimension, the most used ones first: by the KL term, in nats, or by the variance of the codes of models
    without a prior.
    """

    dims: tuple[int, ...] | None = param(None, "Dimensions, from 1; the most used if left out.")
    number: int = param(10, "Dimensions at most.", low=1, high=100)
    size: int = param(11, "Values of each.", low=2, high=100)
    range: tuple[float, float] | None = param(
        None, "Least and greatest value; 3 deviations of the prior, or of the codes, on both sides if left out."
    )
    around: int | None = param(None, "Change this sample; else the prior's median, or the mean code.", low=0)

    def run(self, subject: Subject) -> Result:
        """Run the analysis."""
        subject.check_images("Traverse")
        subject.check_continuous("Traverse")
        estimator, distribution = subject.model, distribution_of(subject)
        used, unit = usage(subject)
        if self.dims is None:
            dims = [int(i) for i in np.argsort(-used, kind="stable")[: self.number]]
        else:
            dims = check_dims(self.dims, estimator, "Traverse")
        start = distribution.centre
        if self.around is not None:
            start = codes(estimator, subject.rows([self.around], "Traverse", "around"))[0]
        if self.range is None:
            steps = np.linspace(-REACH, REACH, self.size)
            values = distribution.centre[:, None] + distribution.deviation[:, None] * steps
            heads, axis = [f"{v:+.1f}".replace("-", "−") if v else "0" for v in steps], "deviations"
        else:
            low, high = self.range
            if not low < high:
                raise ConfigError(f"Traverse: range must be the least and the greatest value; got {self.range}.")
            steps = np.linspace(low, high, self.size)
            values = np.tile(steps, (len(used), 1))
            heads, axis = [f"{v:.3g}".replace("-", "−") for v in steps], "value"
        Z = np.tile(start, (len(dims), self.size, 1))
        for row, dim in zip(Z, dims, strict=True):
            row[:, dim] = values[dim]
        images = decode(estimator, Z.reshape(-1, Z.shape[-1]))
        images = images.reshape(len(dims), self.size, *images.shape[1:])
        short = "nats" if unit == "nats" else "var"
        names = [f"dim {d + 1}  {used[d]:.3g} {short}" for d in dims]
        picture = figures.rows(images, names, heads, limits=display_limits(subject), note=axis)
        numbers = {f"dimension {d + 1}, {unit}": float(used[d]) for d in dims}
        centre = "the prior's median" if distribution.prior else "the mean code"
        centre = centre if self.around is None else f"sample {self.around}"
        return Result(numbers, (subject.draw("traversed.png", picture),), f"Around {centre}.")
