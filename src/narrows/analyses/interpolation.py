"""New samples from old ones: paths between their codes, and sums of them."""

from __future__ import annotations

import math

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Outcome, Step, Subject
from narrows.analyses.codes import codes_of, images_of, rows_of, shown_limits, spread_of
from narrows.analyses.expression import Term, parsed
from narrows.analyses.gallery import class_of
from narrows.errors import ConfigError
from narrows.estimators.base import Array
from narrows.params import model, param

__all__ = ["Combine", "Interpolate", "slerp"]


@model
class Interpolate(Step):
    """Go from one sample to another in small steps of the code, straight and around the centre.

    Linear steps pass near the middle, where a normal prior in many dimensions has hardly any samples; spherical ones
    (White 2016) keep their distance from the centre: the prior's mean, or that of the codes. With
    several samples on both sides it goes from the first to the first, from the second to the second, and so on.
    """

    positional = ("a", "b")

    a: tuple[int, ...] = param((0,), "Where to start: a sample, or several such as 3,8.", low=0)
    b: tuple[int, ...] = param((1,), "Where to end: as many.", low=0)
    steps: int = param(9, "Pictures from one to the other, both ends' reconstructions included.", low=2, high=100)

    def run(self, subject: Subject) -> Outcome:
        """Do it."""
        images_of(subject, "Interpolate")
        estimator = subject.model
        if len(self.a) != len(self.b):
            raise ConfigError(f"Interpolate: A and B must be as many samples; got {len(self.a)} and {len(self.b)}.")
        X = [
            subject.scaled(rows_of(subject, index, "Interpolate", name))
            for index, name in ((self.a, "A"), (self.b, "B"))
        ]
        ends = [
            estimator.transform(rows_of(subject, index, "Interpolate")).astype(np.float64) for index in (self.a, self.b)
        ]
        centre = spread_of(subject).centre
        t = np.linspace(0, 1, self.steps)
        rows, names, found = [], [], []
        for first, last, i, j, a, b in zip(*X, self.a, self.b, *(ends), strict=True):
            ways = {"linear": a + t[:, None] * (b - a)}
            if len(centre) > 1:  # on a line there is no way around
                ways["spherical"] = centre + slerp(a - centre, b - centre, t)
            for way, Z in ways.items():
                rows.append(np.concatenate([first[None], estimator.inverse_transform(Z), last[None]]))
                names.append(f"{i} to {j}, {way}" if len(self.a) > 1 or way == "linear" else way)
            found.append([_angle(a - centre, b - centre), float(np.linalg.norm(b - a)),
                          *(float(np.linalg.norm(_middle(Z) - centre)) for Z in ways.values())])  # fmt: skip
        heads = ["A", *(f"{v:.2g}" for v in t), "B"]
        picture = figures.rows(np.stack(rows), names, heads, limits=shown_limits(subject), apart=(1, self.steps + 1))
        labels = ["angle between the codes, degrees", "distance of the codes", "middle to centre, linear"]
        labels += ["middle to centre, spherical"] * (len(centre) > 1)
        numbers = dict(zip(labels, np.mean(found, 0).tolist(), strict=True))
        pairs = f"{len(self.a)} pair{'s' if len(self.a) > 1 else ''}"
        said = f"Means over {pairs} of {subject.shown[0]} samples; distances in units of the code."
        return Outcome(numbers, (subject.draw("interpolated.png", picture),), said)


def slerp(a: Array, b: Array, t: Array) -> Array:
    """Return points on the way from a to b around the origin, at shares t (T,) of the way: (T, latent_dim).

    The direction turns evenly, as in spherical linear interpolation (Shoemake 1985); the length goes evenly from that
    of a to that of b, so that it stays where both have the same. Where one of them is the origin the way is straight.
    """
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    t = t[:, None]
    if min(lengths) == 0:
        path = a + t * (b - a)
    else:
        angle = _angle(a, b) / 180 * math.pi
        first = a / lengths[0]
        across = b / lengths[1] - math.cos(angle) * first
        if np.linalg.norm(across) < 1e-9:  # opposite, or the same way: any way around is as good
            across = np.eye(len(a))[np.abs(first).argmin()]
        across = across - (across @ first) * first
        across /= np.linalg.norm(across)
        path = (np.cos(t * angle) * first + np.sin(t * angle) * across) * ((1 - t) * lengths[0] + t * lengths[1])
    return np.where(t == 0, a, np.where(t == 1, b, path))


def _angle(a: Array, b: Array) -> float:
    """Return the angle between two vectors in degrees; exact for small ones, unlike an arc cosine."""
    u, v = a * np.linalg.norm(b), b * np.linalg.norm(a)
    return math.degrees(2 * math.atan2(float(np.linalg.norm(u - v)), float(np.linalg.norm(u + v))))


def _middle(path: Array) -> Array:
    return (path[(len(path) - 1) // 2] + path[len(path) // 2]) / 2


@model
class Combine(Step):
    """Add and subtract the codes of samples, and draw what comes out.

    Numbers are indices of samples; a weight stands before * as in 0.5*3; mean(1,2,5) is the mean code of samples,
    class:NAME or digit:3 that of a class. Values stay in the range of the data.
    """

    positional = ("expression",)

    expression: str = param("0 - 1 + 2", "Such as '3 - 7 + 12', 'digit:7 - digit:1 + 4' or '0.5*3 + 0.5*8'.")

    def run(self, subject: Subject) -> Outcome:
        """Do it."""
        terms = parsed(self.expression)
        images_of(subject, "Combine")
        estimator = subject.model
        limits = shown_limits(subject)
        codes = [self._code(subject, term) for term in terms]
        z = np.zeros(estimator.latent_dim_)
        for term, code in zip(terms, codes, strict=True):
            z = z + term.weight * code
        raw = estimator.inverse_transform(z[None])[0]
        result = np.clip(raw, *limits)
        drawn = []
        for i, (term, code) in enumerate(zip(terms, codes, strict=True)):
            single = term.label is None and len(term.index) == 1
            x = (
                subject.scaled(rows_of(subject, term.index, "Combine"))[0]
                if single
                else estimator.inverse_transform(code[None])[0]
            )
            sign = "−" if term.weight < 0 else "+" if i else ""
            weight = "" if abs(term.weight) == 1 else f"{abs(term.weight):g} · "
            drawn.append((sign, x, weight + term.name))
        picture = figures.total(drawn, (result, "decoded"), limits)
        Z = estimator.transform(subject.samples).astype(np.float64)
        distances = np.linalg.norm(Z - z, axis=1)
        numbers = {
            "length of the code from the centre": float(np.linalg.norm(z - spread_of(subject).centre)),
            "distance of the nearest code": float(distances.min()),
            "values clipped, share": float(np.mean(raw != result)),
        }
        typical = float(np.linalg.norm(codes_of(subject) - spread_of(subject).centre, axis=1).mean())
        said = (
            f"Codes of training samples are {typical:.3g} from the centre on average; the nearest {subject.shown[0]} "
        )
        said += f"sample is {distances.argmin()}."
        return Outcome(numbers, (subject.draw("combined.png", picture),), said)

    def _code(self, subject: Subject, term: Term) -> Array:
        """Return the code that a term stands for, without its weight: (latent_dim,)."""
        part, X, labels = subject.shown
        where = f"Combine: {self.expression!r}, character {term.position + 1}"
        if term.label is not None:
            code, _ = class_of(subject.dataset, labels, term.label, f"{where}: class")
            assert labels is not None  # class_of has found one
            X = X[labels == code]
        else:
            if max(term.index) >= len(X):
                raise ConfigError(
                    f"{where}: index must be below {len(X)}, the number of {part} samples; got {max(term.index)}."
                )
            X = X[list(term.index)]
        return subject.model.transform(X).astype(np.float64).mean(0)
