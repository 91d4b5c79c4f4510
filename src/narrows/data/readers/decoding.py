"""Decoding one image of any format and mode to uint8 (C, H, W), in bounded memory."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from narrows.data.arrays import Array
from narrows.data.readers.checks import MAX_DEFLATE_RATIO, check_expansion
from narrows.errors import DataError

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # no EPS: Pillow hands that to another program
_MAX_PIXELS = 2**25
_MAX_BYTES = 240 * 2**20
_MEMORY = {"WEBP": 16, "progressive JPEG": 10, "turned TIFF": 8}  # bytes a pixel at the decoder's height; others need 4
_STRIP_PIXELS = 2**18
_SIDEWAYS = (5, 6, 7, 8)
_AS_STORED: dict[int, Callable[[Array], Array]] = {  # EXIF orientation: upright pixels, seen as they lie in the file
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: np.rot90,
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels, -1),
}


def decode(
    content: bytes, *, size: tuple[int, int] | None = None, mode: str = "auto", crop: int | None = None
) -> Array:
    """Decode one image to uint8 (C, H, W), C = 1 or 3: first frame, turned as its EXIF says, on white.

    Pillow may warn of damaged metadata, which changes no pixel.

    Raises
    ------
    DataError
        If the image is malformed, of another format, a decompression bomb, or larger than 2**25 pixels or than 240 MiB
        let its format decode (15 million pixels of WebP, 25 million of a progressive JPEG).
    """
    try:
        with closing(Image.open(io.BytesIO(content), formats=_FORMATS)) as opened:
            _check_size(opened, len(content))
            pixels = _upright(opened, grey=mode == "grey")
        if crop is not None or size not in (None, pixels.shape[:2]):
            pixels = _resized(Image.fromarray(pixels), size, crop)
    except DataError:
        raise
    except UnidentifiedImageError as error:  # its own text holds an address in memory
        raise DataError(f"not an image of {', '.join(_FORMATS)}") from error
    except Exception as error:  # Pillow's readers raise some twenty types on damaged files; every one means malformed
        raise DataError(f"{type(error).__name__}: {error}") from error
    if pixels.ndim == 2:
        return np.repeat(pixels[None], 3 if mode == "rgb" else 1, axis=0)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _check_size(image: Image.Image, packed: int) -> None:
    """Refuse an image that claims to be larger than it may, before its pixels are asked for."""
    if image.width < 1 or image.height < 1:
        raise DataError("the image has no pixels")
    total = image.width * image.height
    if total > _MAX_PIXELS:
        raise DataError(f"{image.width}x{image.height} are more than {_MAX_PIXELS} pixels")
    kind = f"progressive {image.format}" if "progressive" in image.info else image.format
    if image.format == "TIFF" and ExifTags.Base.Orientation in image.getexif():
        kind = "turned TIFF"
    if total * _MEMORY.get(str(kind), 0) > _MAX_BYTES:
        raise DataError(f"{image.width}x{image.height} pixels of a {kind} take more than {_MAX_BYTES} bytes to decode")
    bands = len(image.getbands()) * (2 if image.mode.startswith("I;16") else 4 if image.mode in "IF" else 1)
    most = 8 * MAX_DEFLATE_RATIO if image.format == "PNG" else math.inf  # eight pixels a byte; one colour packs better
    check_expansion("the image", packed, total * bands, most=most)


def _upright(image: Image.Image, *, grey: bool) -> Array:
    """Return the pixels (H, W) or (H, W, 3), turned as the EXIF says.

    They are made strip by strip: a large image fits into memory once in Pillow's form and once in ours.
    """
    image.load()
    turn = image.getexif().get(ExifTags.Base.Orientation, 1)
    mode, convert = _conversion(image)
    sides = (image.height, image.width) if turn not in _SIDEWAYS else (image.width, image.height)
    pixels = np.empty(sides if grey or mode == "L" else (*sides, 3), dtype=np.uint8)
    stored = _AS_STORED[turn](pixels) if turn in _AS_STORED else pixels
    for top, strip in _strips(image):
        values = convert(strip)
        stored[top : top + len(values)] = np.asarray(Image.fromarray(values).convert("L")) if grey else values
    return pixels


def _resized(image: Image.Image, size: tuple[int, int] | None, crop: int | None) -> Array:
    if crop is not None:
        image = ImageOps.fit(image, (crop, crop)) if min(image.size) < crop else _centre(image, crop)
    if size is not None and image.size != (size[1], size[0]):
        image = ImageOps.fit(image, (size[1], size[0]), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _conversion(image: Image.Image) -> tuple[str, Callable[[Image.Image], Array]]:
    """Return L or RGB, and what brings strips of one of Pillow's many modes to it."""
    transparent = "transparency" in image.info
    if image.mode in ("L", "RGB") and not transparent:
        return image.mode, np.asarray
    if image.mode == "1":
        return "L", lambda strip: np.asarray(strip.convert("L"))
    if image.mode.startswith("I"):
        return "L", _from_sixteen
    if image.mode == "F":
        highest = max(_highest(np.asarray(strip)) for _, strip in _strips(image))
        scale = np.float64(255 if highest <= 1 else 1)
        return "L", lambda strip: np.round(np.asarray(strip) * scale).astype(np.uint8)
    if image.mode == "P" and not transparent and _is_grey(image):
        return "L", lambda strip: np.asarray(strip.convert("RGB"))[..., 0]
    if image.mode in ("L", "LA", "La"):
        return "L", lambda strip: _on_white(strip)[..., 0]
    if transparent or image.mode in ("PA", "RGBA", "RGBa"):
        return "RGB", _on_white
    return "RGB", lambda strip: np.asarray(strip.convert("RGB"))  # P, CMYK, YCbCr, LAB, HSV, RGBX


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield the image strip by strip with the number of the first row."""
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, image if rows >= image.height else image.crop((0, top, image.width, min(top + rows, image.height)))


def _from_sixteen(strip: Image.Image) -> Array:
    values = np.clip(np.asarray(strip).astype(np.int64), 0, 65535)  # in whatever byte order
    return ((values + 128) // 257).astype(np.uint8)


def _highest(numbers: Array) -> float:
    if not np.isfinite(numbers).all() or numbers.min() < 0 or numbers.max() > 255:
        raise DataError("floating-point pixels outside 0..255")
    return float(numbers.max())


def _is_grey(image: Image.Image) -> bool:
    """Whether all colours that a palette image uses are grey."""
    colours = np.unique(np.concatenate([np.unique(np.asarray(strip)) for _, strip in _strips(image)]))
    row = image.crop((0, 0, len(colours), 1))  # as wide as there are colours, with the same palette
    row.putdata(colours.tolist())
    shown = np.asarray(row.convert("RGB"))
    return bool((shown == shown[..., :1]).all())


def _on_white(strip: Image.Image) -> Array:
    layer = strip.convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB"))


def _centre(image: Image.Image, side: int) -> Image.Image:
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))
