"""What steps ask of a model's codes: where they lie, which are used, which samples are meant."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from narrows import figures
from narrows.analyses.analysis import Subject
from narrows.errors import ConfigError
from narrows.estimators.base import Array, Autoencoder
from narrows.evaluation.representation import kl_per_dimension

__all__ = [
    "Spread",
    "checked_dims",
    "codes_of",
    "images_of",
    "quantiles_of",
    "rows_of",
    "shown_limits",
    "spread_of",
    "usage",
]

LINEAR = 1e-4
"""Share of the largest value by which what is decoded may differ from a linear map of the code: rounding."""
CODES = 5000
"""At most so many samples tell how codes are spread."""


class Spread(NamedTuple):
    """Where the codes of a model lie, dimension by dimension."""

    centre: Array
    """(latent_dim,): the prior's mean, or that of the codes where the model has no prior."""
    deviation: Array
    """(latent_dim,), likewise."""
    prior: bool
    """Whether these are the prior's."""


def codes_of(subject: Subject) -> Array:
    """Return codes of training samples, those that the model kept where it did: (N, latent_dim), double precision."""
    kept = subject.model.codes_
    Z = subject.model.transform(subject.dataset.train[:CODES]) if kept is None or not len(kept) else kept
    return Z.astype(np.float64)


def spread_of(subject: Subject) -> Spread:
    """Return where codes lie: as the prior has it, or as those of training samples do."""
    module = subject.model.module_
    if module.probabilistic:
        with torch.inference_mode():
            prior = module.prior()
            return Spread(prior.mean.double().numpy(), prior.stddev.double().numpy(), True)
    Z = codes_of(subject)
    return Spread(Z.mean(0), Z.std(0), False)


def quantiles_of(subject: Subject, p: Array) -> tuple[Array, str]:
    """Return the quantiles of the code at probabilities p (n,): (n, latent_dim); and of what they are.

    Those of the prior, or of the codes of training samples where there is no prior or none in closed form.
    """
    module = subject.model.module_
    if module.probabilistic:
        with torch.inference_mode(), contextlib.suppress(NotImplementedError):  # a mixture has none in closed form
            return module.prior().icdf(torch.from_numpy(p)[:, None]).double().numpy(), "prior"
    return np.quantile(codes_of(subject), p, axis=0), "codes"


def usage(subject: Subject) -> tuple[Array, str]:
    """Return how much each dimension of the code is used, (latent_dim,), and the unit.

    Mean KL to the prior, in nats, of models that have one; the variance of the codes of others.
    """
    if subject.model.module_.probabilistic:
        return kl_per_dimension(subject.model, subject.samples[:CODES]), "nats"
    return codes_of(subject).var(0), "variance"


def images_of(subject: Subject, step: str) -> tuple[int, ...]:
    """Return the shape of a sample, which must be one that is shown as pixels.

    Raises
    ------
    ConfigError
        The samples are tables, or sequences of few channels.
    """
    shape = subject.model.sample_shape_
    if not figures.is_image(shape):
        kind = "a table" if len(shape) == 1 else "sequences"
        raise ConfigError(
            f"{step}: data must be images, or sequences of more than 6 channels; got {kind} of shape {shape}. "
            "`narrows reconstruct` and `narrows sample` draw those."
        )
    return shape


def rows_of(subject: Subject, index: Iterable[int], step: str, name: str = "index") -> Array:
    """Return the samples at positions of the part shown, as they are stored.

    Raises
    ------
    ConfigError
        There are not so many.
    """
    part, X, _ = subject.shown
    rows = list(index)
    if not rows or max(rows) >= len(X):
        got = max(rows) if rows else "none"
        raise ConfigError(f"{step}: {name} must be below {len(X)}, the number of {part} samples; got {got}.")
    return X[rows]


def checked_dims(dims: Sequence[int], model: Autoencoder, step: str) -> list[int]:
    """Return positions in the code for dimensions that are counted from 1, as pictures name them.

    Raises
    ------
    ConfigError
        One is beyond the code's end, or is there twice.
    """
    size = model.latent_dim_
    if not dims or max(dims) > size or min(dims) < 1 or len(set(dims)) < len(dims):
        raise ConfigError(
            f"{step}: dims must be different whole numbers from 1 to latent_dim = {size}; got {tuple(dims)}."
        )
    return [d - 1 for d in dims]


def shown_limits(subject: Subject) -> tuple[float, float]:
    """Return the values shown as black and white: the range of the samples, [0, 1] for pixels."""
    return figures.limits_of(subject.scaled(subject.samples[:CODES]))


def loadings(subject: Subject) -> Array | None:
    """Return what each number of the code adds to a sample, (latent_dim, D); None where the decoder is not linear."""
    estimator = subject.model
    size = estimator.latent_dim_
    Z = codes_of(subject)[:32]
    scale = np.maximum(np.abs(Z).max(0), 1e-12)  # steps as long as the codes are: other lengths lose digits
    at = np.concatenate([np.zeros((1, size)), np.diag(scale), Z])
    X = estimator.inverse_transform(at).reshape(len(at), -1).astype(np.float64)
    axes = (X[1 : size + 1] - X[0]) / scale[:, None]
    bent = np.abs(X[size + 1 :] - X[0] - Z @ axes).max()
    return axes if bent <= LINEAR * max(float(np.abs(X).max()), 1e-12) else None
