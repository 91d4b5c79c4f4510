"""Samples laid out in the plane: points coloured by label, and thumbnails of images that do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from narrows.figures.charts import scattered
from narrows.figures.samples import colours_of, is_image, limits_of, resized, scaled
from narrows.figures.style import Array, page_of, rendered

if TYPE_CHECKING:
    from PIL import Image

WIDTH, HEIGHT = 9.6, 8.0
"""Inches."""
THUMB = 40
"""Pixels of a thumbnail's longer side, approximately: by a whole factor, so 27 to 59."""
FRAME, GAP, DOT = 2, 4, 8
"""Pixels of a thumbnail's border, between two thumbnails, and across a dot."""
DARK = 0.05
"""Images whose middle value is at most this, on a scale from 0 to 1, are light on a dark ground."""


def thumbnail_map(
    points: Array,
    samples: Array,
    labels: Array | None = None,
    label_names: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> Image.Image:
    """Return samples where a map of their codes puts them: coloured by label, with thumbnails where they are images.

    Thumbnails are taken in a drawn order, each where none that was taken before is in its way; all other samples are
    dots. Grey images on a dark ground are drawn as ink in the colour of their label, others as they are, in a frame
    of that colour.

    Parameters
    ----------
    points
        (N, 2); the axes of such maps mean nothing, and are left out.
    samples
        (N, *shape), in the same order.
    labels
        (N,), integers (classes) or real numbers, or None.
    label_names
        Name of class i at position i.
    seed
        Of the order of thumbnails and points.
    """
    from PIL import Image

    order = np.random.default_rng(seed).permutation(len(points))
    points, samples, labels = points[order], samples[order], None if labels is None else labels[order]
    figure, axes = page_of(WIDTH, HEIGHT)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_axis_off()
    dots = scattered(figure, axes, points, labels, label_names)
    page = rendered(figure)
    if not is_image(samples.shape[1:]):
        return page
    tiles = _tiles(scaled(samples), np.asarray(dots.get_facecolor())[:, :3])
    size = np.array(tiles[0].shape[1::-1])
    centres = axes.transData.transform(points)  # pixels from the bottom left; known once the page is drawn
    centres[:, 1] = page.height - centres[:, 1]
    chosen = apart(centres, size + GAP)
    dots.set_sizes(np.where(_covered(centres, centres[chosen], size + DOT), 0.0, dots.get_sizes()[0]))
    page = rendered(figure)
    for i in chosen:
        left, top = np.round(centres[i] - size / 2).astype(int)
        page.paste(Image.fromarray(tiles[i]), (int(left), int(top)))
    return page


def _covered(centres: Array, boxes: Array, size: Array) -> NDArray[np.bool_]:
    """Return which points lie within a box of a size about any of the others: (N, 2), (M, 2) -> (N,)."""
    taken = np.zeros(len(centres), bool)
    for box in boxes:
        taken |= (2 * np.abs(centres - box) < size).all(1)
    return taken


def apart(centres: Array, size: Sequence[float] | Array) -> NDArray[np.intp]:
    """Return the positions of boxes that do not overlap: each, in the order given, unless one before is in its way.

    Parameters
    ----------
    centres
        (N, 2): across and down.
    size
        Width and height of all boxes; those whose centres are as far apart touch, and do not overlap.
    """
    taken: dict[tuple[int, int], tuple[float, float]] = {}  # a cell of a box's size holds at most one centre
    chosen = []
    for i, (x, y) in enumerate(np.asarray(centres, np.float64).tolist()):
        column, row = int(x // size[0]), int(y // size[1])
        near = (taken.get((column + a, row + b)) for a in (-1, 0, 1) for b in (-1, 0, 1))
        if all(other is None or abs(other[0] - x) >= size[0] or abs(other[1] - y) >= size[1] for other in near):
            taken[column, row] = (x, y)
            chosen.append(i)
    return np.array(chosen, np.intp)


def _tiles(X: Array, colours: Array) -> list[NDArray[np.uint8]]:
    """Return samples as pixels in the colour of their label: ink where they are light on dark, else in a frame."""
    low, high = limits_of(X)
    grey = X.ndim == 3 or X.shape[1] not in (3, 4)
    inked = grey and float(np.nanmedian(X)) <= low + DARK * (high - low)
    longest = max(X.shape[-2:])
    scale = round(THUMB / longest) or -round(longest / THUMB)
    tiles = []
    for x, colour in zip(X, colours, strict=True):
        pixels = colours_of(x, (low, high))
        tile = resized(1 - pixels * (1 - colour) if inked else pixels, scale)
        if not inked:
            framed = np.empty((tile.shape[0] + 2 * FRAME, tile.shape[1] + 2 * FRAME, 3), np.uint8)
            framed[:] = np.round(255 * colour)
            framed[FRAME:-FRAME, FRAME:-FRAME] = tile
            tile = framed
        tiles.append(tile)
    return tiles
