"""Drawings and picture files brought to the form of a model's samples."""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np

from narrows.analyses.analysis import ModelOnData
from narrows.data.arrays import Array
from narrows.data.readers.decoding import decode
from narrows.errors import ConfigError, DataError

SEEN = 1000
"""Training samples that are measured."""
INK = 0.2
"""Share of the full contrast from which a pixel counts as ink, for the box around it."""
LARGEST = 4096
"""Pixels of a drawing's or a picture's side, at most."""


class Ink(NamedTuple):
    """How ink lies in the training images: medians."""

    side: float
    """The longer side of the box around it, in pixels."""
    centre: tuple[float, float]
    """Its centre of mass, down and across, in pixels."""
    strength: float
    """The strongest ink, from 0 (ground) to 1."""


class Measured(NamedTuple):
    """The ink of one image."""

    ink: Ink
    box: tuple[tuple[float, float], tuple[float, float]]
    """Where it begins and ends, down and across."""


class Drawings:
    """Brings drawings to where and how large the ink of the training images is.

    Parameters
    ----------
    on
        A model of images, and its data.
    limits
        The values, on the model's scale, that are shown as black and white.
    gone
        Why there are no data, where there are none.
    """

    def __init__(self, on: ModelOnData, limits: tuple[float, float], gone: str = "") -> None:
        self.on, self.limits, self.gone = on, limits, gone
        shape = on.model.sample_shape_
        if len(shape) != 3:
            raise ConfigError(
                f"prepare: samples must be images; got a model of shape {shape}. Choose a sample instead."
            )
        self.channels, *self.size = shape

    @cached_property
    def _greys(self) -> Array:
        """Some training images, from 0 to 1: (n, H, W)."""
        if self.gone:
            raise DataError(self.gone)
        n = len(self.on.train.x)
        rows = np.arange(0, n, max(1, n // SEEN))[:SEEN]
        low, high = self.limits
        x = self.on.values(self.on.train.rows(rows)).mean(1)
        return np.clip((x - low) / (high - low), 0, 1)

    @cached_property
    def dark_on_light(self) -> bool:
        """Whether the data are dark ink on a light ground: the border of the images says it."""
        return bool(np.median(_border(self._greys)) > 0.5)

    @cached_property
    def ink(self) -> Ink:
        """How ink lies in the training images."""
        greys = 1 - self._greys if self.dark_on_light else self._greys
        measured = [each.ink for grey in greys if (each := _measured(grey))]
        if not measured:
            raise DataError(
                "prepare: training images must hold ink on a ground; they do not. Upload a picture instead."
            )
        side, down, across, strength = np.median([(m.side, *m.centre, m.strength) for m in measured], axis=0)
        return Ink(float(side), (float(down), float(across)), float(strength))

    def drawn(self, drawing: Array) -> Array:
        """Return a drawing (h, w) of light ink on a dark ground, 0 to 255, as a sample: (1, C, H, W).

        Its ink is scaled by the longer side of the box around it and moved by its centre of mass, both to the medians
        of the training images, but not over the border; pixels are averages over what they cover. A light ground is
        turned dark first.

        Raises: DataError where there is no ink.
        """
        if drawing.ndim != 2 or not 1 <= min(drawing.shape) <= max(drawing.shape) <= LARGEST:
            raise DataError(f"prepare: x must be (h, w), at most {LARGEST} each; got {drawing.shape}. Draw smaller.")
        grey = np.asarray(drawing, np.float64) / 255
        if not np.isfinite(grey).all():
            raise DataError("prepare: x must be finite; got nan or infinity. Send grey levels from 0 to 255.")
        grey = grey.clip(0, 1)
        if np.median(_border(grey[None])) > 0.5:
            grey = 1 - grey
        drawn = _measured(grey)
        if drawn is None:
            raise DataError("prepare: x must be a drawing; got an empty one. Draw something.")
        scale = drawn.ink.side / self.ink.side
        top, left = (
            _inside(centre - goal * scale, size * scale, *ends)
            for centre, goal, size, ends in zip(drawn.ink.centre, self.ink.centre, self.size, drawn.box, strict=True)
        )
        box = (left, top, left + self.size[1] * scale, top + self.size[0] * scale)
        pixels = np.clip(_cut(grey, box, (self.size[1], self.size[0])), 0, 1)
        pixels *= self.ink.strength / max(float(pixels.max()), 1e-9)
        return self._sample(1 - pixels if self.dark_on_light else pixels)

    def read(self, content: bytes, *, drawing: bool = False) -> Array:
        """Return a picture file as a sample (1, C, H, W): as a drawing, or cut centrally to the aspect and resized.

        Raises: DataError where it is no sound picture.
        """
        try:
            if drawing:
                return self.drawn(_in_255(decode(content, mode="grey"))[0])
            mode = "rgb" if self.channels == 3 else "grey"
            picture = _in_255(decode(content, size=(self.size[0], self.size[1]), mode=mode)) / 255
        except DataError as error:
            raise (
                error
                if str(error).startswith("prepare")
                else DataError(
                    f"prepare: the picture must be a sound PNG, JPEG or the like; {error}. Choose another file."
                )
            ) from error
        return self._sample(picture)

    def _sample(self, pixels: Array) -> Array:
        """Return pixels, from 0 to 1, (H, W) or (C, H, W), on the model's scale: (1, C, H, W)."""
        low, high = self.limits
        x = low + pixels * (high - low)
        return np.broadcast_to(x, (self.channels, *self.size))[None].astype(np.float32)


def _in_255(picture: Array) -> Array:
    """Return a picture with values from 0 to 255, whatever depth its file has."""
    if picture.dtype == np.uint8:
        return picture.astype(np.float64)
    return picture.astype(np.float64) * 255 / max(float(picture.max()), 1.0 if picture.max() <= 1 else 65535.0)


def _border(greys: Array) -> Array:
    """Return the pixels at the borders of images (n, H, W)."""
    return np.concatenate([greys[:, (0, -1)].ravel(), greys[:, 1:-1, (0, -1)].ravel()])


def _measured(grey: Array) -> Measured | None:
    """Return how ink lies in an image (H, W) of light ink on a dark ground; None where there is none."""
    strongest = float(grey.max())
    if strongest < INK:
        return None
    centres, ends = [], []
    for axis in (1, 0):
        inked = np.flatnonzero((grey >= INK * strongest).any(axis))
        ends.append((float(inked[0]), float(inked[-1] + 1)))  # pixel i covers i to i + 1
        profile = grey.sum(axis)
        centres.append(float(profile @ (np.arange(len(profile)) + 0.5) / profile.sum()))
    side = max(end - start for start, end in ends)
    return Measured(Ink(side, (centres[0], centres[1]), strongest), (ends[0], ends[1]))


def _inside(start: float, size: float, first: float, last: float) -> float:
    """Return where a window of a size starts, moved so that it holds what lies from first to last, if it can."""
    if last - first > size:
        return (first + last - size) / 2
    return min(max(start, last - size), first)


def _cut(grey: Array, box: tuple[float, float, float, float], size: tuple[int, int]) -> Array:
    """Return what lies in a box (left, top, right, bottom) of an image (h, w), which may reach beyond it, resampled.

    Pillow's filter covers all pixels that one of the result does, so that ink is neither jagged nor lost.
    """
    from PIL import Image

    left, top = (max(0, math.ceil(-edge)) for edge in box[:2])
    right, bottom = (max(0, math.ceil(edge - n)) for edge, n in zip(box[2:], grey.shape[::-1], strict=True))
    if max(left, top, right, bottom) > LARGEST:
        raise DataError("prepare: x must be a drawing that fills more of its canvas. Draw larger.")
    padded = np.pad(grey, ((top, bottom), (left, right))).astype(np.float32)
    moved = (box[0] + left, box[1] + top, box[2] + left, box[3] + top)
    return np.asarray(Image.fromarray(padded).resize(size, Image.Resampling.HAMMING, box=moved), np.float64)
