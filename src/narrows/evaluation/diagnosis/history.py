"""Diagnosis of a training while it runs, from the records of its epochs alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from narrows.evaluation.diagnosis.measurements import jump
from narrows.evaluation.diagnosis.rules import Finding

FEWEST = 4
"""Epochs before anything is reported."""


def diagnose_history(history: Sequence[dict[str, Any]]) -> list[Finding]:
    """Return the problems that the epochs so far show, so that a training that goes wrong can be stopped early.

    Checked are a learning rate too high (the loss jumped), posterior collapse (no information in the code), overfitting
    (the validation loss has risen while the training loss fell).

    Parameters
    ----------
    history
        `model.history_`, the records of a training in progress (`Report.record()`), or the lines of a run's
        `metrics.jsonl`; one per epoch.

    Examples
    --------
    >>> means = [{"loss": x, "reconstruction": x} for x in (9.0, 5.0, 30.0, 4.0, 3.0)]
    >>> history = [{"train": mean, "validation": None} for mean in means]
    >>> [finding.rule for finding in diagnose_history(history)]
    ['learning rate too high']
    """
    if len(history) < FEWEST:
        return []
    findings = (_rate(history), _collapse(history), _overfitting(history))
    return [finding for finding in findings if finding is not None]


def _curve(history: Sequence[dict[str, Any]], name: str, part: str = "train") -> np.ndarray:
    return np.array([record[part][name] for record in history])


def _rate(history: Sequence[dict[str, Any]]) -> Finding | None:
    for name in ("loss", "reconstruction"):  # a warm-up moves one of them; a jump of the weights moves both
        curve = _curve(history, name)
        up, fall = jump(curve), float(curve[0] - curve.min())
        if up <= max(0.25 * fall, 0.03 * abs(float(curve[0]))):
            return None
    return Finding(
        "learning rate too high",
        f"The training loss jumped between epochs by up to {up:.3g}; it fell by {fall:.3g} so far.",
        {"jump": up, "fall": fall},
        "Stop, and divide learning_rate by 10, or set clip=1.",
    )


def _collapse(history: Sequence[dict[str, Any]]) -> Finding | None:
    if "elbo" not in history[0]["train"]:
        return None
    # The KL term itself, without the weight that beta and a warm-up give it.
    nats = -_curve(history, "elbo") - _curve(history, "reconstruction")
    if nats[-1] > 0.1 or (np.diff(nats[-3:]) > 0).all():
        return None
    return Finding(
        "posterior collapse",
        f"The code holds {max(nats[-1], 0):.2g} nats about a sample after {len(nats)} epochs, and it is not rising.",
        {"kl": float(nats[-1]), "epochs": len(nats)},
        "Stop, and let the KL term rise slowly (kl_warmup=0.3), lower beta, or learn the likelihood's deviation.",
    )


def _overfitting(history: Sequence[dict[str, Any]]) -> Finding | None:
    if any(record["validation"] is None for record in history):
        return None
    train, held = _curve(history, "loss"), _curve(history, "loss", "validation")
    best = int(held.argmin())
    since = len(held) - 1 - best
    fall, rise = float(train[best] - train[-1]), float(held[-1] - held[best])
    if since < max(5, len(held) // 5) or fall <= 0 or rise <= max(0.25 * fall, 0.002 * float(held[0] - held[best])):
        return None
    return Finding(
        "overfitting",
        f"The validation loss was lowest at epoch {best + 1} and has risen by {rise:.3g} since, while the training "
        f"loss fell by {fall:.3g}.",
        {"best": best + 1, "rise": rise, "fall": fall},
        "Stop: the weights of that epoch are kept; with patience=5 it stops by itself.",
    )
