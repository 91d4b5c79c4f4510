"""Samples with a caption under each: grids, sums, and one row per epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from narrows.figures.palette import FAINT, INK
from narrows.figures.samples import LONGEST, cell_of, tile_of
from narrows.figures.style import Array, font_of

if TYPE_CHECKING:
    from PIL import Image

MARGIN, GAP = 12, 6


def signed(X: Array, captions: Sequence[str], *, first: Array | None = None, columns: int | None = None) -> Image.Image:
    """Return samples that stand for directions in a grid, each on its own scale: 0 is grey, more is lighter.

    Parameters
    ----------
    X
        (N, *shape).
    captions
        Under each; empty ones take no room.
    first
        A sample (*shape) that is no direction, such as the mean, to stand before them on its own scale.
    columns
        How many side by side; about a square if left out.
    """
    n = len(X) + (first is not None)
    square = max(1, math.ceil(math.sqrt(n * X.shape[-2] / X.shape[-1])))
    columns = columns or min(range(square, 2 * square), key=lambda c: (-n % c, c))  # the fewest places left empty
    largest = float(np.abs(X).max())
    wide = columns * X.shape[-1]
    tiles = [] if first is None else [cell_of(first, (float(first.min()), float(first.max()) + 1e-12), wide)]
    for x in X:
        reach = float(np.abs(x).max())
        reach = reach if reach > largest * 1e-6 else 1.0  # one that does nothing is plain grey, not noise enlarged
        tiles.append(cell_of(x, (-reach, reach), wide))
    return _grid(tiles, ["mean", *captions] if first is not None else captions, columns)


def _grid(tiles: Sequence[NDArray[np.uint8]], captions: Sequence[str], columns: int) -> Image.Image:
    from PIL import Image, ImageDraw

    font = font_of(11)
    height, width = tiles[0].shape[:2]
    room = 16 if any(captions) else 0
    gap = GAP if room else 2
    width_of = max(width, *(math.ceil(font.getlength(text)) for text in captions), 1)
    rows = math.ceil(len(tiles) / columns)
    size = (2 * MARGIN + columns * (width_of + gap) - gap, 2 * MARGIN + rows * (height + room + gap) - gap)
    page = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(page)
    for i, tile in enumerate(tiles):
        left = MARGIN + (i % columns) * (width_of + gap) + (width_of - width) // 2
        top = MARGIN + (i // columns) * (height + room + gap)
        page.paste(Image.fromarray(tile), (left, top))
        if i < len(captions):
            pen.text((left + width / 2, top + height + 13), captions[i], fill=FAINT, font=font, anchor="ms")
    return page


def total(
    terms: Sequence[tuple[str, Array, str]], result: tuple[Array, str], limits: tuple[float, float]
) -> Image.Image:
    """Return a sum as a row of samples: every term's sign, sample and caption; then = and the result's."""
    from PIL import Image, ImageDraw

    parts = [*terms, ("=", *result)]
    tiles = [tile_of(x, limits) for _, x, _ in parts]
    height, width = tiles[0].shape[:2]
    large, font = font_of(28), font_of(13)
    signs = [sign for sign, _, _ in parts]
    before = [math.ceil(large.getlength(sign)) + 20 if sign else 0 for sign in signs]
    wide = [max(width, math.ceil(font.getlength(caption)) + 6) for _, _, caption in parts]
    page = Image.new("RGB", (2 * MARGIN + sum(before) + sum(wide), 2 * MARGIN + height + 22), "white")
    pen = ImageDraw.Draw(page)
    left = MARGIN
    for (sign, _, caption), tile, space, room in zip(parts, tiles, before, wide, strict=True):
        pen.text((left + space / 2, MARGIN + height / 2), sign, fill=INK, font=large, anchor="mm")
        left += space
        page.paste(Image.fromarray(tile), (left + (room - width) // 2, MARGIN))
        pen.text((left + room / 2, MARGIN + height + 17), caption, fill=FAINT, font=font, anchor="ms")
        left += room
    return page


def sheet(pictures: Mapping[str, Image.Image]) -> Image.Image:
    """Return pictures of any kind side by side, two or three in a row, each below its caption."""
    from PIL import Image, ImageDraw

    columns = min(2 if len(pictures) < 5 else 3, len(pictures))
    across = min(LONGEST // columns, max(p.width for p in pictures.values()))
    small = {
        caption: p.resize((across, max(1, round(p.height * across / p.width))), Image.Resampling.LANCZOS)
        for caption, p in pictures.items()
    }
    height = max(p.height for p in small.values()) + 30
    page = Image.new("RGB", (columns * across, math.ceil(len(small) / columns) * height), "white")
    pen = ImageDraw.Draw(page)
    for i, (caption, picture) in enumerate(small.items()):
        left, top = i % columns * across, i // columns * height
        pen.text((left + MARGIN, top + 22), caption, fill=INK, font=font_of(15), anchor="ls")
        page.paste(picture, (left, top + 30))
    return page
