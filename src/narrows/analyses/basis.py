"""What single numbers of a code stand for: components, more and more of them, and features."""

from __future__ import annotations

import numpy as np
import torch

from narrows import figures
from narrows.analyses.analysis import Outcome, Step, Subject
from narrows.analyses.codes import CODES, codes_of, images_of, rows_of
from narrows.errors import ConfigError
from narrows.estimators.base import Array
from narrows.params import model, param
from narrows.training import Rows, subset

__all__ = ["Components", "Features", "Ranks"]

SEEN = 64
"""Samples over which the slope of a feature is averaged."""


@model
class Components(Step):
    """Draw what each number of the code adds to the mean sample: of PCA its axes, such as eigenfaces.

    Shown is the change from the decoded mean code when one number rises by one deviation of the codes, those that
    change most first; a decoder that is not linear changes elsewhere in its own way.
    """

    number: int = param(15, "At most so many of them.", low=1, high=400)
    columns: int | None = param(None, "How many side by side; about a square if left out.", low=1)

    def run(self, subject: Subject) -> Outcome:
        """Do it."""
        images_of(subject, "Components")
        estimator, (part, samples, _) = subject.model, subject.shown
        Z = codes_of(subject)
        centre, deviation = Z.mean(0), Z.std(0)
        X = estimator.inverse_transform(np.concatenate([centre[None], centre + np.diag(deviation)])).astype(np.float64)
        mean, change = X[0], X[1:] - X[0]
        power = np.square(change).reshape(len(change), -1).sum(1)
        order = np.argsort(-power, kind="stable")[: self.number]
        total, left = _explained(subject, samples[:CODES], centre, order)
        captions = [f"{i + 1}  {power[i] / total:.1%}" for i in order]
        picture = figures.signed(change[order], captions, first=mean, columns=self.columns)
        numbers = {f"explained variance of {len(order)} components, share": 1 - left / total}
        said = f"Of {part} samples; under each its number and its share of the variance."
        return Outcome(numbers, (subject.draw("components.png", picture),), said)


def _explained(subject: Subject, samples: Array, centre: Array, kept: Array) -> tuple[float, float]:
    """Return the variance of samples, summed over values, and what is left of it by the numbers kept of their codes."""
    X = subject.scaled(samples)
    Z = subject.model.transform(samples).astype(np.float64)
    short = np.tile(centre, (len(Z), 1))
    short[:, kept] = Z[:, kept]
    mean = X.mean(0, dtype=np.float64).astype(X.dtype)
    return subject.error(X, mean), subject.error(X, subject.model.inverse_transform(short))


@model
class Ranks(Step):
    """Rebuild samples from more and more numbers of an ordered code.

    Codes are ordered for PCA, and for other models with `ordered=True`. Numbers: squared errors, means over all
    samples looked at, summed over a sample's values; for pixels also per pixel, in steps of 1/255.
    """

    index: tuple[int, ...] = param((0,), "The samples in the picture, such as 7 or 0,3,5.", low=0)
    ranks: tuple[int, ...] | None = param(
        None, "How many numbers; 1, 2, 4, 8, 64, 256 and all of them, as far as there are so many, if left out.", low=1
    )

    def run(self, subject: Subject) -> Outcome:
        """Do it."""
        images_of(subject, "Ranks")
        estimator, (part, samples, _) = subject.model, subject.shown
        size = estimator.latent_dim_
        if not estimator.module_.ordered:
            name = type(estimator).__name__
            raise ConfigError(f"Ranks: codes must be ordered; got a run of {name} whose are not. Train with --ordered.")
        ranks = self.ranks or tuple(k for k in (1, 2, 4, 8, 64, 256) if k < size) + (() if size > 256 else (size,))
        if max(ranks) > size:
            raise ConfigError(f"Ranks: ranks must be at most latent_dim = {size}; got {max(ranks)}.")
        chosen = rows_of(subject, self.index, "Ranks")
        versions = [subject.scaled(chosen), *(estimator.reconstruct(chosen, k) for k in ranks)]
        names = [f"sample {i}" for i in self.index]
        heads = ["original", *(f"{k:,}" for k in ranks)]
        picture = figures.rows(np.stack(versions, 1), names, heads, limits=(0.0, 1.0) if estimator.pixels_ else None)
        errors = dict(zip(ranks, _errors(subject, samples, ranks), strict=True))
        numbers = {f"squared error from {k}": errors[k] for k in ranks}
        if estimator.pixels_:
            scale = 255**2 / estimator.n_features_in_
            numbers |= {f"squared error from {k}, per pixel of 0 to 255": errors[k] * scale for k in ranks}
        said = f"Means over {len(samples):,} {part} samples."
        return Outcome(numbers, (subject.draw("ranks.png", picture),), said)


def _errors(subject: Subject, samples: Array, ranks: tuple[int, ...]) -> Array:
    """Return the squared error per sample from so many numbers of the code: (len(ranks),)."""
    estimator, total = subject.model, np.zeros(len(ranks))
    size = max(1, 2**21 // estimator.n_features_in_)
    for start in range(0, len(samples), size):
        X = samples[start : start + size]
        total += [subject.error(X, X_hat) * len(X) for X_hat in estimator.reconstruct(X, ranks)]
    return total / len(samples)


@model
class Features(Step):
    """Draw what the most used units of the code look for in an image.

    Units by mean activity, the mean of their absolute value. Shown is the slope of a unit by the input, mean over
    samples: of a code that is one layer these are its weights, up to a factor; 0 is grey.
    """

    number: int = param(100, "At most so many of them.", low=1, high=400)
    columns: int | None = param(None, "How many side by side; about a square if left out.", low=1)

    def run(self, subject: Subject) -> Outcome:
        """Do it."""
        images_of(subject, "Features")
        estimator, (part, samples, _) = subject.model, subject.shown
        activity = np.abs(estimator.transform(samples[:CODES])).mean(0, dtype=np.float64)
        order = np.argsort(-activity, kind="stable")[: self.number]
        slopes = _slopes(subject, samples[subset(len(samples), SEEN, 0)], order)
        picture = figures.signed(slopes, [""] * len(order), columns=self.columns)
        numbers = {
            "mean activity": float(activity.mean()),
            "mean activity of the most used": float(activity[order[0]]),
            "mean activity of the last shown": float(activity[order[-1]]),
        }
        said = f"The {len(order)} most used of {len(activity):,} units, by {min(len(samples), CODES):,} {part} samples."
        return Outcome(numbers, (subject.draw("features.png", picture),), said)


def _slopes(subject: Subject, X: Array, units: Array) -> Array:
    """Return the slope of units by the input, mean over samples: (len(units), *shape)."""
    module = subject.model.module_.eval()
    (x,) = Rows(X, module.device, module.dtype).chunks(len(X))
    x = x.clone().requires_grad_()
    found = []
    with torch.enable_grad():
        activity = module.encode(x).mean(0)
        for unit in units:
            (slope,) = torch.autograd.grad(activity[int(unit)], x, retain_graph=True)
            found.append(slope.sum(0).double().numpy())
    return np.stack(found)
