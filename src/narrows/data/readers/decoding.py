"""Decoding images of any format and mode to (C, H, W), with all the bits of the file, in bounded memory."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from narrows.data.arrays import Array
from narrows.data.readers.checks import MAX_DEFLATE_RATIO, check_expansion
from narrows.data.readers.deep import deep_png, deep_tiff, is_deep
from narrows.data.readers.tiff import TIFF
from narrows.errors import DataError

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # no EPS: Pillow hands that to another program
_MAX_PIXELS = 2**25
_MAX_BYTES = 240 * 2**20
_MEMORY = {"WEBP": 16, "progressive JPEG": 10, "turned TIFF": 8}  # bytes a pixel at the decoder's height; others need 4
_STRIP_PIXELS = 2**18
_LUMINANCE = np.array([0.299, 0.587, 0.114])
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
    """Decode one image to (C, H, W): its first page, turned as its EXIF says, on white.

    uint8 for 8 bits a channel; uint16, int32 or float32 with the values of the file for more. Pillow may warn of
    damaged metadata, which changes no pixel.

    Raises
    ------
    DataError
        If the image is malformed, of another format, a decompression bomb, or larger than 2**25 pixels or than 240 MiB
        let its format decode (15 million pixels of WebP, 25 million of a progressive JPEG).
    """
    (image,) = decode_pages(content, [0], size=size, mode=mode, crop=crop)
    if isinstance(image, DataError):
        raise image
    return image


def decode_pages(
    content: bytes, pages: Sequence[int], *, size: tuple[int, int] | None = None, mode: str = "auto",
    crop: int | None = None,
) -> Iterator[Array | DataError]:  # fmt: skip
    """Yield each of these pages of an image, or the error of one that is malformed; see `decode`."""
    opened: Any = None
    for page in pages:
        try:
            if opened is None:
                opened = _opened(content)
            yield _finished(_pixels(content, opened, page, grey=mode == "grey"), size, mode, crop)
        except DataError as error:
            yield error
        except UnidentifiedImageError:  # its own text holds an address in memory
            yield DataError("no image, or cut short at its beginning")
        except Exception as error:  # Pillow's readers raise some twenty types on damaged files: all mean malformed
            yield DataError(f"{type(error).__name__}: {error}")
    if isinstance(opened, Image.Image):
        opened.close()


def _opened(content: bytes) -> Image.Image | bytes:
    """Return Pillow's image, or the content of a TIFF file that Pillow cannot read."""
    try:
        return Image.open(io.BytesIO(content), formats=_FORMATS)
    except UnidentifiedImageError:
        if content.startswith(TIFF):
            return content
        raise


def _pixels(content: bytes, image: Image.Image | bytes, page: int, *, grey: bool) -> Array:
    """Return the pixels of a page, (H, W) or (H, W, C), turned as it says."""
    if isinstance(image, bytes):
        return _turned(*deep_tiff(content, page, _MAX_PIXELS))
    if page:
        try:
            image.seek(page)
        except Exception as error:
            raise DataError("the file is cut short or damaged before this page") from error
    _check_size(image, len(content))
    if is_deep(content, image):
        deep = deep_png(content) if image.format == "PNG" else deep_tiff(content, page, _MAX_PIXELS)
        return _turned(*deep)
    return _upright(image, grey=grey)


def _turned(pixels: Array, turn: int) -> Array:
    """Return pixels as they are stored turned as the orientation says."""
    if turn not in _AS_STORED:
        return pixels
    sides = pixels.shape[:2] if turn not in _SIDEWAYS else pixels.shape[1::-1]
    upright = np.empty((*sides, *pixels.shape[2:]), pixels.dtype)
    _AS_STORED[turn](upright)[...] = pixels
    return upright


def _finished(pixels: Array, size: tuple[int, int] | None, mode: str, crop: int | None) -> Array:
    """Return pixels (H, W) or (H, W, C) cut and resized, grey or in colour as asked for: (C, H, W)."""
    if mode == "grey" and pixels.ndim == 3 and pixels.shape[2] == 3:
        pixels = (pixels @ _LUMINANCE).astype(pixels.dtype)
    if crop is not None or size not in (None, pixels.shape[:2]):
        pixels = _resized(pixels, size, crop)
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
    mode, dtype, convert = _conversion(image)
    sides = (image.height, image.width) if turn not in _SIDEWAYS else (image.width, image.height)
    pixels = np.empty(sides if grey or mode == "L" else (*sides, 3), dtype)
    stored = _AS_STORED[turn](pixels) if turn in _AS_STORED else pixels
    for top, strip in _strips(image):
        values = convert(strip)
        stored[top : top + len(values)] = (
            np.asarray(Image.fromarray(values).convert("L")) if grey and mode != "L" else values
        )
    return pixels


def _resized(pixels: Array, size: tuple[int, int] | None, crop: int | None) -> Array:
    """Return pixels cut in the middle, and resized: of 8 bits by Pillow, of others channel by channel, in range."""
    if pixels.dtype == np.uint8 and (pixels.ndim == 2 or pixels.shape[2] == 3):
        return np.asarray(_fitted(Image.fromarray(pixels), size, crop))
    planes = pixels[..., None] if pixels.ndim == 2 else pixels
    low, high = np.nanmin(pixels), np.nanmax(pixels)
    images = [Image.fromarray(np.ascontiguousarray(planes[..., i], np.float32)) for i in range(planes.shape[2])]
    fitted = np.clip(np.stack([np.asarray(_fitted(image, size, crop)) for image in images], axis=-1), low, high)
    fitted = (np.rint(fitted) if pixels.dtype.kind in "iu" else fitted).astype(pixels.dtype)
    return fitted[..., 0] if pixels.ndim == 2 else fitted


def _fitted(image: Image.Image, size: tuple[int, int] | None, crop: int | None) -> Image.Image:
    if crop is not None:
        image = ImageOps.fit(image, (crop, crop)) if min(image.size) < crop else _centre(image, crop)
    if size is not None and image.size != (size[1], size[0]):
        image = ImageOps.fit(image, (size[1], size[0]), Image.Resampling.LANCZOS)
    return image


def _conversion(image: Image.Image) -> tuple[str, Any, Callable[[Image.Image], Array]]:
    """Return L or RGB, the type of its values, and what brings strips of one of Pillow's many modes to it."""
    transparent = "transparency" in image.info
    if image.mode in ("L", "RGB") and not transparent:
        return image.mode, np.uint8, np.asarray
    if image.mode == "1":
        return "L", np.uint8, lambda strip: np.asarray(strip.convert("L"))
    if image.mode.startswith("I;16"):
        return "L", np.uint16, np.asarray  # in whatever byte order
    if image.mode in ("I", "F"):
        return "L", np.int32 if image.mode == "I" else np.float32, np.asarray
    if image.mode == "P" and not transparent and _is_grey(image):
        return "L", np.uint8, lambda strip: np.asarray(strip.convert("RGB"))[..., 0]
    if image.mode in ("L", "LA", "La"):
        return "L", np.uint8, lambda strip: _on_white(strip)[..., 0]
    if transparent or image.mode in ("PA", "RGBA", "RGBa"):
        return "RGB", np.uint8, _on_white
    return "RGB", np.uint8, lambda strip: np.asarray(strip.convert("RGB"))  # P, CMYK, YCbCr, LAB, HSV, RGBX


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield the image strip by strip with the number of the first row."""
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, image if rows >= image.height else image.crop((0, top, image.width, min(top + rows, image.height)))


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
