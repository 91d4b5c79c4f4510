"""Sums and differences of codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Analysis, ModelOnData, Result, Subject
from narrows.analyses.classes import class_of
from narrows.analyses.expression import Term, parse
from narrows.analyses.latents import decode, display_limits, distribution_of, training_codes
from narrows.data.arrays import Array, Arrays
from narrows.params import model, param

if TYPE_CHECKING:
    from PIL import Image


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
        limits = display_limits(subject)
        result = combined(subject, terms, f"Combine: {self.expression!r}", limits)
        picture = drawn(subject, terms, result, limits)
        typical = float(np.linalg.norm(training_codes(subject) - distribution_of(subject).centre, axis=1).mean())
        note = (
            f"Codes of training samples are {typical:.3g} from the centre on average; the nearest "
            f"{subject.shown.name} sample is {result.nearest}."
        )
        return Result(result.numbers, (subject.draw("combined.png", picture),), note)


class Combination(NamedTuple):
    """A sum of codes, and what it decodes to."""

    z: Array
    """(latent_dim,)"""
    decoded: Array
    """(*shape), on the model's scale, within the limits."""
    plain: Array
    """The same sum of the samples themselves: (*shape), on the model's scale."""
    nearest: int
    """The sample of the split whose code is nearest."""
    numbers: dict[str, float]
    samples: list[Arrays]
    """The samples that each term stands for."""
    means: list[Array]
    """The mean code of each term."""


def combined(
    subject: ModelOnData, terms: Sequence[Term], owner: str, limits: tuple[float, float] | None, y: Any = None
) -> Combination:
    """Add up codes, and decode the sum.

    Parameters
    ----------
    subject
        A model with continuous codes, and the split that indices count in.
    terms
        Of the sum.
    owner
        Of the error messages.
    limits
        What is decoded is clipped to them; None leaves it as it is.
    y
        Labels (1,) that it is decoded with, for a model with a condition.

    Raises: ConfigError where there is no such sample or class.
    """
    rows = [_rows(subject, term, f"{owner}, character {term.position + 1}") for term in terms]
    samples, weights = [subject.arrays.rows(index) for index in rows], [term.weight for term in terms]
    means = [subject.codes[index].mean(0) for index in rows]
    z = np.sum([weight * mean for weight, mean in zip(weights, means, strict=True)], axis=0)
    whole = decode(subject.model, z[None], y)[0]
    decoded = whole if limits is None else np.clip(whole, *limits)
    plain = sum(weight * subject.values(part).mean(0) for weight, part in zip(weights, samples, strict=True))
    distances = np.linalg.norm(subject.codes - z, axis=1)
    numbers = {
        "length of the code from the centre": float(np.linalg.norm(z - distribution_of(subject).centre)),
        "distance of the nearest code": float(distances.min()),
    }
    if limits is not None:
        numbers["values clipped, share"] = float(np.mean(whole != decoded))
    return Combination(z, decoded, np.asarray(plain), int(distances.argmin()), numbers, samples, means)


def drawn(
    subject: ModelOnData, terms: Sequence[Term], result: Combination, limits: tuple[float, float], y: Any = None
) -> Image.Image:
    """Return a sum as a picture: every term's sample, or what its mean code decodes to; then what the sum does."""
    parts = []
    for i, (term, rows, mean) in enumerate(zip(terms, result.samples, result.means, strict=True)):
        single = term.label is None and len(term.index) == 1
        x = subject.values(rows)[0] if single else decode(subject.model, mean[None], y)[0]
        sign = "−" if term.weight < 0 else "+" if i else ""
        weight = "" if abs(term.weight) == 1 else f"{abs(term.weight):g} · "
        parts.append((sign, x, weight + term.name))
    return figures.total(parts, (result.decoded, "decoded"), limits)


def _rows(subject: ModelOnData, term: Term, owner: str) -> Array:
    """Return the positions of the samples whose mean code a term stands for."""
    if term.label is None:
        return np.array(subject.check_rows(term.index, owner))
    labels = subject.shown.y
    code, _ = class_of(subject.dataset, labels, term.label, f"{owner}: class")
    return np.flatnonzero(labels == code)
