"""Folders and zip archives of images: decoded to uint8 (N, C, H, W), malformed ones counted and listed."""

from __future__ import annotations

import io
import math
import os
import stat
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from narrows.data.dataset import Array, Files, Parts
from narrows.data.readers.checks import MAX_DEFLATE_RATIO, as_text, check_expansion, reading, zip_members
from narrows.errors import ConfigError, DataError, did_you_mean

__all__ = ["decode", "decode_all", "image_size", "read_image_zip", "read_images"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # no EPS: Pillow hands that to another program
_MAX_PIXELS = 2**25
_MAX_BYTES = 240 * 2**20
_MEMORY = {"WEBP": 16, "progressive JPEG": 10, "turned TIFF": 8}  # bytes a pixel at the decoder's height; others need 4
_STRIP_PIXELS = 2**18
_PARTS = {"train": "train", "test": "test", "val": "validation", "valid": "validation", "validation": "validation"}
_MODES = ("auto", "grey", "rgb")
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


def read_images(path: Path, *, size: str | int | None = None, mode: str = "auto", strict: bool = False) -> Parts:
    """Read a folder of images; sub-folders are classes.

    Sub-folders named train, test and val (or valid, validation) are the parts. Otherwise rows are divided by a seeded
    hash of the file names before any file is opened, so a malformed file changes neither order nor part of another.

    Parameters
    ----------
    path
        The folder.
    size
        Height and width to bring all to, such as 64 or "64x48": cut centrally to that aspect, then resized. None: all
        images must have one size.
    mode
        "grey", "rgb", or "auto": grey if every image is. Transparency is laid over white; 16 bits are rounded to 8.
    strict
        Raise an error for the first malformed image instead of leaving it out.
    """
    with reading(path):
        names = sorted(
            (Path(folder) / name).relative_to(path).as_posix()
            for folder, _, files in os.walk(path)
            for name in files
            if _is_image(name)
        )
    return _from_names(path, names, lambda name: _read_plain(path / name), size, mode, strict)


def read_image_zip(path: Path, *, size: str | int | None = None, mode: str = "auto", strict: bool = False) -> Parts:
    """Read a zip archive of images as `read_images` reads a folder; nothing is unpacked to disk."""
    with reading(path), zipfile.ZipFile(path) as archive:
        members = zip_members(archive, str(path))
        names = sorted(name for name in members if _is_image(PurePosixPath(name).name))
        return _from_names(path, names, lambda name: archive.read(members[name]), size, mode, strict)


def decode(
    content: bytes, *, size: tuple[int, int] | None = None, mode: str = "auto", crop: int | None = None
) -> Array:
    """Decode one image to uint8 (C, H, W), C = 1 or 3: first frame, turned as its EXIF says, on white.

    Raises
    ------
    DataError
        If the image is malformed, of another format, a decompression bomb, or larger than 2**25 pixels or than 240 MiB
        let its format decode (15 million pixels of WebP, 25 million of a progressive JPEG).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow warns of (metadata, sizes) is checked or harmless here
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


def decode_all(
    names: Iterable[str],
    read: Callable[[str], bytes],
    decode_one: Callable[[bytes], Array],
    total: int,
    *,
    strict: bool,
) -> tuple[Array, Array, tuple[str, ...]]:
    """Decode the images of these names into one array.

    Returns
    -------
    images, numbers, skipped
        uint8 (N, C, H, W); which of the names they are; one "name: reason" for each of the others.
    """
    images: Array | None = None
    numbers: list[int] = []
    skipped: list[str] = []
    for number, name in enumerate(names):
        try:
            image = decode_one(read(name))
        except (DataError, OSError, RuntimeError, zipfile.BadZipFile) as error:
            if strict:
                raise DataError(
                    f"load_dataset: {name!r} must be a sound image; got: {error}. "
                    "Remove it, or leave strict out to skip it."
                ) from error
            skipped.append(f"{as_text(name)}: {error}")
            continue
        if images is None:
            images = np.empty((total, *image.shape), dtype=np.uint8)  # pages are taken up only as they are written
        if image.shape[1:] != images.shape[2:]:
            raise DataError(
                f"load_dataset: all images must have one size; got {images.shape[2]}x{images.shape[3]} and "
                f"{image.shape[1]}x{image.shape[2]} ({name!r}). Bring them to one with size=, such as size=64."
            )
        if image.shape[0] > images.shape[1]:
            images = np.repeat(images, 3, axis=1)
        images[len(numbers)] = image  # one channel spreads over three
        numbers.append(number)
    if images is None:
        raise DataError(f"load_dataset: at least one image must be sound; got {total} malformed, first {skipped[:1]}.")
    return images[: len(numbers)], np.array(numbers), tuple(skipped)


def image_size(size: str | int | None) -> tuple[int, int] | None:
    """Return (height, width) of 64, "64" or "64x48"."""
    if size is None:
        return None
    sides = str(size).lower().split("x")
    if len(sides) not in (1, 2) or not all(
        side.isascii() and side.isdigit() and 0 < int(side) <= 8192 for side in sides
    ):
        raise ConfigError(f"load_dataset: size must be a number of pixels, or HEIGHTxWIDTH, up to 8192; got {size!r}.")
    return int(sides[0]), int(sides[-1])


def _from_names(
    path: Path, names: list[str], read: Callable[[str], bytes], size: str | int | None, mode: str, strict: bool
) -> Parts:
    if mode not in _MODES:
        raise ConfigError(
            f"load_dataset: mode must be one of {', '.join(_MODES)}; got {mode!r}.{did_you_mean(mode, _MODES)}"
        )
    if not names:
        raise DataError(f"load_dataset: {str(path)!r} must hold images ({', '.join(SUFFIXES)}); got none.")
    wanted = image_size(size)
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    while all(folders) and len({parts[0] for parts in folders}) == 1:  # a folder around everything names no class
        folders = [parts[1:] for parts in folders]
    parts = [_PARTS.get(folder[0].lower()) if folder else None for folder in folders]
    published = "train" in parts and None not in parts
    classes = ["/".join(folder[1:] if published else folder) for folder in folders]
    label_names = tuple(sorted(set(classes)))
    codes = np.array([label_names.index(name) for name in classes]) if len(label_names) > 1 else None
    images, numbers, skipped = decode_all(
        names, read, lambda content: decode(content, size=wanted, mode=mode), len(names), strict=strict
    )
    labels = None if codes is None else codes[numbers]
    result = Parts(
        images,
        train_labels=labels,
        label_names=None if codes is None else tuple(as_text(name) for name in label_names),
        source=str(path),
        skipped=skipped,
    )
    files = Files(tuple(names), codes, numbers)
    if not published:
        result.files = files
        return result
    part_of = np.array([str(parts[i]) for i in numbers])
    for part in ("test", "validation", "train"):  # train last: it replaces the array that the others are picked from
        rows = np.flatnonzero(part_of == part)
        if len(rows):
            setattr(result, part, images[rows])
            setattr(result, f"{part}_labels", None if labels is None else labels[rows])
        elif part == "train":
            raise DataError(f"load_dataset: {str(path)!r} must hold a sound training image; got none.")
    result.files = files.picked(np.flatnonzero([part == "train" for part in parts]))
    result.how = "by folder"
    return result


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _read_plain(path: Path) -> bytes:
    if not stat.S_ISREG(path.stat().st_mode):
        raise DataError("not a plain file")
    return path.read_bytes()


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
        found = convert(strip)
        stored[top : top + len(found)] = np.asarray(Image.fromarray(found).convert("L")) if grey else found
    return pixels


def _resized(image: Image.Image, size: tuple[int, int] | None, crop: int | None) -> Array:
    if crop is not None:
        image = ImageOps.fit(image, (crop, crop)) if min(image.size) < crop else _centre(image, crop)
    if size is not None and image.size != (size[1], size[0]):
        image = ImageOps.fit(image, (size[1], size[0]), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _conversion(image: Image.Image) -> tuple[str, Callable[[Image.Image], Array]]:
    """Return L or RGB, and what brings strips of one of Pillow's many modes to it."""
    clear = "transparency" in image.info
    if image.mode in ("L", "RGB") and not clear:
        return image.mode, np.asarray
    if image.mode == "1":
        return "L", lambda strip: np.asarray(strip.convert("L"))
    if image.mode.startswith("I"):
        return "L", _from_sixteen
    if image.mode == "F":
        highest = max(_highest(np.asarray(strip)) for _, strip in _strips(image))
        scale = np.float64(255 if highest <= 1 else 1)
        return "L", lambda strip: np.round(np.asarray(strip) * scale).astype(np.uint8)
    if image.mode == "P" and not clear and _is_grey(image):
        return "L", lambda strip: np.asarray(strip.convert("RGB"))[..., 0]
    if image.mode in ("L", "LA", "La"):
        return "L", lambda strip: _on_white(strip)[..., 0]
    if clear or image.mode in ("PA", "RGBA", "RGBa"):
        return "RGB", _on_white
    return "RGB", lambda strip: np.asarray(strip.convert("RGB"))  # P, CMYK, YCbCr, LAB, HSV, RGBX


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield the image strip by strip with the number of the first row."""
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        whole = rows >= image.height
        yield top, image if whole else image.crop((0, top, image.width, min(top + rows, image.height)))


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
    clear = strip.convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB"))


def _centre(image: Image.Image, side: int) -> Image.Image:
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))
