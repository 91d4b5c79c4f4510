"""The rules of diagnosis: each reads the measurements of one model, and returns a finding or None.

The thresholds were set on runs that are known to be sound or broken: sound ones stay well clear of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from narrows.evaluation.diagnosis.measurements import Measurements, jump, late_speed

COLLAPSED = 0.01
"""Nats: a latent dimension with a smaller KL term on average counts as collapsed."""
FLAT = 1e-6
"""Share of the largest variance below which a latent dimension does not vary."""


class Finding(NamedTuple):
    """One problem: in a sentence, with the evidence, and one remedy to try."""

    rule: str
    sentence: str
    """What is wrong, with its evidence."""
    evidence: dict[str, float]
    """The values behind the sentence."""
    remedy: str
    """What to try."""

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}"


def posterior_collapse(m: Measurements) -> Finding | None:
    """Return whether the code of a probabilistic model holds no information about the sample."""
    nats = m.kl
    if nats is None or (nats >= COLLAPSED).any():
        return None
    total = float(nats.sum())
    return Finding(
        "posterior collapse",
        f"The code holds no information about the sample: its KL from the prior is {total:.3g} nats over "
        f"{len(nats)} dimensions.",
        {"kl": total, "dimensions": len(nats)},
        "Let the KL term rise slowly (kl_warmup=0.3), or lower beta; with a gaussian likelihood, learn its deviation.",
    )


def collapsed_dimensions(m: Measurements) -> Finding | None:
    """Return whether most latent dimensions of a probabilistic model hold no information, and some do."""
    nats = m.kl
    if nats is None:
        return None
    collapsed = int((nats < COLLAPSED).sum())
    if collapsed == len(nats) or collapsed <= len(nats) / 2:
        return None
    return Finding(
        "collapsed dimensions",
        f"{collapsed} of {len(nats)} latent dimensions hold less than {COLLAPSED} nats each: the model uses the other "
        f"{len(nats) - collapsed}.",
        {"collapsed": collapsed, "dimensions": len(nats)},
        f"Lower latent_dim to {len(nats) - collapsed}, which loses nothing; or lower beta to use more of them.",
    )


def unused_codes(m: Measurements) -> Finding | None:
    """Return whether latent dimensions of a model without posterior never vary."""
    if m.kl is not None:
        return None
    variance = m.codes.var(0)
    largest = float(variance.max())
    flat = int((variance <= FLAT * largest).sum()) if largest > 0 else len(variance)
    if flat == 0:
        return None
    return Finding(
        "unused codes",
        f"{flat} of {len(variance)} latent dimensions are constant over all samples.",
        {"unused": flat, "dimensions": len(variance)},
        f"Lower latent_dim to {max(1, len(variance) - flat)}, or use code='continuous:linear'.",
    )


def dead_units(m: Measurements) -> Finding | None:
    """Return whether nearly all units of a layer output 0 for every sample."""
    # A decoder whose input holds no information needs no units: there the collapse is the cause.
    empty = m.kl is not None and bool((m.kl < COLLAPSED).all())
    layers = [layer for layer in m.activity if not (empty and layer.decodes)]
    layer = max(layers, key=lambda layer: layer.dead, default=None)
    if layer is None or layer.dead <= 0.8:
        return None
    return Finding(
        "dead units",
        f"{layer.dead:.0%} of the units of layer {layer.name!r} output 0 for every sample, and have no gradient.",
        {"share": layer.dead, "units": layer.units},
        "Lower learning_rate, or use an activation whose gradient does not vanish, such as leaky_relu.",
    )


def saturated_units(m: Measurements) -> Finding | None:
    """Return whether most units of a layer are at an end of their range, where the gradient vanishes."""
    layer = max(m.activity, key=lambda layer: layer.saturated, default=None)
    if layer is None or layer.saturated <= 0.5:
        return None
    return Finding(
        "saturated units",
        f"{layer.saturated:.0%} of the units of layer {layer.name!r} are at the ends of their range for nearly every "
        "sample, where the gradient vanishes.",
        {"share": layer.saturated, "units": layer.units},
        "Use scale='standard' or lower learning_rate; or use an activation without such ends, such as relu.",
    )


def likelihood_misfit(m: Measurements) -> Finding | None:
    """Return whether the residuals are far from the variance of the likelihood."""
    ratio = m.residual_ratio
    if ratio is not None and not 0.2 <= ratio <= 5:
        size = f"1/{1 / ratio:.0f} of" if ratio < 1 else f"{ratio:.0f} times"
        return Finding(
            "likelihood misfit",
            f"The squared residuals are {size} the likelihood's variance.",
            {"ratio": ratio},
            "Use likelihood='gaussian:learned', whose deviation is learned.",
        )
    grey = m.grey_share
    if grey is not None and grey > 0.5:
        return Finding(
            "likelihood misfit",
            f"{grey:.0%} of the values lie between 0.1 and 0.9, but the likelihood is Bernoulli, which is for 0 and 1.",
            {"share": grey},
            "Use likelihood='continuous_bernoulli' or 'gaussian:learned'.",
        )
    return None


def scale_misfit(m: Measurements) -> Finding | None:
    """Return whether a few columns of a table dominate the loss, or values are far from unit scale."""
    remedy = "Standardise the features: scale='standard'."
    deviation = m.X.reshape(len(m.X), -1).std(0)
    varied = deviation[deviation > 0]
    if not len(varied):
        return None
    ratio, middle = float(varied.max() / np.median(varied)), float(np.median(varied))
    if m.X.ndim == 2 and ratio > 30:
        column = int(deviation.argmax())
        sentence = f"Column {column} has {ratio:.0f} times the deviation of the median column, and dominates the loss."
        return Finding("scale misfit", sentence, {"ratio": ratio, "column": column}, remedy)
    if len(m.rates) > 1 and not 1e-3 < middle < 30:
        sentence = f"The features have a deviation of {middle:.3g}; the usual learning rates suit one near 1."
        return Finding("scale misfit", sentence, {"deviation": middle}, remedy)
    return None


def learning_rate_high(m: Measurements) -> Finding | None:
    """Return whether the training loss jumped up and came down again instead of falling."""
    jumps = [(jump(curve), float(curve[0] - curve.min()), abs(float(curve[0]))) for curve in m.curves]
    # Smaller jumps may be noise. A warm-up moves some curves, a jump of the weights moves all.
    if not jumps or any(up <= max(0.25 * fall, 0.03 * first) for up, fall, first in jumps):
        return None
    up, fall, _ = jumps[0]
    return Finding(
        "learning rate too high",
        f"The training loss jumped between epochs by up to {up:.3g}; it fell by {fall:.3g} in total.",
        {"jump": up, "fall": fall},
        "Divide learning_rate by 10, or set clip=1.",
    )


def learning_rate_low(m: Measurements) -> Finding | None:
    """Return whether a model that is worse than PCA was still learning as fast as at the start when training ended."""
    # With an empty code no model can do better than the mean: there the collapse is the cause.
    empty = m.kl is not None and bool((m.kl < COLLAPSED).all())
    if not m.curves or m.error <= 1.25 * (m.error_of_mean if empty else m.pca_error):
        return None
    speed = min(late_speed(curve, m.rates) for curve in m.curves)
    if speed <= 0.4:
        return None
    return Finding(
        "learning rate too low",
        f"Per unit of learning rate, the training loss still fell at {speed:.0%} of its first speed at the end.",
        {"speed": speed},
        "Multiply learning_rate by 10, or train for more epochs.",
    )


def overfitting(m: Measurements) -> Finding | None:
    """Return whether held-out samples are reconstructed much worse."""
    if m.test_error is None or m.error <= 0:
        return None
    ratio = m.test_error / m.error
    baseline = m.pca_test_error / max(m.pca_error, 1e-12)
    if ratio <= 2 or ratio <= 1.5 * baseline:
        return None
    return Finding(
        "overfitting",
        f"The squared error on held-out samples is {ratio:.1f} times that on training samples.",
        {"ratio": ratio, "pca": baseline},
        "Stop early (validation=0.1, patience=5), or make the network or latent_dim smaller.",
    )


def underfitting(m: Measurements) -> Finding | None:
    """Return whether a model with more parameters than PCA does not reach it on the training samples."""
    if m.pca_error <= 0 or m.explained >= 0.5 or m.error <= 1.5 * m.pca_error:
        return None
    return Finding(
        "underfitting",
        f"Only {m.explained:.0%} of the training data's variance is reconstructed; PCA of rank {m.pca.rank} "
        f"reconstructs {m.explained_by_pca:.0%}.",
        {"explained": m.explained, "pca": m.explained_by_pca},
        "Train for more epochs, or make the network wider.",
    )


def worse_than_pca(m: Measurements) -> Finding | None:
    """Return whether PCA of the same rank reconstructs samples better, held-out ones where there are some."""
    error, pca = (m.error, m.pca_error) if m.test_error is None else (m.test_error, m.pca_test_error)
    if pca <= 1e-9 * m.error_of_mean or error <= 1.25 * pca:
        return None
    where = "held-out samples" if m.test_error is not None else "training samples"
    return Finding(
        "worse than PCA",
        f"On {where} the squared error is {error:.4g} per sample; PCA of rank {m.pca.rank} reaches {pca:.4g}.",
        {"error": error, "pca": pca, "rank": m.pca.rank},
        "Start at PCA: network='residual' (with likelihood='gaussian:learned' for pixels).",
    )


def ignores_code(m: Measurements) -> Finding | None:
    """Return whether the output hardly depends on the code."""
    if m.variance_of_data <= 0:
        return None
    share = m.variance_of_output / m.variance_of_data
    if share >= 5e-4:
        return None
    return Finding(
        "output ignores the code",
        f"The output has {share:.2%} of the samples' variance: it hardly depends on the code.",
        {"share": share},
        "Train for more epochs; if that does not help, lower weight_decay and beta.",
    )


def too_few_samples(m: Measurements) -> Finding | None:
    """Return whether there are too few samples for the latent dimension."""
    gap = m.test_error / m.error if m.test_error is not None and m.error > 0 else 1.0
    needed = 5 * m.model.latent_dim_
    if m.n >= needed and not (gap > 2 and m.n < 50 * m.model.latent_dim_):
        return None
    held = f", and the error on held-out samples is {gap:.1f} times as large" if gap > 1 else ""
    return Finding(
        "too few samples",
        f"There are {m.n} training samples for latent_dim={m.model.latent_dim_}{held}.",
        {"samples": m.n, "dimensions": m.model.latent_dim_, "ratio": gap},
        f"Lower latent_dim to {max(1, m.n // 50)}, or add samples.",
    )


def off_range(m: Measurements) -> Finding | None:
    """Return whether samples drawn from the model leave the data's range."""
    share = m.off_range
    if share is None or share <= 0.1:
        return None
    return Finding(
        "samples off range",
        f"{share:.0%} of the values of samples drawn from the prior lie outside the range of the training data.",
        {"share": share},
        "Raise beta towards 1, so that the aggregate posterior matches the prior; or draw with sampler='gmm'.",
    )


RULES: dict[Callable[[Measurements], Finding | None], tuple[Callable[[Measurements], Finding | None], ...]] = {
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
    collapsed_dimensions: (underfitting, worse_than_pca),
    too_few_samples: (overfitting, worse_than_pca),
    overfitting: (worse_than_pca,),
    ignores_code: (underfitting, worse_than_pca, unused_codes),
    underfitting: (worse_than_pca,),
    unused_codes: (),
    worse_than_pca: (),
    off_range: (),
}  # fmt: skip
"""Every rule, causes first, with the rules whose findings follow from it and are then left out."""
