"""Rules on how training went: the data's scale, step sizes, units, the likelihood."""

from __future__ import annotations

import numpy as np

from narrows.evaluation.diagnosis.evidence import Evidence
from narrows.evaluation.diagnosis.finding import Finding, Remedy
from narrows.evaluation.diagnosis.proposals import clipped, longer, slower, standardised
from narrows.evaluation.diagnosis.remedies import scaled, usable, with_network
from narrows.numbers import number, times


def scale_misfit(e: Evidence) -> Finding | None:
    """Return whether a few columns of a table dominate the loss, or values are far from unit scale."""
    schema = e.model.schema_ if "schema_" in vars(e.model) else None
    if e.deviations is None or schema is None or schema.scale == "standard":
        return None
    varied = e.deviations[e.deviations > 0]
    if not len(varied):
        return None
    ratio, middle = float(varied.max() / np.median(varied)), float(np.median(varied))
    learned = e.parameter("epochs") is not None  # a model in closed form minds no scale of all
    if schema.kind == "table" and ratio > 30:
        column = int(e.deviations.argmax())
        name = f"{column}" if schema.columns is None else f"{schema.columns[column]!r}"
        sentence = f"Column {name} has {times(ratio)} times the deviation of the median column, and dominates the loss."
        evidence: dict[str, float] = {"ratio": ratio, "column": column}
    elif learned and not 1e-3 < middle < 30:
        sentence = f"The features have a deviation of {number(middle)}; the usual learning rates suit one near 1."
        evidence = {"deviation": middle}
    else:
        return None
    return Finding("scale misfit", sentence, evidence, tuple(standardised(e)))


def learning_rate_high(e: Evidence) -> Finding | None:
    """Return whether the training loss jumped up and came down again instead of falling."""
    if e.jump is None:
        return None
    up, fall = e.jump
    return Finding(
        "learning rate too high",
        f"The training loss jumped between epochs by up to {number(up)}; it fell by {number(fall)} in total.",
        {"jump": up, "fall": fall},
        usable(e, [*slower(e), *clipped(e)]),
    )


def dead_units(e: Evidence) -> Finding | None:
    """Return whether nearly all units of a layer output 0 for every sample."""
    # A decoder whose input holds no information needs no units: there the collapse is the cause.
    layers = [layer for layer in e.activity if not (e.collapsed and layer.decodes)]
    layer = max(layers, key=lambda layer: layer.dead, default=None)
    if layer is None or layer.dead <= 0.8:
        return None
    other = Remedy(with_network(e, activation="leaky_relu"), "its gradient does not vanish")
    return Finding(
        "dead units",
        f"{layer.dead:.0%} of the units of layer {layer.name!r} output 0 for every sample, and have no gradient.",
        {"share": layer.dead, "units": layer.units},
        usable(e, [*slower(e), other]),
    )


def saturated_units(e: Evidence) -> Finding | None:
    """Return whether most units of a layer are at an end of their range, where the gradient vanishes."""
    layer = max(e.activity, key=lambda layer: layer.saturated, default=None)
    if layer is None or layer.saturated <= 0.5:
        return None
    other = Remedy(with_network(e, activation="relu"), "it has no such ends")
    return Finding(
        "saturated units",
        f"{layer.saturated:.0%} of the units of layer {layer.name!r} are at the ends of their range for nearly every "
        "sample, where the gradient vanishes.",
        {"share": layer.saturated, "units": layer.units},
        usable(e, [*standardised(e), other, *slower(e)]),
    )


def learning_rate_low(e: Evidence) -> Finding | None:
    """Return whether a model that is worse than PCA was still learning as fast as at the start when training ended."""
    if e.speed is None or e.speed <= 0.4 or e.train is None:
        return None
    # With an empty code no model can do better than the mean: there the collapse is the cause.
    if e.train.model <= 1.25 * (e.train.mean if e.collapsed else e.train.pca):
        return None
    return Finding(
        "learning rate too low",
        f"Per unit of learning rate, the training loss still fell at {e.speed:.0%} of its first speed at the end.",
        {"speed": e.speed},
        usable(e, [Remedy(scaled(e, "learning_rate", 10)), *longer(e)]),
    )


def likelihood_misfit(e: Evidence) -> Finding | None:
    """Return whether the residuals are far from the variance of the likelihood, or grey values count as bits."""
    ratio = e.residual_ratio
    if ratio is not None and not 0.2 <= ratio <= 5:
        size = f"1/{times(1 / ratio)} of" if ratio < 1 else f"{times(ratio)} times"
        learned = Remedy({"likelihood": "gaussian:learned"}, "its deviation is learned")
        return Finding(
            "likelihood misfit",
            f"The squared residuals are {size} the likelihood's variance.",
            {"ratio": ratio},
            usable(e, [learned]) or usable(e, longer(e)),
        )
    if e.grey_share is not None and e.grey_share > 0.5:
        return Finding(
            "likelihood misfit",
            f"{e.grey_share:.0%} of the values lie between 0.1 and 0.9, but the likelihood is Bernoulli, which is for "
            "0 and 1.",
            {"share": e.grey_share},
            usable(e, [Remedy({"likelihood": name}) for name in ("continuous_bernoulli", "gaussian:learned")]),
        )
    return None
