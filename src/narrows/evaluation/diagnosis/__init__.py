"""What went wrong in a model, in plain sentences, each with its evidence and one thing to try."""

from __future__ import annotations

from numpy.typing import ArrayLike

from narrows.estimators.base import Autoencoder
from narrows.evaluation.diagnosis.measurements import Case
from narrows.evaluation.diagnosis.rules import RULES, Finding

__all__ = ["Finding", "diagnose"]


def diagnose(
    model: Autoencoder, X: ArrayLike, X_test: ArrayLike | None = None, *, every: bool = False, seed: int = 0
) -> list[Finding]:
    """Return what went wrong, causes first; an empty list where nothing did.

    Looked for: posterior collapse, of all or of most dimensions; unused codes; dead or saturated units; a likelihood or
    a scale that does not fit the data; a learning rate too high or too low; over- and underfitting; a reconstruction
    worse than PCA's with as many numbers; an output that ignores the code; too few samples; samples off the range of
    the data.

    Parameters
    ----------
    model
        A fitted model.
    X
        Samples that it was fitted to; at most 2,000 of them, drawn with the seed, are looked at.
    X_test
        Samples held out, without which overfitting cannot be seen.
    every
        Whether to tell also what follows from another finding.
    seed
        Of the rows and of the samples drawn.
    """
    case = Case(model, X, X_test, seed=seed)
    findings: list[Finding] = []
    explained: set[object] = set()
    for rule, consequences in RULES.items():
        if (found := rule(case)) is not None and (every or rule not in explained):
            findings.append(found)
            explained.update(consequences)
    return findings
