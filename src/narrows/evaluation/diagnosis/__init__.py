"""Diagnosis: what went wrong in a model, in sentences, each with its evidence and remedies to try."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from narrows.estimators.base import Autoencoder
from narrows.evaluation.diagnosis.curves import FEWEST
from narrows.evaluation.diagnosis.evidence import Evidence, in_training, measured
from narrows.evaluation.diagnosis.finding import Finding, Remedy
from narrows.evaluation.diagnosis.remedies import without_contradictions
from narrows.evaluation.diagnosis.rules import RULES

__all__ = ["Finding", "Remedy", "diagnose", "diagnose_history"]


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

    Checked are posterior collapse, of all or of most dimensions; unused codes; codes far from the prior; dead or
    saturated units; a likelihood or a scale that does not fit the data; a learning rate too high or too low;
    overfitting; a reconstruction worse than that of PCA with as many dimensions; an output that ignores the code; too
    few samples; samples outside the range of the data.

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
    return _findings(measured(model, X, X_test, y, y_test, seed), every=every)


def diagnose_history(history: Sequence[dict[str, Any]], model: Autoencoder) -> list[Finding]:
    """Return the problems that the epochs so far show, so that a training that goes wrong can be stopped early.

    Checked are a learning rate too high (the loss jumped), posterior collapse (no information in the code), overfitting
    (the validation loss has risen while the training loss fell).

    Parameters
    ----------
    history
        `model.history_`, the records of a training in progress (`Report.record()`), or the lines of a run's
        `metrics.jsonl`; one per epoch.
    model
        What is trained: no remedy names what it has set already.

    Examples
    --------
    >>> import narrows
    >>> means = [{"loss": x, "reconstruction": x} for x in (9.0, 5.0, 30.0, 4.0, 3.0)]
    >>> history = [{"train": mean, "validation": None} for mean in means]
    >>> [finding.rule for finding in diagnose_history(history, narrows.AE())]
    ['learning rate too high']
    """
    return [] if len(history) < FEWEST else _findings(in_training(history, model))


def _findings(evidence: Evidence, *, every: bool = False) -> list[Finding]:
    findings: list[Finding] = []
    explained: set[object] = set()
    for rule, consequences in RULES.items():
        if (finding := rule(evidence)) is not None and (every or rule not in explained):
            findings.append(finding)
            explained.update(consequences)
    return without_contradictions(findings)
