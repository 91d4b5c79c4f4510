"""Diagnosis: what went wrong in a model, in sentences, each with its evidence and one remedy to try."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from narrows.estimators.base import Autoencoder
from narrows.evaluation.diagnosis.measurements import Measurements
from narrows.evaluation.diagnosis.rules import RULES, Finding

__all__ = ["Finding", "diagnose"]


def diagnose(
    model: Autoencoder,
    X: Any,
    X_test: Any = None,
    *,
    y: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    every: bool = False,
    seed: int = 0,
) -> list[Finding]:
    """Return what went wrong, causes first; an empty list where nothing did.

    Checked are posterior collapse, of all or of most dimensions; unused codes; dead or saturated units; a likelihood or
    a scale that does not fit the data; a learning rate too high or too low; over- and underfitting; a reconstruction
    worse than that of PCA of the same rank; an output that ignores the code; too few samples; samples outside the
    range of the data.

    Parameters
    ----------
    model
        A fitted model.
    X
        Samples that it was fitted to, at least 2; at most 2,000 of them, drawn with the seed, are used but for PCA.
    X_test
        Held-out samples, without which overfitting cannot be detected.
    y, y_test
        Labels of both, for models with a condition.
    every
        Whether to return also what follows from another finding.
    seed
        Of the rows and of the samples drawn.

    Raises
    ------
    DataError
        There are fewer than 2 samples, or they do not fit the model.
    """
    measurements = Measurements(model, X, X_test, y, y_test, seed)
    findings: list[Finding] = []
    explained: set[object] = set()
    for rule, consequences in RULES.items():
        if (finding := rule(measurements)) is not None and (every or rule not in explained):
            findings.append(finding)
            explained.update(consequences)
    return findings
