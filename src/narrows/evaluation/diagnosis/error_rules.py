"""Rules on how many samples there are, and on errors: of those held out, and beside PCA's."""

from __future__ import annotations

from narrows.evaluation.diagnosis.evidence import Evidence
from narrows.evaluation.diagnosis.finding import Finding, Remedy
from narrows.evaluation.diagnosis.proposals import convolutions, longer, pca_start, slower
from narrows.evaluation.diagnosis.remedies import scaled, usable, with_network
from narrows.numbers import number, times


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
        if e.model.get_params(deep=False).get("epochs") == "auto":  # it stops by itself
            return None
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


def worse_than_pca(e: Evidence) -> Finding | None:
    """Return whether PCA with as many dimensions reconstructs samples better, held-out ones where there are some.

    Twice PCA's is far for a model of typed columns with a prior, which learns a scale for each and minimises others.
    """
    if e.errors is None:
        return None
    error, pca, mean = e.errors
    far = 2 if e.model.schema_.types is not None and e.model.module_.probabilistic else 1.25
    if error <= max(far * pca, pca + 0.002 * mean):
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
        usable(e, [*pca_start(e), *convolutions(e)]) or usable(e, [*again, *longer(e), *slower(e)]),
    )
