"""Images that Pillow cannot read without loss: colour of more than 8 bits, double precision, many channels."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.readers.checks import check_expansion
from narrows.errors import DataError

BITS, SAMPLE_FORMAT, ORIENTATION = 258, 339, 274
"""Tags of TIFF."""
ALPHA = {2: 1, 4: 3}
"""Channels of which the last is transparency, and how many the others are."""
INSTALL = "pip install 'narrows[images]'"


def is_deep(content: bytes, image: Any) -> bool:
    """Return whether Pillow's image has lost bits of the file, at the page where it stands."""
    if image.format == "PNG":
        return content[24] == 16 and content[25] in (2, 4, 6)  # bits, and colour or transparency, of the header
    if image.format == "TIFF":
        bits, kind = max(image.tag_v2.get(BITS, (1,))), max(image.tag_v2.get(SAMPLE_FORMAT, (1,)))
        return (bits > 8 and len(image.getbands()) > 1) or (bits, kind) in ((8, 2), (32, 1))
    if image.format == "PPM" and image.mode == "RGB" and any(n > 255 for n in _numbers(image.tile)):
        raise DataError("colour of 16 bits in PPM is not read; save it as PNG or TIFF")
    return False


def deep_png(content: bytes) -> tuple[Array, int]:
    """Return the pixels of a PNG, (H, W, C) uint16, and that it is not turned."""
    try:
        from imagecodecs import png_decode
    except ImportError as error:
        raise DataError(f"colour of 16 bits in PNG needs imagecodecs: {INSTALL}") from error
    return on_white(np.asarray(png_decode(content))), 1


def deep_tiff(content: bytes, page: int, limit: int) -> tuple[Array, int]:
    """Return the pixels of a page, (H, W) or (H, W, C), and its orientation; at most `limit` pixels."""
    try:
        from tifffile import TiffFile
    except ImportError as error:
        raise DataError(f"this kind of TIFF needs tifffile: {INSTALL}") from error
    with TiffFile(io.BytesIO(content)) as file:
        found: Any = file.pages[page]
        if found.imagewidth * found.imagelength > limit:
            raise DataError(f"{found.imagewidth}x{found.imagelength} are more than {limit} pixels")
        check_expansion("the image", len(content), int(found.nbytes))
        pixels, axes = np.asarray(found.asarray()), str(found.axes)
        turn = found.tags.get(ORIENTATION)
        coloured = int(found.photometric) == 2
    if axes == "SYX":
        pixels, axes = np.moveaxis(pixels, 0, -1), "YXS"
    if axes not in ("YX", "YXS"):
        raise DataError(f"a TIFF with the axes {axes} is not read; save each plane as a page")
    return in_type(on_white(pixels) if coloured and pixels.ndim == 3 else pixels), 1 if turn is None else int(
        turn.value
    )


def on_white(pixels: Array) -> Array:
    """Return pixels (H, W, C) laid over white where their last channel is transparency."""
    if pixels.ndim != 3 or pixels.shape[2] not in ALPHA or pixels.dtype.kind != "u":
        return pixels
    white = np.iinfo(pixels.dtype).max
    alpha = pixels[..., -1:] / white
    return np.rint(pixels[..., :-1] * alpha + white * (1 - alpha)).astype(pixels.dtype)


def in_type(pixels: Array) -> Array:
    """Return pixels as uint8, uint16, int32 or float32, whichever holds their type."""
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * 255
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels.astype(pixels.dtype.newbyteorder("="))
    return pixels.astype(np.int32 if pixels.dtype.kind in "iu" and pixels.dtype.itemsize <= 2 else np.float32)


def _numbers(tile: Any) -> list[int]:
    return [value for entry in tile for value in np.atleast_1d(np.array(entry[3], object)) if isinstance(value, int)]
