"""Remedies that several rules propose."""

from __future__ import annotations

from narrows.evaluation.diagnosis.evidence import Evidence
from narrows.evaluation.diagnosis.finding import Remedy
from narrows.evaluation.diagnosis.remedies import first_usable, network_name, scaled

MOST_EPOCHS = 500_000


def standardised(e: Evidence) -> list[Remedy]:
    """Return features of mean 0 and deviation 1."""
    standard = {"scale": "standard"}
    reason = "every feature gets mean 0 and deviation 1"
    return first_usable(e, standard, {**standard, "likelihood": "gaussian:learned"}, reason=reason)


def slower(e: Evidence) -> list[Remedy]:
    """Return a tenth of the learning rate."""
    return [Remedy(scaled(e, "learning_rate", 0.1))]


def clipped(e: Evidence) -> list[Remedy]:
    """Return a bound of the gradient, where there is none as low."""
    clip = e.parameter("clip")
    return [Remedy({"clip": 1.0}, "bounds the gradient")] if clip is None or clip > 1 else []


def longer(e: Evidence) -> list[Remedy]:
    """Return three times the epochs."""
    return [Remedy(scaled(e, "epochs", 3, most=MOST_EPOCHS))]


def less_kl(e: Evidence, beta: float) -> list[Remedy]:
    """Return a smaller weight of the KL term."""
    return [Remedy({"beta": 1.0} if beta > 1 else scaled(e, "beta", 0.25), "the KL term weighs less")]


def pca_start(e: Evidence) -> list[Remedy]:
    """Return a network that begins at PCA, where this one does not."""
    residual = {"network": "residual"}
    return (
        first_usable(e, residual, {**residual, "likelihood": "gaussian:learned"}, reason="begins at PCA")
        if (network_name(e) != "residual")
        else []
    )


def other_network(e: Evidence) -> list[Remedy]:
    """Return other networks where it is recurrent: an LSTM often ends at the mean of all samples."""
    return [*pca_start(e), *convolutions(e)] if network_name(e) == "recurrent" else []


def convolutions(e: Evidence) -> list[Remedy]:
    """Return convolutions in place of an LSTM."""
    conv = {"network": "conv"}
    return first_usable(e, conv, reason="convolutions over the steps") if network_name(e) == "recurrent" else []
