"""What the units of a code respond to."""

from __future__ import annotations

import numpy as np
import torch

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject
from narrows.analyses.latents import LIMIT
from narrows.data.arrays import Array, Arrays, subset
from narrows.estimators.inference import batches
from narrows.evaluation.inference import codes, in_double
from narrows.params import model, param

SAMPLES = 64
"""Samples over which the gradient of a unit is averaged."""


@model
class Features(Analysis):
    """Draw what the most active units of the code respond to in an image.

    Units by mean activity, the mean of their absolute value. Shown is the gradient of a unit with respect to the input,
    mean over samples: of a code of one layer these are its weights, up to a factor; 0 is grey.
    """

    number: int = param(100, "Units at most.", low=1, high=400)
    columns: int | None = param(None, "Pictures side by side; about a square if left out.", low=1)

    def run(self, subject: Subject) -> Result:
        """Run the analysis."""
        subject.check_images("Features")
        subject.check_continuous("Features")
        arrays = subject.arrays
        activity = np.abs(codes(subject.model, arrays.rows(slice(LIMIT)))).mean(0)
        order = np.argsort(-activity, kind="stable")[: self.number]
        gradients = _gradients(subject, arrays.rows(subset(len(arrays.x), SAMPLES, 0)), order)
        picture = figures.signed(gradients, [""] * len(order), columns=self.columns)
        numbers = {
            "mean activity": float(activity.mean()),
            "mean activity of the most active": float(activity[order[0]]),
            "mean activity of the last shown": float(activity[order[-1]]),
        }
        samples = f"{min(len(arrays.x), LIMIT):,} {subject.shown.name} samples"
        note = f"The {len(order)} most active of {len(activity):,} units, over {samples}."
        return Result(numbers, (subject.draw("features.png", picture),), note)


def _gradients(subject: Subject, arrays: Arrays, units: Array) -> Array:
    """Return the gradient of units with respect to the input, mean over samples: (len(units), *shape)."""
    module = subject.model.module_.eval()
    (batch,) = batches(subject.model, arrays, size=len(arrays.x))
    batch.x = batch.x.clone().requires_grad_()
    gradients = []
    with torch.enable_grad():
        activity = module.encode(batch).mean(0)
        for unit in units:
            (gradient,) = torch.autograd.grad(activity[int(unit)], batch.x, retain_graph=True)
            gradients.append(in_double(gradient.sum(0)).numpy())
    return np.stack(gradients)
