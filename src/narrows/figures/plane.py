"""Samples in a grid whose rows and columns mean something: a plane of two codes, one code after the other."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from narrows.figures.palette import FAINT, INK, RULE
from narrows.figures.samples import cell_of, limits_of
from narrows.figures.style import Array, font_of

if TYPE_CHECKING:
    from PIL import Image

TICKS = 9
"""Labels along an axis at most."""


def plane(
    X: Array, x: Array, y: Array, *, labels: tuple[str, str] = ("code 1", "code 2"),
    limits: tuple[float, float] = (0.0, 1.0),
) -> Image.Image:  # fmt: skip
    """Return a grid of samples as one seamless picture with axes: x grows to the right, y upwards.

    Parameters
    ----------
    X
        (len(y), len(x), *shape); X[i, j] stands at y[i] and x[j].
    x, y
        Values along the axes, ascending.
    labels
        Names of the axes.
    limits
        Values shown as black and white.

    Examples
    --------
    >>> import numpy as np
    >>> plane(np.zeros((3, 2, 1, 8, 8)), np.arange(2), np.arange(3)).mode
    'RGB'
    """
    from PIL import Image, ImageDraw

    extent = max(len(x) * X.shape[-1], len(y) * X.shape[-2])
    cells = [[cell_of(sample, limits, extent) for sample in row] for row in X[::-1]]
    body = np.concatenate([np.concatenate(row, axis=1) for row in cells])
    height, width = cells[0][0].shape[:2]
    font, large = font_of(13), font_of(15)
    ticks = {"x": [_written(v, x) for v in x], "y": [_written(v, y) for v in y]}
    widest = max(math.ceil(font.getlength(text)) for text in ticks["y"])
    left, top = 12 + 22 + widest + 10, 14
    page = Image.new("RGB", (left + body.shape[1] + 20, top + body.shape[0] + 52), "white")
    page.paste(Image.fromarray(body), (left, top))
    pen = ImageDraw.Draw(page)
    bottom, right = top + body.shape[0], left + body.shape[1]
    step = max(math.ceil(len(x) / TICKS), math.ceil(max(map(font.getlength, ticks["x"])) * 1.3 / width))
    for j in range(0, len(x), step):
        middle = left + j * width + width // 2
        pen.line((middle, bottom + 2, middle, bottom + 6), fill=RULE)
        pen.text((middle, bottom + 9), ticks["x"][j], fill=FAINT, font=font, anchor="ma")
    step = max(math.ceil(len(y) / TICKS), math.ceil(18 / height))
    for i in range(0, len(y), step):
        middle = bottom - i * height - height // 2
        pen.line((left - 6, middle, left - 2, middle), fill=RULE)
        pen.text((left - 9, middle), ticks["y"][i], fill=FAINT, font=font, anchor="rm")
    pen.text(((left + right) / 2, bottom + 48), labels[0], fill=INK, font=large, anchor="md")
    page.paste(_upright(labels[1]), (12, top + (body.shape[0] - math.ceil(large.getlength(labels[1]))) // 2))
    return page


def rows(
    X: Array, names: Sequence[str], values: Sequence[str], *, limits: tuple[float, float] | None = None,
    note: str = "", apart: Collection[int] = (),
) -> Image.Image:  # fmt: skip
    """Return samples in rows, each with a name on its left, below a line of values.

    Parameters
    ----------
    X
        (rows, columns, *shape).
    names, values
        One per row, and one per column.
    limits
        Values shown as black and white; None: the range of X.
    note
        What the values are, on their left.
    apart
        Columns that stand a little apart from the one before.
    """
    from PIL import Image, ImageDraw

    limits = limits_of(X) if limits is None else limits
    tiles = [[cell_of(sample, limits, X.shape[1] * X.shape[-1]) for sample in row] for row in X]
    height, width = tiles[0][0].shape[:2]
    font, small, gap, margin = font_of(15), font_of(13), 2, 12
    left = margin + max(math.ceil(font.getlength(name)) for name in names) + 14
    step = max(1, math.ceil(max(map(small.getlength, values)) * 1.2 / (width + gap)))
    top = margin + 24
    lefts = [left + j * (width + gap) + 10 * sum(j >= a for a in apart) for j in range(X.shape[1])]
    page = Image.new("RGB", (lefts[-1] + width + margin, top + len(X) * (height + gap) - gap + margin), "white")
    pen = ImageDraw.Draw(page)
    pen.text((left - 14, top - 8), note, fill=FAINT, font=small, anchor="rs")
    for j in range(X.shape[1]):
        if (j - X.shape[1] // 2) % step == 0:
            pen.text((lefts[j] + width / 2, top - 8), values[j], fill=FAINT, font=small, anchor="ms")
    for i, (name, row) in enumerate(zip(names, tiles, strict=True)):
        y = top + i * (height + gap)
        pen.text((left - 14, y + height / 2), name, fill=INK, font=font, anchor="rm")
        for j, tile in enumerate(row):
            page.paste(Image.fromarray(tile), (lefts[j], y))
    return page


def _written(value: float, among: Array) -> str:
    """Return a value with the digits that distinguish it from its neighbours."""
    gap = float(np.min(np.diff(among))) if len(among) > 1 else 1.0
    digits = int(np.clip(math.ceil(-math.log10(max(abs(gap), 1e-6))), 0, 6))
    return f"{value:.{digits}f}".replace("-", "−")


def _upright(text: str) -> Image.Image:
    from PIL import Image, ImageDraw

    font = font_of(15)
    line = Image.new("RGB", (math.ceil(font.getlength(text)) + 2, 22), "white")
    ImageDraw.Draw(line).text((1, 18), text, fill=INK, font=font, anchor="ls")
    return line.rotate(90, expand=True)
