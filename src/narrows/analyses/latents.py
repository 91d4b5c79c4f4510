"""The latent space of a model: where its codes lie, which dimensions are used, and what they decode to."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.special import ndtr

from narrows import figures
from narrows.analyses.analysis import ModelOnData
from narrows.data.arrays import Array
from narrows.errors import ConfigError
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import codes, evaluating, in_double
from narrows.evaluation.representation import kl_per_dimension

LINEAR = 1e-4
"""Share of the largest value by which a decoder may deviate from a linear map: rounding."""
LIMIT = 5000
"""Samples from which distributions of codes, ranges and activities are estimated, at most."""


class Distribution(NamedTuple):
    """Centre and spread of the codes, dimension by dimension."""

    centre: Array
    """(latent_dim,): the prior's median, or the mean of the codes where the model has no prior."""
    deviation: Array
    """(latent_dim,): of the prior, or of the codes."""
    prior: bool
    """Whether it is the prior's."""


def decode(model: Autoencoder, Z: Array, y: Any = None) -> Array:
    """Return what codes decode to, on the model's scale: (N, latent_dim) to (N, *shape), double precision.

    `y` are labels (N,), for a model with a condition.
    """
    return model.decode(np.asarray(Z), y).astype(np.float64)


def training_codes(subject: ModelOnData) -> Array:
    """Return codes of training samples, those that the model kept if it did: (N, latent_dim), double precision."""
    kept = subject.model.codes_
    if kept is None or not len(kept):
        return codes(subject.model, subject.train.rows(slice(LIMIT)))
    return kept.astype(np.float64)


def distribution_of(subject: ModelOnData) -> Distribution:
    """Return where codes lie: according to the prior, or to the codes of training samples."""
    quantiles, source = quantiles_of(subject, ndtr(np.array([-1.0, 0.0, 1.0])))
    if source == "prior":
        return Distribution(quantiles[1], (quantiles[2] - quantiles[0]) / 2, True)
    Z = training_codes(subject)
    return Distribution(Z.mean(0), Z.std(0), False)


def quantiles_of(subject: ModelOnData, p: Array) -> tuple[Array, str]:
    """Return the quantiles of the code at probabilities p (n,), (n, latent_dim), and their source.

    Those of the "prior", or of the "codes" of training samples where there is no prior or none in closed form.
    """
    module = subject.model.module_
    if module.probabilistic:
        with evaluating(module):
            quantiles = module.prior().quantile(torch.from_numpy(p))
        if quantiles is not None:
            return in_double(quantiles).numpy(), "prior"
    return np.quantile(training_codes(subject), p, axis=0), "codes"


def usage(subject: ModelOnData) -> tuple[Array, str]:
    """Return how much each latent dimension is used, (latent_dim,), and the unit.

    The mean KL divergence from the prior, in nats, of models that have it in closed form; else the variance of codes.
    """
    if subject.model.module_.probabilistic:
        with contextlib.suppress(ConfigError):
            return kl_per_dimension(subject.model, subject.arrays.rows(slice(LIMIT))), "nats"
    return training_codes(subject).var(0), "variance"


def check_dims(dims: Sequence[int], model: Autoencoder, analysis: str) -> list[int]:
    """Return positions in the code of latent dimensions that are counted from 1, as pictures number them.

    Raises: ConfigError where one exceeds latent_dim, or occurs twice.
    """
    size = model.latent_dim_
    if not dims or max(dims) > size or min(dims) < 1 or len(set(dims)) < len(dims):
        raise ConfigError(
            f"{analysis}: dims must be different integers from 1 to latent_dim = {size}; got {tuple(dims)}."
        )
    return [d - 1 for d in dims]


def display_limits(subject: ModelOnData) -> tuple[float, float]:
    """Return the values drawn as black and white: the range of the samples, [0, 1] for pixels."""
    return figures.limits_of(subject.values(subject.arrays.rows(slice(LIMIT))))


def loadings(subject: ModelOnData) -> Array | None:
    """Return what each latent dimension adds to a sample, (latent_dim, D); None where the decoder is not linear."""
    model = subject.model
    size = model.latent_dim_
    Z = training_codes(subject)[:32]
    scale = np.maximum(np.abs(Z).max(0), 1e-12)  # steps as long as the codes: other lengths lose digits
    points = np.concatenate([np.zeros((1, size)), np.diag(scale), Z])
    x = decode(model, points).reshape(len(points), -1)
    axes = (x[1 : size + 1] - x[0]) / scale[:, None]
    nonlinear = np.abs(x[size + 1 :] - x[0] - Z @ axes).max()
    return axes if nonlinear <= LINEAR * max(float(np.abs(x).max()), 1e-12) else None
