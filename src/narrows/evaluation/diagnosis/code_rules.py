"""Rules on what codes hold, and on samples drawn from their prior."""

from __future__ import annotations

import numpy as np

from narrows.evaluation.diagnosis.evidence import COLLAPSED, Evidence
from narrows.evaluation.diagnosis.finding import Finding, Remedy
from narrows.evaluation.diagnosis.proposals import less_kl, longer, other_network
from narrows.evaluation.diagnosis.remedies import usable
from narrows.numbers import number

GMM = Remedy(sample={"sampler": "gmm"}, reason="draws where the codes are")


def posterior_collapse(e: Evidence) -> Finding | None:
    """Return whether the code of a probabilistic model holds no information about the sample."""
    if e.kl is None or not e.collapsed:
        return None
    total = max(float(e.kl.sum()), 0.0)
    beta = e.parameter("beta", 1.0)
    return Finding(
        "posterior collapse",
        f"The code holds no information about the sample: its KL from the prior is {number(total)} nats over "
        f"{len(e.kl)} dimensions.",
        {"kl": total, "dimensions": len(e.kl)},
        usable(e, [
            *other_network(e),
            *([Remedy({"kl_warmup": 0.3}, "the KL term rises slowly")] if _has_less(e, "kl_warmup", 0.3) else []),
            *less_kl(e, beta),
            *([Remedy({"likelihood": "gaussian:learned"}, "its deviation is learned")] if e.fixed_scale else []),
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
        usable(e, [Remedy({"latent_dim": used}, "loses nothing"), *less_kl(e, beta)]),
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
        usable(e, [*other_network(e), *longer(e), *decay]),
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
        usable(e, [*(stronger or longer(e)), GMM]),
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


def _has_less(e: Evidence, name: str, least: float) -> bool:
    return bool(e.parameter(name, least) < least)
