"""Samples as pixels: several versions of the same ones under each other, and galleries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from narrows.figures.palette import FAINT, INK
from narrows.figures.points import cloud_of, points_3d, points_of, profiles_of, waves_of
from narrows.figures.style import Array, font_of, rendered, stacked

if TYPE_CHECKING:
    from PIL import Image

TILE = 96
"""About how many pixels the longer side of a small sample gets."""
LARGEST = 256
LONGEST = 1200
"""About how many pixels a grid is wide or high."""


def room(shape: tuple[int, ...]) -> int:
    """Return how many samples of a shape one picture has room for."""
    if is_image(shape):
        return 10
    return 200 if len(shape) == 1 and shape[0] <= 3 else 8


def compare(rows: Mapping[str, Array], samples: Array | None = None) -> Image.Image:
    """Return the same samples in several versions, such as originals above their reconstructions.

    Parameters
    ----------
    rows
        Label -> (N, *shape), all of one shape; the first is what the others are held against and sets the range of
        values shown. uint8 counts as pixels.
    samples
        New samples to show below, (M, *shape), or None.

    Examples
    --------
    >>> import numpy as np
    >>> compare({"original": np.zeros((3, 1, 8, 8)), "reconstruction": np.ones((3, 1, 8, 8))}).mode
    'RGB'
    """
    versions = {label: scaled(X) for label, X in rows.items()}
    shape = next(iter(versions.values())).shape[1:]
    if is_image(shape):
        limits = limits_of(next(iter(versions.values())))
        new = [] if samples is None else [("samples", scaled(samples))]
        return tiled([*versions.items(), *new], limits)
    draw = {1: points_of, 2: points_of, 3: points_3d}.get(shape[0], profiles_of) if len(shape) == 1 else waves_of
    picture = rendered(draw(versions))
    if samples is None:
        return picture
    # Drawn beside the originals, without which one could not see whether they are good.
    return stacked(picture, rendered(cloud_of(next(iter(versions.items())), scaled(samples), draw)))


def gallery(X: Array, *, columns: int | None = None, label: str = "samples") -> Image.Image:
    """Return samples alone, images row by row: (N, *shape)."""
    X = scaled(X)
    if not is_image(X.shape[1:]):
        return compare({label: X})
    n = len(X)
    columns = columns or min(n, max(1, math.ceil(math.sqrt(n * X.shape[-2] / X.shape[-1]))))
    rows = [X[start : start + columns] for start in range(0, n, columns)]
    return tiled([("", row) for row in rows], limits_of(X))


def scaled(X: Array | list[Array]) -> Array:
    """Return samples as float32, pixels in [0, 1]; sequences of different lengths end in NaN, which is not drawn."""
    if isinstance(X, list) or X.dtype == object:
        padded = np.full((len(X), max(map(len, X)), X[0].shape[1]), np.nan, np.float32)
        for row, sequence in zip(padded, X, strict=True):
            row[: len(sequence)] = sequence
        return padded
    X = np.asarray(X)
    if X.ndim == 4 and X.shape[3] in (1, 3, 4) and X.shape[1] not in (1, 3, 4) and X.shape[3] < min(X.shape[1:3]):
        X = X.transpose(0, 3, 1, 2)  # channels last
    return X / np.float32(255) if X.dtype == np.uint8 else X.astype(np.float32)


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether samples are shown as pixels: images, and sequences too wide for one line per channel."""
    return len(shape) == 3 or (len(shape) == 2 and shape[1] > 6)


def limits_of(X: Array) -> tuple[float, float]:
    """Return the values shown as black and white: 0 and 1, or the range where the data leave that."""
    low, high = float(np.nanmin(X)), float(np.nanmax(X))
    if low >= 0 and high <= 1 and high > 0.1:
        return 0.0, 1.0
    return low, high if high > low else low + 1


def tiled(rows: Sequence[tuple[str, Array]], limits: tuple[float, float]) -> Image.Image:
    """Put rows of images under each other, each with its label on the left."""
    from PIL import Image, ImageDraw

    tiles = [[tile_of(x, limits) for x in X] for _, X in rows]
    height, width = tiles[0][0].shape[:2]
    labels = [label for label, _ in rows]
    left, margin, _, gap = edges_of(rows[0][1].shape[1:], labels)
    font = font_of(15)
    columns = max(map(len, tiles))
    size = (left + columns * (width + gap) - gap + margin, 2 * margin + len(rows) * (height + gap) - gap)
    page = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(page)
    for i, (label, row) in enumerate(zip(labels, tiles, strict=True)):
        top = margin + i * (height + gap)
        pen.text((left - 14, top + height / 2), label, fill=FAINT if i else INK, font=font, anchor="rm")
        for j, tile in enumerate(row):
            page.paste(Image.fromarray(tile), (left + j * (width + gap), top))
    return page


def edges_of(shape: tuple[int, ...], labels: Sequence[str]) -> tuple[int, int, int, int]:
    """Return where `tiled` puts things: the first tile's left edge, the margin, a tile's height, and the gap."""
    height, width = tile_of(np.zeros(shape), (0.0, 1.0)).shape[:2]
    margin, font = 12, font_of(15)
    left = margin + (max(math.ceil(font.getlength(label)) for label in labels) + 14 if any(labels) else 0)
    return left, margin, height, 2 if max(height, width) < 2 * TILE else 4


def tile_of(x: Array, limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Return one sample as pixels: (C, H, W) or (H, W) -> (H', W', 3) uint8."""
    pixels = colours_of(x, limits)
    longest = max(pixels.shape[:2])
    return resized(pixels, -math.ceil(longest / LARGEST) if longest > LARGEST else max(1, round(TILE / longest)))


def cell_of(x: Array, limits: tuple[float, float], extent: int) -> NDArray[np.uint8]:
    """Return a sample as pixels, so large that a picture that would be `extent` pixels wide or high is no larger."""
    pixels = colours_of(x, limits)
    most = max(1, round(TILE / max(pixels.shape[:2])))
    return resized(pixels, -math.ceil(extent / LONGEST) if extent > LONGEST else min(most, LONGEST // extent))


def colours_of(x: Array, limits: tuple[float, float]) -> NDArray[np.float64]:
    """Return one sample as red, green and blue in [0, 1]: (C, H, W) or (H, W) -> (H, W, 3)."""
    x = x[None] if x.ndim == 2 else x
    low, high = limits
    grey = np.clip((np.nan_to_num(x, nan=low) - low) / (high - low), 0, 1)
    colour = grey[:3] if len(grey) >= 3 else np.repeat(grey.mean(0, keepdims=True), 3, axis=0)
    return colour.transpose(1, 2, 0)


def levels_of(X: Array, limits: tuple[float, float], longest: int | None = None) -> NDArray[np.uint8]:
    """Return images as the grey levels or colours in which they are drawn.

    Parameters
    ----------
    X
        (N, C, H, W) or (N, H, W), as `scaled` returns them.
    limits
        The values shown as black and white; see `limits_of`.
    longest
        Pixels of the longer side, at most; None for all that there are.

    Returns
    -------
    array
        uint8, (N, H, W) where there are less than three channels, else (N, H, W, 3).
    """
    colour = X.ndim == 4 and X.shape[1] >= 3
    k = 1 if longest is None else math.ceil(max(X.shape[-2:]) / longest)
    if k > 1:
        pixels = np.stack([resized(colours_of(x, limits), -k) for x in X])
        return pixels if colour else pixels[..., 0]
    low, high = limits  # what `colours_of` does with one, with all at once
    grey = np.clip((np.nan_to_num(X, nan=low) - low) / (high - low), 0, 1)
    values = grey[:, :3].transpose(0, 2, 3, 1) if colour else grey.mean(1) if X.ndim == 4 else grey
    return np.round(values * 255).astype(np.uint8)


def resized(pixels: Array, k: int) -> NDArray[np.uint8]:
    """Return pixels enlarged k times; reduced -k times where k < 0: (H, W, 3) in [0, 1] -> (H', W', 3) uint8."""
    if k < 0:
        k = -k
        h, w = max(1, pixels.shape[0] // k), max(1, pixels.shape[1] // k)
        pad = np.pad(pixels, ((0, max(0, k - pixels.shape[0])), (0, max(0, k - pixels.shape[1])), (0, 0)), mode="edge")
        pixels = pad[: h * k, : w * k].reshape(h, k, w, k, 3).mean((1, 3))
    else:
        pixels = pixels.repeat(k, 0).repeat(k, 1)
    return np.round(pixels * 255).astype(np.uint8)
