"""Samples reshaped to what a model is to see."""

from __future__ import annotations

import math

from narrows.data.arrays import Array
from narrows.errors import ConfigError, did_you_mean

FORMS = ("table", "sequence", "image")
"""Shapes that have a name."""


def reshaped(array: Array, form: str) -> Array:
    """Reshape samples to a table, a sequence, an image, or a shape such as 3x32x32."""
    count, sample = len(array), array.shape[1:]
    size = math.prod(sample)
    if form == "table":
        return array.reshape(count, size)
    if form == "sequence":
        if len(sample) == 3:  # a row of pixels, all its channels, is one step
            return array.transpose(0, 2, 1, 3).reshape(count, sample[1], -1)
        return array.reshape(count, *sample, *([1] if len(sample) == 1 else []))
    if form == "image":
        side = math.isqrt(size)
        if len(sample) == 3:
            return array
        if len(sample) == 2:
            return array[:, None]
        if side * side != size:
            raise ConfigError(
                f"load_dataset: shape must be written out, such as 1x4x{size // 4 or 1}; got {form!r}, {size} values."
            )
        return array.reshape(count, 1, side, side)
    sides = form.split("x")
    numbers = len(sides) <= 3 and all(s.isascii() and s.isdigit() for s in sides)
    if not numbers or math.prod(map(int, sides)) != size:
        raise ConfigError(
            f"load_dataset: shape must be one of {', '.join(FORMS)}, or sizes whose product is {size}, such as 28x28; "
            f"got {form!r}.{did_you_mean(form, FORMS)}"
        )
    return array.reshape(count, *map(int, sides))
