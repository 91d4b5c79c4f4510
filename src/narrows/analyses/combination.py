"""Sums and differences of codes."""

from __future__ import annotations

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject
from narrows.analyses.classes import class_of
from narrows.analyses.expression import Term, parse
from narrows.analyses.latents import decode, display_limits, distribution_of, training_codes
from narrows.data.arrays import Array, Arrays
from narrows.evaluation.inference import codes
from narrows.params import model, param


@model
class Combine(Analysis):
    """Add and subtract the codes of samples, and draw the sample that is decoded.

    Numbers are indices of samples; a weight stands before * as in 0.5*3; mean(1,2,5) is the mean code of samples,
    class:NAME or digit:3 that of a class. Values are clipped to the range of the data.
    """

    positional = ("expression",)

    expression: str = param("0 - 1 + 2", "Such as '3 - 7 + 12', 'digit:7 - digit:1 + 4' or '0.5*3 + 0.5*8'.")

    def run(self, subject: Subject) -> Result:
        """Run the analysis."""
        terms = parse(self.expression)
        subject.check_images("Combine")
        subject.check_continuous("Combine")
        estimator, limits = subject.model, display_limits(subject)
        samples = [self._samples(subject, term) for term in terms]
        means = [codes(estimator, rows).mean(0) for rows in samples]
        z = np.sum([term.weight * mean for term, mean in zip(terms, means, strict=True)], axis=0)
        decoded = decode(estimator, z[None])[0]
        clipped = np.clip(decoded, *limits)
        parts = []
        for i, (term, rows, mean) in enumerate(zip(terms, samples, means, strict=True)):
            single = term.label is None and len(term.index) == 1
            x = subject.values(rows)[0] if single else decode(estimator, mean[None])[0]
            sign = "−" if term.weight < 0 else "+" if i else ""
            weight = "" if abs(term.weight) == 1 else f"{abs(term.weight):g} · "
            parts.append((sign, x, weight + term.name))
        picture = figures.total(parts, (clipped, "decoded"), limits)
        distances = np.linalg.norm(codes(estimator, subject.arrays) - z, axis=1)
        centre = distribution_of(subject).centre
        numbers = {
            "length of the code from the centre": float(np.linalg.norm(z - centre)),
            "distance of the nearest code": float(distances.min()),
            "values clipped, share": float(np.mean(decoded != clipped)),
        }
        typical = float(np.linalg.norm(training_codes(subject) - centre, axis=1).mean())
        note = (
            f"Codes of training samples are {typical:.3g} from the centre on average; the nearest "
            f"{subject.shown.name} sample is {distances.argmin()}."
        )
        return Result(numbers, (subject.draw("combined.png", picture),), note)

    def _samples(self, subject: Subject, term: Term) -> Arrays:
        """Return the samples whose mean code a term stands for."""
        owner, labels = f"Combine: {self.expression!r}, character {term.position + 1}", subject.shown.y
        if term.label is None:
            return subject.rows(term.index, owner)
        code, _ = class_of(subject.dataset, labels, term.label, f"{owner}: class")
        members: Array = np.flatnonzero(labels == code)
        return subject.arrays.rows(members)
