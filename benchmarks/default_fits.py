"""Fits at default settings, and what stands beside them: PCA of the same size, and scikit-learn's MLPRegressor."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from default_data import Array, split
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from narrows import AE, VAE, elbo
from narrows.errors import DivergedError
from narrows.estimators import inference
from narrows.evaluation.errors import pca_baseline, squared_error

DRAWS = 16
"""From the posterior of each held-out sample, for the ELBO."""
LONG, TOO_LONG = 2e11, 4e12
"""Products of all epochs of an MLPRegressor beyond which it is trained with one seed, and with none."""
DENSE = 1100
"""Values of a sample up to which scikit-learn's log-likelihood of PCA is compared, for its covariance matrix."""
EXACT = 1e-9
"""Share of the variance below which PCA's error is rounding alone: its code holds the sample."""


def flat(X: Array) -> Array:
    """Return samples as rows of numbers, NaN where a value is missing."""
    return X.reshape(len(X), -1).astype(np.float64)


def scales(X: Array) -> Array:
    """Return each value's deviation over the rows, and over the steps of series; 1 for a constant."""
    values = X.astype(np.float64)
    deviation = np.nanstd(values, axis=(0, 1) if X.ndim == 3 else 0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    return np.broadcast_to(deviation, X.shape[1:]).reshape(-1)


def held_out_error(X: Array, X_hat: Array) -> float:
    """Return the mean over samples of the squared error, summed over what was observed."""
    return float(np.nansum(np.square(X - X_hat)) / len(X))


def linear(train: Array, test: Array, k: int) -> tuple[float, PCA]:
    """Return the held-out error of scikit-learn's PCA, and it; missing values count as the mean."""
    mean = np.nanmean(train, 0)
    pca = PCA(min(k, *train.shape), svd_solver="full").fit(np.where(np.isnan(train), mean, train))
    known = np.where(np.isnan(test), mean, test)
    return held_out_error(test, pca.inverse_transform(pca.transform(known))), pca


def timed(function: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return what a function returns, and its seconds: by the clock, and the processor's, without other work."""
    clock, processor = time.perf_counter(), time.process_time()
    value = function()
    return value, {"seconds": time.perf_counter() - clock, "processor": time.process_time() - processor}


def regressor(x: Array, hidden: tuple[int, ...], k: int, seed: int, epochs: int | None) -> MLPRegressor:
    """Return an MLPRegressor at its defaults, trained to reconstruct x through k units."""
    settings = {} if epochs is None else {"max_iter": epochs}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return MLPRegressor(hidden_layer_sizes=(*hidden, k, *reversed(hidden)), random_state=seed, **settings).fit(x, x)


def measure(X: Array, settings: dict[str, Any], *, rival: bool = True) -> dict[str, Any]:
    """Fit AE and VAE to 70% of X, and measure both on the rest.

    Parameters
    ----------
    X
        Samples as a user has them.
    settings
        The seed, of the split, the weights and the noise; and what is not to be at its default.
    rival
        Whether to train an MLPRegressor, where it does not take too long; it goes first for odd seeds.

    Returns
    -------
    dict
        What was measured of "AE", "VAE" and "rival"; of a model that diverged, "failed" alone: the error.
    """
    seed, epochs = settings["seed"], settings.get("epochs")
    rows, held = split(len(X), seed)
    train, test = X[rows], X[held]
    ae = AE(**settings)
    result: dict[str, Any] = {"rows": len(X), "shape": list(X.shape[1:]), "settings": settings}
    rival_first = rival and seed % 2 == 1
    if rival_first:  # an epoch tells the sizes
        result["rival"] = _rival(_barely(settings).fit(train), train, test, seed, epochs)
    taken = fitted(ae, train)
    sizes = _barely(settings).fit(train) if "failed" in taken else ae
    if rival and not rival_first:
        result["rival"] = _rival(sizes, train, test, seed, epochs)
    result["latent_dim"] = k = math.prod(sizes.code_.shape)
    result["network"] = str(sizes.network_for(sizes.schema_))
    result["AE"] = taken if "failed" in taken else {**taken, **errors(ae, train, test, k), **training(ae)}
    vae = VAE(**settings)
    taken = fitted(vae, train)
    if "failed" not in taken:
        taken |= {**errors(vae, train, test, k), **bounds(vae, train, test), **training(vae)}
    result["VAE"] = taken
    return result


def fitted(model: Any, train: Array) -> dict[str, Any]:
    """Fit a model, and return its seconds; where it diverged, the error as "failed"."""
    try:
        return timed(lambda: model.fit(train))[1]
    except DivergedError as error:
        return {"failed": str(error)}


def _barely(settings: dict[str, Any]) -> Any:
    """Return an AE whose training takes an epoch and changes nothing, to be fitted for its sizes."""
    return AE(**settings | {"epochs": 1, "learning_rate": 1e-12})


def errors(model: Any, train: Array, test: Array, k: int) -> dict[str, Any]:
    """Return held-out errors over PCA's, on the model's scale, as given, and standardised.

    `left` is the error's share of the variance about the training mean; a ratio is None where PCA's code holds all.
    `check` is how far narrows' PCA is from scikit-learn's.
    """
    baseline = pca_baseline(model, train)
    mean_error = baseline.squared_error_of_mean(test).mean()
    error, pca_error = squared_error(model, test).mean(), baseline.squared_error(test).mean()
    holds_all = bool(pca_error <= EXACT * mean_error)
    if model.schema_.pixels:  # whole numbers would come back: what is lost by rounding is of no interest here
        reconstruction = 255 * flat(inference.reconstruct_encoded(model, test))
    else:
        reconstruction = flat(np.asarray(model.reconstruct(test)))
    A, B = flat(train), flat(test)
    given, _ = linear(A, B, k)
    result = {
        "left": float(error / mean_error), "pca_left": float(pca_error / mean_error),
        "fitted": float(squared_error(model, train).mean() / baseline.squared_error_of_mean(train).mean()),
        "ratio": None if holds_all else float(error / pca_error),
        "as_given": None if holds_all else held_out_error(B, reconstruction) / given,
    }  # fmt: skip
    if train.ndim < 4:  # every value of an image has the same unit
        deviation = scales(train)
        standard, _ = linear(A / deviation, B / deviation, k)
        own = held_out_error(B / deviation, reconstruction / deviation)
        result["standardised"] = None if holds_all else own / standard
    if not np.isnan(A).any():
        x, held = (flat(inference.values(model, part)) for part in (train, test))
        same, pca = linear(x, held, k)
        result["check"] = abs(same / pca_error - 1) if not holds_all else 0.0
        if x.shape[1] <= DENSE and pca.noise_variance_ > EXACT * pca.explained_variance_.max():
            scores = pca.score_samples(held) + model.schema_.log_jacobian
            own = baseline.log_likelihood(test)
            result["check_likelihood"] = float(np.abs(scores - own).mean() / np.abs(scores).mean())
    return result


def bounds(model: Any, train: Array, test: Array) -> dict[str, Any]:
    """Return the held-out ELBO, and how far it lies above probabilistic PCA's log-likelihood, both in nats."""
    elbos = elbo(model, test, samples=DRAWS)
    result: dict[str, Any] = {"elbo": float(elbos.mean()), "density": bool(model.module_.density)}
    if not result["density"]:
        return result
    difference = elbos - pca_baseline(model, train).log_likelihood(test)
    return result | {
        "gain": float(difference.mean()), "median_gain": float(np.median(difference)),
        "gain_error": float(difference.std(ddof=1) / len(difference) ** 0.5),
    }  # fmt: skip


def training(model: Any) -> dict[str, Any]:
    """Return how long it was trained."""
    last = model.history_[-1]
    best = [record["epoch"] for record in model.history_ if record["best"]]
    return {"epochs": last["epoch"], "steps": last["step"], "best": best[-1] if best else None, "note": last["note"],
            "scale": str(model.schema_.scale)}  # fmt: skip


def _rival(ae: Any, train: Array, test: Array, seed: int, epochs: int | None) -> dict[str, Any] | None:
    """Train an MLPRegressor of the same sizes on what AE sees, 512 units a layer for networks that have none."""
    x, held = (flat(inference.values(ae, part)) for part in (train, test))
    network = ae.network_for(ae.schema_)
    named = type(network).__name__ in ("MLP", "Residual")
    hidden = tuple(network.hidden) if named else (512,)
    k = min(math.prod(ae.code_.shape), x.shape[1])
    sizes = (x.shape[1], *hidden, k)
    weights = 2 * sum(a * b for a, b in pairwise(sizes))
    if 6 * weights * len(x) * (epochs or 200) > (TOO_LONG if seed == 0 else LONG):
        return None
    model, taken = timed(lambda: regressor(x, hidden, k, seed, epochs))
    error, pca_error = held_out_error(held, model.predict(held).reshape(held.shape)), linear(x, held, k)[0]
    whole = held_out_error(held, x.mean(0))
    return {**taken, "epochs": model.n_iter_, "left": error / whole, "hidden": list(hidden),
            "ratio": error / pca_error if pca_error > EXACT * whole else None}  # fmt: skip
