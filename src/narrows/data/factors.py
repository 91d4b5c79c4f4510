"""Images rendered from known factors, every combination once, so that disentanglement can be measured offline."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np

from narrows.data.arrays import Array
from narrows.data.dataset import Dataset, as_read
from narrows.data.options import whole_number
from narrows.errors import ConfigError, did_you_mean


class FactorGrid(NamedTuple):
    """White shapes on black: the product of shape x scale x rotation x horizontal x vertical position."""

    images: Array
    """(N, 1, S, S) uint8; row i belongs to factors[i], the last factor varies fastest."""
    factors: Array
    """(N, 5) whole numbers, from 0."""
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    """Values of each factor; their product is N."""
    categorical: tuple[int, ...]
    """Which factors have no order: the shape."""


NAMES = ("shape", "scale", "rotation", "x", "y")
FINE = 4
"""Points per pixel and direction that are looked at; their share within the shape is the pixel's grey level."""

REACH = 1.15
"""Of the farthest point of any shape, the heart's tip, in radii."""


def _window(centre: float, radius: float, size: int) -> tuple[int, int]:
    first, last = (centre - REACH * radius) * size, (centre + REACH * radius) * size
    return max(0, math.floor(first)), min(size, math.ceil(last))


def _square(u: Array, v: Array) -> Array:
    return np.maximum(np.abs(u), np.abs(v)) <= math.sqrt(0.5)


def _ellipse(u: Array, v: Array) -> Array:
    return u**2 + (v / 0.5) ** 2 <= 1


def _heart(u: Array, v: Array) -> Array:
    x, y = u * 1.25, 0.15 - v * 1.25
    return (x**2 + y**2 - 1) ** 3 - x**2 * y**3 <= 0


SHAPES = (_square, _ellipse, _heart)


def factor_grid(
    size: int = 32, *, scales: int = 4, rotations: int = 10, positions: int = 8, shapes: int = 3
) -> FactorGrid:
    """Return the rendered factor set, an exact grid in the manner of dSprites: by default 7,680 images of 32 x 32.

    A square, an ellipse and a heart; the radius goes from 1/8 to 1/4 of the side, the rotation from 0 to less than 90
    degrees, so that no two angles show the same square, and the centre over the middle part of the image, so that every
    shape lies within it at every place. Edges are smooth: a pixel's grey level is the share of it that is covered.

    Parameters
    ----------
    size
        Side of the images in pixels, at least 8.
    scales, rotations, positions, shapes
        Values of each factor; `positions` in each direction, `shapes` at most 3.

    Raises
    ------
    ConfigError
        A number is out of bounds.

    References
    ----------
    github.com/deepmind/dsprites-dataset (the idea; no image of it is used)

    Examples
    --------
    >>> grid = factor_grid(16, scales=2, rotations=2, positions=3)
    >>> grid.images.shape, grid.sizes
    ((108, 1, 16, 16), (3, 2, 2, 3, 3))
    """
    check = partial(whole_number, owner="factor_grid")
    size, shapes = check("size", size, 8), check("shapes", shapes, 1, len(SHAPES))
    scales, rotations = check("scales", scales, 1), check("rotations", rotations, 1)
    positions = check("positions", positions, 1)
    sizes = (shapes, scales, rotations, positions, positions)
    images = np.zeros((*sizes, size, size), np.uint8)
    points = (np.arange(size * FINE) + 0.5) / (size * FINE)
    radii = np.linspace(1 / 8, 1 / 4, scales) if scales > 1 else np.array([3 / 16])
    reach = radii.max() * REACH
    centres = np.linspace(reach, 1 - reach, positions) if positions > 1 else np.array([0.5])
    for s, within in enumerate(SHAPES[:shapes]):
        for r, radius in enumerate(radii):
            for a, angle in enumerate(np.arange(rotations) * (math.pi / 2 / rotations)):
                cosine, sine = math.cos(angle) / radius, math.sin(angle) / radius
                for i, x in enumerate(centres):
                    for j, y in enumerate(centres):
                        # Only the pixels that the shape can reach are looked at.
                        (left, right), (top, bottom) = _window(x, radius, size), _window(y, radius, size)
                        dx = points[None, left * FINE : right * FINE] - x
                        dy = points[top * FINE : bottom * FINE, None] - y
                        covered = within(cosine * dx + sine * dy, cosine * dy - sine * dx)
                        share = covered.reshape(bottom - top, FINE, right - left, FINE).mean((1, 3))
                        images[s, r, a, i, j, top:bottom, left:right] = np.round(share * 255)
    factors = np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), -1).reshape(-1, len(sizes))
    return FactorGrid(images.reshape(-1, 1, size, size), factors, NAMES, sizes, (0,))


def shapes(*, label: str = "shape", size: int = 32) -> Dataset:
    """Render shapes from known factors, every combination once: 7,680 images (N, 1, size, size) uint8.

    Parameters
    ----------
    label
        Which factor the labels are: "shape", "scale", "rotation", "x" or "y"; or "row", the position i in
        `narrows.evaluation.factor_grid(size)`, so that `factor_grid(size).factors[labels]` has them all.
    size
        Side of the images in pixels.
    """
    known = (*NAMES, "row")
    if label not in known:
        names = ", ".join(map(repr, known))
        raise ConfigError(f"load_dataset: label must be one of {names}; got {label!r}.{did_you_mean(label, known)}")
    grid = factor_grid(size)
    labels = np.arange(len(grid.images)) if label == "row" else grid.factors[:, NAMES.index(label)]
    return as_read(
        grid.images,
        train_labels=labels.astype(np.int64),
        label_names=("square", "ellipse", "heart") if label == "shape" else None,
        source="rendered: shape x scale x rotation x position, an exact grid in the manner of dSprites",
        licence="none needed",
    )
