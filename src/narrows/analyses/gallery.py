"""A gallery of samples."""

from __future__ import annotations

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject
from narrows.analyses.classes import class_of
from narrows.params import model, param


@model
class Gallery(Analysis):
    """Draw samples as they are, of one class or all.

    Faces of one person, for example: --label "George W Bush".
    """

    label: str | None = param(None, "Name or number of a class, or 'most frequent'; all if left out.")
    number: int = param(40, "Samples at most.", low=1, high=1000)
    columns: int | None = param(None, "Samples side by side; about a square if left out.", low=1)

    def run(self, subject: Subject) -> Result:
        """Run the analysis."""
        split, X, labels = subject.shown
        samples = f"{split} samples"
        if self.label is not None:
            code, name = class_of(subject.dataset, labels, self.label, "Gallery: label")
            X, samples = X[labels == code], f"{split} samples of {name}"
        picture = figures.gallery(X[: self.number], columns=self.columns)
        note = f"{min(len(X), self.number):,} of {len(X):,} {samples}."
        return Result({"samples": len(X)}, (subject.draw("gallery.png", picture),), note)
