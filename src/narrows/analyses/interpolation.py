"""Interpolation between the codes of samples."""

from __future__ import annotations

import math

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject
from narrows.analyses.latents import decode, display_limits, distribution_of
from narrows.data.arrays import Array
from narrows.errors import ConfigError
from narrows.estimators.inference import codes
from narrows.params import model, param

WAYS = ("linear", "spherical")


@model
class Interpolate(Analysis):
    """Interpolate between two samples in small steps of the code, straight and around the centre.

    Linear paths pass near the centre, where a normal prior in many dimensions has hardly any samples; spherical ones
    (White 2016) keep their distance from the centre: the prior's median, or the mean of the codes. With several samples
    on both sides the first is paired with the first, the second with the second, and so on.
    """

    positional = ("a", "b")

    a: tuple[int, ...] = param((0,), "Where to start: a sample, or several such as 3,8.", low=0)
    b: tuple[int, ...] = param((1,), "Where to end: as many.", low=0)
    steps: int = param(9, "Pictures of a path, both ends' reconstructions included.", low=2, high=100)

    def run(self, subject: Subject) -> Result:
        """Run the analysis."""
        subject.check_images("Interpolate")
        subject.check_continuous("Interpolate")
        if len(self.a) != len(self.b):
            raise ConfigError(f"Interpolate: A and B must be as many samples; got {len(self.a)} and {len(self.b)}.")
        ends = [subject.rows(index, "Interpolate", name) for index, name in ((self.a, "A"), (self.b, "B"))]
        x_a, x_b = (subject.values(rows) for rows in ends)
        z_a, z_b = (codes(subject.model, rows) for rows in ends)
        centre = distribution_of(subject).centre
        t = np.linspace(0, 1, self.steps)
        rows, names, measures = [], [], []
        for i, j, first, last, a, b in zip(self.a, self.b, x_a, x_b, z_a, z_b, strict=True):
            ways = WAYS if len(centre) > 1 else WAYS[:1]  # in one dimension there is no way around
            paths = {way: path(a, b, centre, t, way) for way in ways}
            for kind, Z in paths.items():
                rows.append(np.concatenate([first[None], decode(subject.model, Z), last[None]]))
                names.append(f"{i} to {j}, {kind}" if len(self.a) > 1 or kind == "linear" else kind)
            lengths = {f"middle to centre, {kind}": _length(_middle(Z) - centre) for kind, Z in paths.items()}
            angle = {"angle between the codes, degrees": _angle(a - centre, b - centre)}
            measures.append({**angle, "distance of the codes": _length(b - a), **lengths})
        heads = ["A", *(f"{v:.2g}" for v in t), "B"]
        picture = figures.rows(np.stack(rows), names, heads, limits=display_limits(subject), apart=(1, self.steps + 1))
        numbers = {name: float(np.mean([measure[name] for measure in measures])) for name in measures[0]}
        pairs = f"{len(self.a)} pair{'s' if len(self.a) > 1 else ''}"
        note = f"Means over {pairs} of {subject.shown.name} samples; distances in units of the code."
        return Result(numbers, (subject.draw("interpolated.png", picture),), note)


def path(a: Array, b: Array, centre: Array, t: Array, way: str) -> Array:
    """Return the codes at shares t (T,) of the way from a to b, "linear" or "spherical" around a centre: (T, k).

    Codes of one dimension have no way around.
    """
    if way == "linear" or len(a) == 1:
        return a + t[:, None] * (b - a)
    return centre + slerp(a - centre, b - centre, t)


def slerp(a: Array, b: Array, t: Array) -> Array:
    """Return points on the path from a to b around the origin, at shares t (T,) of it: (T, latent_dim).

    The direction turns evenly, as in spherical linear interpolation (Shoemake 1985); the length changes evenly from
    that of a to that of b, so that it is constant where both have the same. Where one of them is the origin the path is
    straight.
    """
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    t = t[:, None]
    if min(lengths) == 0:
        turned = a + t * (b - a)
    else:
        angle = _angle(a, b) / 180 * math.pi
        first = a / lengths[0]
        across = b / lengths[1] - math.cos(angle) * first
        if np.linalg.norm(across) < 1e-9:  # opposite, or the same direction: any way around is as good
            across = np.eye(len(a))[np.abs(first).argmin()]
        across = across - (across @ first) * first
        across /= np.linalg.norm(across)
        turned = (np.cos(t * angle) * first + np.sin(t * angle) * across) * ((1 - t) * lengths[0] + t * lengths[1])
    return np.where(t == 0, a, np.where(t == 1, b, turned))


def _angle(a: Array, b: Array) -> float:
    """Return the angle between two vectors in degrees; exact for small ones, unlike an arc cosine."""
    u, v = a * np.linalg.norm(b), b * np.linalg.norm(a)
    return math.degrees(2 * math.atan2(float(np.linalg.norm(u - v)), float(np.linalg.norm(u + v))))


def _middle(Z: Array) -> Array:
    return (Z[(len(Z) - 1) // 2] + Z[len(Z) // 2]) / 2


def _length(vector: Array) -> float:
    return float(np.linalg.norm(vector))
