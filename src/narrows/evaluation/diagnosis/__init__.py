"""Diagnosis: what went wrong in a model, in sentences, each with its evidence and remedies to try."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import encoded
from narrows.evaluation.diagnosis.curves import FEWEST
from narrows.evaluation.diagnosis.evidence import Errors, Evidence, in_training, measured, spread_of
from narrows.evaluation.diagnosis.finding import Finding, Remedy
from narrows.evaluation.diagnosis.remedies import without_contradictions
from narrows.evaluation.diagnosis.rules import RULES
from narrows.evaluation.errors import baseline_rank

__all__ = ["Finding", "Remedy", "diagnose", "diagnose_history", "diagnose_summary"]


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
    few samples; samples outside the range of the data; columns of a table of typed columns that are not learned.

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
    return findings_on(measured(model, X, X_test, y, y_test, seed), every=every)


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
    return [] if len(history) < FEWEST else findings_on(in_training(history, model))


def diagnose_summary(
    model: Autoencoder, X: Any, errors: tuple[float, float, float], *, y: ArrayLike | None = None, held_out: bool = True
) -> list[Finding]:
    """Return what needs no measurement of all data: an error above PCA's, and codes far from the prior.

    Parameters
    ----------
    model
        A fitted model.
    X
        A few hundred samples.
    errors
        Mean squared errors per sample: of the model, of PCA with as many dimensions, and of the mean sample.
    y
        Labels of X, for models with a condition.
    held_out
        Whether the errors are those of held-out samples.
    """
    known = Errors(*errors)
    test, train = (known, None) if held_out else (None, known)
    rank = baseline_rank(model, model.schema_.rows)
    spread = spread_of(model, encoded(model, X, y))
    return findings_on(Evidence(model=model, rank=rank, spread=spread, test=test, train=train))


def findings_on(evidence: Evidence, *, every: bool = False) -> list[Finding]:
    """Return the findings of all rules, causes first, without contradictions."""
    findings: list[Finding] = []
    explained: set[object] = set()
    for rule, consequences in RULES.items():
        if (finding := rule(evidence)) is not None and (every or rule not in explained):
            findings.append(finding)
            explained.update(consequences)
    return without_contradictions(findings)
