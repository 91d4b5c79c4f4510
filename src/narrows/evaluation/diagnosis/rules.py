"""The rules of diagnosis: each looks at one case, and returns what it found, or None.

The bounds at the top were set on runs that are known to be sound or broken: sound ones stay well clear of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from narrows.evaluation.diagnosis.measurements import Case, jump, late_speed

__all__ = ["RULES", "Finding"]

COLLAPSED = 0.01
"""Nats: a dimension of the code with less information than this on average counts as collapsed."""
FLAT = 1e-6
"""Share of the largest variance below which a number of the code does not vary."""


class Finding(NamedTuple):
    """One thing that went wrong: in a sentence, with the numbers that show it, and one thing to try."""

    rule: str
    sentence: str
    """What is wrong, with its evidence."""
    evidence: dict[str, float]
    """The numbers behind it."""
    remedy: str
    """One thing to try."""

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}"


def posterior_collapse(case: Case) -> Finding | None:
    """Return whether the code of a probabilistic model holds nothing about the sample."""
    nats = case.kl
    if nats is None or (nats >= COLLAPSED).any():
        return None
    total = float(nats.sum())
    return Finding(
        "posterior collapse",
        f"The code tells nothing of the sample: KL from the prior is {total:.3g} nats over {len(nats)} dimensions.",
        {"kl": total, "dimensions": len(nats)},
        "Let the KL term rise slowly (kl_warmup=0.3), or lower beta; with a gaussian likelihood, learn its deviation.",
    )


def collapsed_dimensions(case: Case) -> Finding | None:
    """Return whether most dimensions of a probabilistic model's code hold nothing, and some do."""
    nats = case.kl
    if nats is None:
        return None
    silent = int((nats < COLLAPSED).sum())
    if silent == len(nats) or silent <= len(nats) / 2:
        return None
    return Finding(
        "collapsed dimensions",
        f"{silent} of {len(nats)} dimensions of the code hold less than {COLLAPSED} nats each: the model uses the "
        f"other {len(nats) - silent}.",
        {"collapsed": silent, "dimensions": len(nats)},
        f"Lower latent_dim to {len(nats) - silent}: nothing is lost; or lower beta to use more of them.",
    )


def unused_codes(case: Case) -> Finding | None:
    """Return whether numbers of a code without posterior never vary."""
    if case.kl is not None:
        return None
    variance = case.codes.var(0)
    largest = float(variance.max())
    flat = int((variance <= FLAT * largest).sum()) if largest > 0 else len(variance)
    if flat == 0:
        return None
    return Finding(
        "unused codes",
        f"{flat} of {len(variance)} numbers of the code are the same for every sample.",
        {"unused": flat, "dimensions": len(variance)},
        f"Lower latent_dim to {max(1, len(variance) - flat)}, or use code_activation='linear'.",
    )


def dead_units(case: Case) -> Finding | None:
    """Return whether nearly all units of a layer are silent for every sample."""
    # A decoder that is given an empty code needs no units: there the collapse is the cause.
    empty = case.kl is not None and bool((case.kl < COLLAPSED).all())
    layers = [layer for layer in case.activity if not (empty and layer.decodes)]
    layer = max(layers, key=lambda found: found.dead, default=None)
    if layer is None or layer.dead <= 0.8:
        return None
    return Finding(
        "dead units",
        f"{layer.dead:.0%} of the units of layer {layer.name!r} are 0 for every sample, and learn no more.",
        {"share": layer.dead, "units": layer.units},
        "Lower learning_rate, or use activation='leaky_relu', which has a slope everywhere.",
    )


def saturated_units(case: Case) -> Finding | None:
    """Return whether most units of a layer sit at an end of their range, where the slope is 0."""
    layer = max(case.activity, key=lambda found: found.saturated, default=None)
    if layer is None or layer.saturated <= 0.5:
        return None
    return Finding(
        "saturated units",
        f"{layer.saturated:.0%} of the units of layer {layer.name!r} sit at the ends of their range for nearly every "
        "sample, where the slope is 0.",
        {"share": layer.saturated, "units": layer.units},
        "Standardise X or lower learning_rate; or use activation='relu'.",
    )


def likelihood_misfit(case: Case) -> Finding | None:
    """Return whether the residuals are far from what the likelihood expects."""
    ratio = case.residual_ratio
    if ratio is not None and not 0.2 <= ratio <= 5:
        size = f"1/{1 / ratio:.0f}" if ratio < 1 else f"{ratio:.0f} times"
        return Finding(
            "likelihood misfit",
            f"The squared residuals are {size} of what the likelihood's variance expects.",
            {"ratio": ratio},
            "Use likelihood='gaussian:learned', which finds its deviation itself.",
        )
    grey = case.grey_share
    if grey is not None and grey > 0.5:
        return Finding(
            "likelihood misfit",
            f"{grey:.0%} of the values lie between 0.1 and 0.9, but the likelihood is Bernoulli, made for 0 and 1.",
            {"share": grey},
            "Use likelihood='continuous_bernoulli' or 'gaussian:learned'.",
        )
    return None


def scale_misfit(case: Case) -> Finding | None:
    """Return whether a few columns of a table drown the others, or values are far from what networks are made for."""
    remedy = "Standardise X (sklearn.preprocessing.StandardScaler)."
    deviation = case.X.reshape(len(case.X), -1).std(0)
    varied = deviation[deviation > 0]
    if not len(varied):
        return None
    ratio, middle = float(varied.max() / np.median(varied)), float(np.median(varied))
    if case.X.ndim == 2 and ratio > 30:
        column = int(deviation.argmax())
        sentence = f"Column {column} varies {ratio:.0f} times as much as the median column, and decides the loss."
        return Finding("scale misfit", sentence, {"ratio": ratio, "column": column}, remedy)
    if len(case.rates) > 1 and not 1e-3 < middle < 30:
        sentence = f"The values vary by {middle:.3g}; networks learn at the usual rates where that is near 1."
        return Finding("scale misfit", sentence, {"deviation": middle}, remedy)
    return None


def learning_rate_high(case: Case) -> Finding | None:
    """Return whether the training loss jumped up and came down again, rather than fell."""
    jumps = [(jump(curve), float(curve[0] - curve.min()), abs(float(curve[0]))) for curve in case.curves]
    # Less may be the noise of the draws. A warm-up moves some curves, a jump of the weights moves all.
    if not jumps or any(up <= max(0.25 * fall, 0.03 * first) for up, fall, first in jumps):
        return None
    up, fall, _ = jumps[0]
    return Finding(
        "learning rate too high",
        f"The training loss jumped between epochs by up to {up:.3g}; its whole fall is {fall:.3g}.",
        {"jump": up, "fall": fall},
        "Divide learning_rate by 10, or set clip=1.",
    )


def learning_rate_low(case: Case) -> Finding | None:
    """Return whether a model that has not reached PCA was still learning as fast as at the start when it ended."""
    if not case.curves or case.error <= 1.25 * case.pca_error:
        return None
    speed = min(late_speed(curve, case.rates) for curve in case.curves)
    if speed <= 0.4:
        return None
    return Finding(
        "learning rate too low",
        f"For the steps it may take, the training loss still fell at {speed:.0%} of its first speed at the end.",
        {"speed": speed},
        "Multiply learning_rate by 10, or train for more epochs.",
    )


def overfitting(case: Case) -> Finding | None:
    """Return whether samples that were not trained on are rebuilt much worse."""
    if case.test_error is None or case.error <= 0:
        return None
    ratio = case.test_error / case.error
    baseline = case.pca_test_error / max(case.pca_error, 1e-12)
    if ratio <= 2 or ratio <= 1.5 * baseline:
        return None
    return Finding(
        "overfitting",
        f"The squared error on samples held out is {ratio:.1f} times that on training samples.",
        {"ratio": ratio, "pca": baseline},
        "Stop early (validation=0.1, patience=5), or make the network or latent_dim smaller.",
    )


def underfitting(case: Case) -> Finding | None:
    """Return whether a model with more freedom than PCA does not even reach it on the samples it was trained on."""
    if case.pca_error <= 0 or case.explained >= 0.5 or case.error <= 1.5 * case.pca_error:
        return None
    return Finding(
        "underfitting",
        f"Only {case.explained:.0%} of the training data's variance is rebuilt; PCA with {case.size} numbers "
        f"rebuilds {case.explained_by_pca:.0%}.",
        {"explained": case.explained, "pca": case.explained_by_pca},
        "Train for more epochs, or make the network wider.",
    )


def worse_than_pca(case: Case) -> Finding | None:
    """Return whether PCA with as many numbers rebuilds samples better, those held out where there are some."""
    error, pca = (case.error, case.pca_error) if case.test_error is None else (case.test_error, case.pca_test_error)
    if pca <= 1e-9 * case.error_of_mean or error <= 1.25 * pca:
        return None
    where = "samples held out" if case.test_error is not None else "training samples"
    return Finding(
        "worse than PCA",
        f"On {where} the squared error is {error:.4g} per sample; PCA with {case.size} numbers, as many as the model "
        f"uses, reaches {pca:.4g}.",
        {"error": error, "pca": pca, "size": case.size},
        "Begin where PCA ends: network='residual' (likelihood='gaussian:learned' for pixels).",
    )


def ignores_code(case: Case) -> Finding | None:
    """Return whether the output is nearly the same whatever the code."""
    if case.variance_of_data <= 0:
        return None
    share = case.variance_of_output / case.variance_of_data
    if share >= 5e-4:
        return None
    return Finding(
        "output ignores the code",
        f"The output varies by {share:.2%} of what the samples vary: it is nearly the same for any code.",
        {"share": share},
        "Train for more epochs; if it stays so, lower weight_decay and beta.",
    )


def too_few_samples(case: Case) -> Finding | None:
    """Return whether there are too few samples for the size of the code."""
    gap = case.test_error / case.error if case.test_error is not None and case.error > 0 else 1.0
    needed = 5 * case.model.latent_dim_
    if case.n >= needed and not (gap > 2 and case.n < 50 * case.model.latent_dim_):
        return None
    held = f", and the error on samples held out is {gap:.1f} times as large" if gap > 1 else ""
    return Finding(
        "too few samples",
        f"There are {case.n} training samples for a code of {case.model.latent_dim_} numbers{held}.",
        {"samples": case.n, "dimensions": case.model.latent_dim_, "ratio": gap},
        f"Lower latent_dim to {max(1, case.n // 50)}, or add samples.",
    )


def off_range(case: Case) -> Finding | None:
    """Return whether samples drawn from the model leave the data's range."""
    share = case.off_range
    if share is None or share <= 0.1:
        return None
    return Finding(
        "samples off range",
        f"{share:.0%} of the values of samples drawn from the prior lie outside the range of the training data.",
        {"share": share},
        "Raise beta towards 1, so that codes fill the prior; or draw with sampler='gmm'.",
    )


RULES: dict[Callable[[Case], Finding | None], tuple[Callable[[Case], Finding | None], ...]] = {
    scale_misfit: (likelihood_misfit, saturated_units, dead_units, learning_rate_low, learning_rate_high,
                   underfitting, worse_than_pca, ignores_code),
    learning_rate_high: (dead_units, saturated_units, unused_codes, underfitting, worse_than_pca, ignores_code,
                         posterior_collapse, likelihood_misfit, off_range, collapsed_dimensions, learning_rate_low),
    dead_units: (unused_codes, underfitting, worse_than_pca, ignores_code, posterior_collapse),
    saturated_units: (learning_rate_low, underfitting, worse_than_pca, ignores_code, posterior_collapse),
    learning_rate_low: (underfitting, worse_than_pca, ignores_code, posterior_collapse, collapsed_dimensions,
                        likelihood_misfit, off_range),
    likelihood_misfit: (posterior_collapse, collapsed_dimensions, ignores_code, underfitting, worse_than_pca),
    posterior_collapse: (ignores_code, underfitting, worse_than_pca),
    too_few_samples: (overfitting, worse_than_pca),
    overfitting: (worse_than_pca,),
    ignores_code: (underfitting, worse_than_pca, unused_codes),
    underfitting: (worse_than_pca,),
    collapsed_dimensions: (),
    unused_codes: (),
    worse_than_pca: (),
    off_range: (),
}  # fmt: skip
"""Every rule, causes first, with the rules whose findings follow from it and are then not told."""
