"""The rules of diagnosis: each reads the evidence on one model, and returns a finding or None.

The thresholds were set on runs that are known to be sound or broken: sound ones stay well clear of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from narrows.evaluation.diagnosis.columns import unlearned_columns
from narrows.evaluation.diagnosis.evidence import Evidence
from narrows.evaluation.diagnosis.finding import Finding, Remedy
from narrows.evaluation.diagnosis.remedies import first_usable, network_name, scaled, usable, with_network
from narrows.numbers import number, times

COLLAPSED = 0.01
"""Nats: a latent dimension with a smaller KL term on average counts as collapsed."""
MOST_EPOCHS = 500_000
GMM = Remedy(sample={"sampler": "gmm"}, reason="draws where the codes are")


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
    return Finding("scale misfit", sentence, evidence, tuple(_standard(e)))


def learning_rate_high(e: Evidence) -> Finding | None:
    """Return whether the training loss jumped up and came down again instead of falling."""
    if e.jump is None:
        return None
    up, fall = e.jump
    return Finding(
        "learning rate too high",
        f"The training loss jumped between epochs by up to {number(up)}; it fell by {number(fall)} in total.",
        {"jump": up, "fall": fall},
        usable(e, [*_slower(e), *_clipped(e)]),
    )


def dead_units(e: Evidence) -> Finding | None:
    """Return whether nearly all units of a layer output 0 for every sample."""
    # A decoder whose input holds no information needs no units: there the collapse is the cause.
    layers = [layer for layer in e.activity if not (_collapsed(e) and layer.decodes)]
    layer = max(layers, key=lambda layer: layer.dead, default=None)
    if layer is None or layer.dead <= 0.8:
        return None
    other = Remedy(with_network(e, activation="leaky_relu"), "its gradient does not vanish")
    return Finding(
        "dead units",
        f"{layer.dead:.0%} of the units of layer {layer.name!r} output 0 for every sample, and have no gradient.",
        {"share": layer.dead, "units": layer.units},
        usable(e, [*_slower(e), other]),
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
        usable(e, [*_standard(e), other, *_slower(e)]),
    )


def learning_rate_low(e: Evidence) -> Finding | None:
    """Return whether a model that is worse than PCA was still learning as fast as at the start when training ended."""
    if e.speed is None or e.speed <= 0.4 or e.train is None:
        return None
    # With an empty code no model can do better than the mean: there the collapse is the cause.
    if e.train.model <= 1.25 * (e.train.mean if _collapsed(e) else e.train.pca):
        return None
    return Finding(
        "learning rate too low",
        f"Per unit of learning rate, the training loss still fell at {e.speed:.0%} of its first speed at the end.",
        {"speed": e.speed},
        usable(e, [Remedy(scaled(e, "learning_rate", 10)), *_longer(e)]),
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
            usable(e, [learned]) or usable(e, _longer(e)),
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


def posterior_collapse(e: Evidence) -> Finding | None:
    """Return whether the code of a probabilistic model holds no information about the sample."""
    if e.kl is None or not _collapsed(e):
        return None
    total = max(float(e.kl.sum()), 0.0)
    beta = e.parameter("beta", 1.0)
    return Finding(
        "posterior collapse",
        f"The code holds no information about the sample: its KL from the prior is {number(total)} nats over "
        f"{len(e.kl)} dimensions.",
        {"kl": total, "dimensions": len(e.kl)},
        usable(e, [
            *_other_network(e),
            *([Remedy({"kl_warmup": 0.3}, "the KL term rises slowly")] if _has_less(e, "kl_warmup", 0.3) else []),
            *_less_kl(e, beta),
            *([Remedy({"likelihood": "gaussian:learned"}, "its deviation is learned")] if _fixed(e) else []),
        ]),
    )  # fmt: skip


def collapsed_dimensions(e: Evidence) -> Finding | None:
    """Return whether most latent dimensions of a probabilistic model hold no information, and some do."""
    if e.kl is None:
        return None
    collapsed = int((e.kl < COLLAPSED).sum())
    used = len(e.kl) - collapsed
    if used == 0 or collapsed <= used:
        return None
    beta = e.parameter("beta", 1.0)
    return Finding(
        "collapsed dimensions",
        f"{collapsed} of {len(e.kl)} latent dimensions hold less than {COLLAPSED} nats each: the model uses the other "
        f"{used}.",
        {"collapsed": collapsed, "dimensions": len(e.kl)},
        usable(e, [Remedy({"latent_dim": used}, "loses nothing"), *_less_kl(e, beta)]),
    )


def too_few_samples(e: Evidence) -> Finding | None:
    """Return whether there are too few samples for the latent dimension."""
    if e.n is None:
        return None
    dimensions = e.model.latent_dim_
    wide = e.gap > 2 and e.n < 50 * dimensions
    if e.n >= 5 * dimensions and not wide:
        return None
    held = f", and the error on held-out samples is {times(e.gap)} times as large" if e.gap > 1 else ""
    fewer = max(1, e.n // (50 if wide else 5))
    smaller = [Remedy({"latent_dim": fewer})] if fewer < dimensions else []
    return Finding(
        "too few samples",
        f"There are {e.n} training samples for a latent dimension of {dimensions}{held}.",
        {"samples": e.n, "dimensions": dimensions, "ratio": e.gap},
        usable(e, [*smaller, Remedy(words="more samples")]),
    )


def overfitting(e: Evidence) -> Finding | None:
    """Return whether held-out samples are reconstructed much worse, or their loss rises while it trains."""
    stop = Remedy({"patience": 5}, "training stops when the validation loss rises")
    if e.rise is not None:
        best, rise, fall = e.rise
        return Finding(
            "overfitting",
            f"The validation loss was lowest at epoch {best} and has risen by {number(rise)} since, while the training "
            f"loss fell by {number(fall)}. The weights of that epoch are kept.",
            {"best": best, "rise": rise, "fall": fall},
            usable(e, [stop]) if e.parameter("patience") is None else (),
        )
    if e.test is None or e.train is None or e.gap <= 2:
        return None
    baseline = e.test.pca / max(e.train.pca, 1e-12)
    if e.gap <= 1.5 * baseline:
        return None
    early = [] if e.validated else [stop._replace(fit={"validation": 0.1})]
    narrow = with_network(e, hidden=lambda hidden: tuple(max(1, units // 2) for units in hidden))
    smaller = [Remedy(scaled(e, "latent_dim", 0.5))] if e.model.latent_dim_ > 1 else []
    return Finding(
        "overfitting",
        f"The squared error on held-out samples is {times(e.gap)} times that on training samples.",
        {"ratio": e.gap, "pca": baseline},
        usable(e, [*early, *smaller, Remedy(narrow, "half as wide")]),
    )


def ignores_code(e: Evidence) -> Finding | None:
    """Return whether the output hardly depends on the code."""
    if e.output_share is None or e.output_share >= 5e-4:
        return None
    decay = [Remedy({"weight_decay": 0.0})] if e.parameter("weight_decay") else []
    return Finding(
        "output ignores the code",
        f"The output has {e.output_share:.2%} of the samples' variance: it hardly depends on the code.",
        {"share": e.output_share},
        usable(e, [*_other_network(e), *_longer(e), *decay]),
    )


def unused_codes(e: Evidence) -> Finding | None:
    """Return whether latent dimensions of a model without posterior never vary."""
    if e.constant == 0:
        return None
    total = e.model.latent_dim_
    fewer = [Remedy({"latent_dim": total - e.constant}, "loses nothing")] if e.constant < total else []
    return Finding(
        "unused codes",
        f"{e.constant} of {total} latent dimensions are constant over all samples.",
        {"unused": e.constant, "dimensions": total},
        usable(e, [*fewer, Remedy({"code": "continuous:linear"}, "no activation can be stuck")]),
    )


def worse_than_pca(e: Evidence) -> Finding | None:
    """Return whether PCA with as many dimensions reconstructs samples better, held-out ones where there are some."""
    if e.errors is None:
        return None
    error, pca, mean = e.errors
    if error <= max(1.25 * pca, pca + 0.002 * mean):
        return None
    where = "training samples" if e.test is None else "held-out samples"
    exact = pca <= 1e-9 * mean  # to rounding
    ratio = "" if exact else f", {times(error / pca)} times that of PCA with {e.rank} dimensions ({number(pca)})"
    sentence = f"On {where} the squared error is {number(error)} per sample{ratio}."
    if exact:
        sentence += f" PCA with {e.rank} dimensions leaves none."
    if error > mean:
        sentence += f" Even the mean sample leaves less: {number(mean)}."
    beta = e.parameter("beta", 0.0)
    again = [Remedy({"beta": 1.0}, "the bound itself")] if beta > 1 else []
    return Finding(
        "worse than PCA",
        sentence,
        {"error": error, "pca": pca, "rank": e.rank},
        usable(e, [*_pca_start(e), *_convolutions(e)]) or usable(e, [*again, *_longer(e), *_slower(e)]),
    )


def codes_off_prior(e: Evidence) -> Finding | None:
    """Return whether mean or deviation of latent dimensions that are used lie far from the prior's."""
    if e.spread is None:
        return None
    mean, deviation, prior_mean, prior_deviation = e.spread
    offset, ratio = np.abs(mean - prior_mean) / prior_deviation, deviation / prior_deviation
    used = np.ones(len(mean), bool) if e.kl is None else e.kl >= COLLAPSED
    far = used & ((offset > 0.5) | (ratio > 1.5) | (ratio < 0.5))
    if not far.any():
        return None
    distance = np.maximum(offset, np.abs(np.log(np.maximum(ratio, 1e-12))))
    j = int(np.where(far, distance, -1).argmax())
    count, at = int(far.sum()), [f"{float(values[j]):.2f}".replace("-0.00", "0.00") for values in e.spread]
    beta = e.parameter("beta", 1.0)
    stronger = [Remedy({"beta": 1.0}, "draws the codes to the prior")] if beta < 1 else []
    return Finding(
        "codes off the prior",
        f"{count} of {len(far)} latent dimensions lie far from the prior: dimension {j + 1} has mean {at[0]} and "
        f"deviation {at[1]}, where the prior has {at[2]} and {at[3]}. Samples drawn from the prior, and scans by its "
        "quantiles, then decode codes that no data have.",
        {"dimensions": count, "mean": float(mean[j]), "deviation": float(deviation[j])},
        usable(e, [*(stronger or _longer(e)), GMM]),
    )


def off_range(e: Evidence) -> Finding | None:
    """Return whether samples drawn from the model leave the data's range."""
    if e.off_range is None or e.off_range <= 0.1:
        return None
    beta = e.parameter("beta", 1.0)
    stronger = [Remedy({"beta": 1.0}, "draws the codes to the prior")] if beta < 1 else []
    return Finding(
        "samples off range",
        f"{e.off_range:.0%} of the values of samples drawn from the prior lie outside the range of the training data.",
        {"share": e.off_range},
        usable(e, [*stronger, GMM]),
    )


Rule = Callable[[Evidence], Finding | None]
RULES: dict[Rule, tuple[Rule, ...]] = {
    scale_misfit: (likelihood_misfit, saturated_units, dead_units, learning_rate_low, learning_rate_high, ignores_code),
    learning_rate_high: (dead_units, saturated_units, unused_codes, ignores_code, posterior_collapse, likelihood_misfit,
                         off_range, collapsed_dimensions, learning_rate_low),
    dead_units: (unused_codes, ignores_code, posterior_collapse),
    saturated_units: (learning_rate_low, ignores_code, posterior_collapse),
    learning_rate_low: (ignores_code, posterior_collapse, collapsed_dimensions, likelihood_misfit, off_range),
    likelihood_misfit: (posterior_collapse, collapsed_dimensions, ignores_code),
    posterior_collapse: (ignores_code, unlearned_columns),
    collapsed_dimensions: (),
    too_few_samples: (overfitting,),
    overfitting: (),
    ignores_code: (unused_codes,),
    unused_codes: (),
    worse_than_pca: (),
    unlearned_columns: (),
    codes_off_prior: (off_range,),
    off_range: (),
}  # fmt: skip
"""Every rule, causes first, with the rules whose findings follow from it and are then left out.

An error above PCA's, and codes far from the prior, follow from many and are told in any case.
"""


def _collapsed(e: Evidence) -> bool:
    return e.kl is not None and bool((e.kl < COLLAPSED).all())


def _has_less(e: Evidence, name: str, least: float) -> bool:
    return bool(e.parameter(name, least) < least)


def _fixed(e: Evidence) -> bool:
    """Return whether the likelihood has a scale that is not learned."""
    module = vars(e.model).get("module_")
    observed = getattr(module, "observed", None)
    return observed is None or (observed.log_scale is not None and not observed.learned)


def _standard(e: Evidence) -> list[Remedy]:
    standard = {"scale": "standard"}
    reason = "every feature gets mean 0 and deviation 1"
    return first_usable(e, standard, {**standard, "likelihood": "gaussian:learned"}, reason=reason)


def _slower(e: Evidence) -> list[Remedy]:
    return [Remedy(scaled(e, "learning_rate", 0.1))]


def _clipped(e: Evidence) -> list[Remedy]:
    clip = e.parameter("clip")
    return [Remedy({"clip": 1.0}, "bounds the gradient")] if clip is None or clip > 1 else []


def _longer(e: Evidence) -> list[Remedy]:
    return [Remedy(scaled(e, "epochs", 3, most=MOST_EPOCHS))]


def _less_kl(e: Evidence, beta: float) -> list[Remedy]:
    return [Remedy({"beta": 1.0} if beta > 1 else scaled(e, "beta", 0.25), "the KL term weighs less")]


def _pca_start(e: Evidence) -> list[Remedy]:
    residual = {"network": "residual"}
    return (
        first_usable(e, residual, {**residual, "likelihood": "gaussian:learned"}, reason="begins at PCA")
        if (network_name(e) != "residual")
        else []
    )


def _other_network(e: Evidence) -> list[Remedy]:
    """Return other networks where it is recurrent: an LSTM often ends at the mean of all samples."""
    return [*_pca_start(e), *_convolutions(e)] if network_name(e) == "recurrent" else []


def _convolutions(e: Evidence) -> list[Remedy]:
    """Return convolutions in place of an LSTM."""
    conv = {"network": "conv"}
    return first_usable(e, conv, reason="convolutions over the steps") if network_name(e) == "recurrent" else []
