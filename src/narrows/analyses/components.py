"""What each latent dimension adds to the mean sample."""

from __future__ import annotations

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject, mean_error
from narrows.analyses.latents import LIMIT, decode, training_codes
from narrows.evaluation.errors import squared_errors
from narrows.evaluation.inference import codes
from narrows.params import model, param


@model
class Components(Analysis):
    """Draw what each latent dimension adds to the mean sample: of PCA its axes, such as eigenfaces.

    Shown is the change from the decoded mean code when one dimension rises by one deviation of the codes, the largest
    changes first; at other codes a nonlinear decoder changes in another way.
    """

    number: int = param(15, "Dimensions at most.", low=1, high=400)
    columns: int | None = param(None, "Pictures side by side; about a square if left out.", low=1)

    def run(self, subject: Subject) -> Result:
        """Run the analysis."""
        subject.check_images("Components")
        subject.check_continuous("Components")
        Z = training_codes(subject)
        centre, deviation = Z.mean(0), Z.std(0)
        decoded = decode(subject.model, np.concatenate([centre[None], centre + np.diag(deviation)]))
        mean, change = decoded[0], decoded[1:] - decoded[0]
        power = squared_errors(decoded[1:], np.broadcast_to(mean, change.shape))
        order = np.argsort(-power, kind="stable")[: self.number]
        few = subject.arrays.rows(slice(LIMIT))
        x, Z = subject.values(few), codes(subject.model, few)
        kept = np.where(np.isin(np.arange(Z.shape[1]), order), Z, centre)
        total = mean_error(squared_errors(x, np.broadcast_to(x.mean(0), x.shape), few.mask))
        left = mean_error(squared_errors(x, decode(subject.model, kept), few.mask))
        captions = [f"{i + 1}  {power[i] / total:.1%}" for i in order]
        picture = figures.signed(change[order], captions, first=mean, columns=self.columns)
        numbers = {f"explained variance of {len(order)} components, share": 1 - left / total}
        note = f"Of {subject.shown.name} samples; under each its dimension and its share of the variance."
        return Result(numbers, (subject.draw("components.png", picture),), note)
