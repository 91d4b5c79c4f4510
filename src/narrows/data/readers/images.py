"""Folders and zip archives of images: decoded to (N, C, H, W), malformed ones counted and listed."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.dataset import Dataset, RowIds, as_read
from narrows.data.readers.checks import as_text, reading, unsound, zip_members
from narrows.data.readers.image_files import UNREADABLE, decoded, image_files, is_image, names_in, read_plain
from narrows.data.splits import SourceFiles
from narrows.errors import ConfigError, DataError, did_you_mean

_MODES = ("auto", "grey", "rgb")
DEPTHS = {"uint8": "8 bits", "uint16": "16 bits", "int32": "more than 8 bits", "float32": "floating point"}


def read_images(path: Path, *, size: str | int | None = None, mode: str = "auto", strict: bool = False) -> Dataset:
    """Read a folder of images; sub-folders are classes.

    Sub-folders named train, test and val (or valid, validation) are the splits. Otherwise rows are divided by a seeded
    hash of the file names before any file is opened, so a malformed file changes neither order nor split of another.

    Parameters
    ----------
    path
        The folder.
    size
        Height and width to bring all to, such as 64 or "64x48": cut centrally to that aspect, then resized. None: all
        images must have one size.
    mode
        "grey", "rgb", or "auto": grey if every image is. Transparency is laid over white.
    strict
        Raise an error that names malformed images instead of leaving them out.

    Notes
    -----
    Images of 8 bits are uint8. Those of 16 bits and of floating point keep their values (uint16, float32), which models
    scale by the range of all training images. The pages of a TIFF file are samples, called name.tif#1 and so on.
    """
    with reading(path):
        names = names_in(path)
    return _from_names(path, names, lambda name: read_plain(path / name), size, mode, strict)


def read_image_zip(path: Path, *, size: str | int | None = None, mode: str = "auto", strict: bool = False) -> Dataset:
    """Read a zip archive of images as `read_images` reads a folder; nothing is unpacked to disk."""
    with reading(path), zipfile.ZipFile(path) as archive:
        members = zip_members(archive, str(path))
        names = sorted(name for name in members if is_image(PurePosixPath(name).name))
        return _from_names(path, names, lambda name: archive.read(members[name]), size, mode, strict)


def read_image(path: Path, *, size: str | int | None = None, mode: str = "auto", strict: bool = False) -> Dataset:
    """Read one image, or all pages of a TIFF file, as `read_images` reads a folder."""
    with reading(path):
        return _from_names(path, [path.name], lambda name: read_plain(path), size, mode, strict)


def decode_all(
    names: Sequence[str], decoded: Iterable[Array | Exception], *, strict: bool
) -> tuple[Array, Array, tuple[str, ...]]:
    """Gather the images of these names in one array.

    Parameters
    ----------
    names
        What each image is called in messages.
    decoded
        For each name its image (C, H, W), or the error of one that is malformed.
    strict
        Whether a malformed image is an error.

    Returns
    -------
    images, numbers, skipped
        (N, C, H, W), uint8, uint16 or float32; which of the names they are; one "name: reason" for each of the others.
    """
    images: Array | None = None
    numbers: list[int] = []
    skipped: list[str] = []
    for number, (name, image) in enumerate(zip(names, decoded, strict=True)):
        if isinstance(image, Exception):
            skipped.append(f"{as_text(name)}: {image}")
            continue
        if images is None:  # pages of memory are taken up only as they are written
            images, first = np.empty((len(names), *image.shape), dtype=image.dtype), name
        images = _alike(images, image, first, name)
        images[len(numbers)] = image  # one channel spreads over three
        numbers.append(number)
    if skipped and strict:
        raise DataError(
            f"load_dataset: images must be sound; got {len(skipped)} that are not: {_listed(skipped)}. Remove them, "
            "or leave strict out to skip them."
        )
    if images is None:
        raise DataError(
            f"load_dataset: at least one image must be sound; got {len(names)} malformed: {_listed(skipped)}. "
            "Check or fetch them again."
        )
    if skipped:
        warnings.warn(
            f"load_dataset: {len(skipped)} of {len(names)} images cannot be read and are left out: {_listed(skipped)}.",
            stacklevel=2,
        )
    images = images[: len(numbers)]
    if images.dtype == np.int32:
        images = images.astype(np.uint16 if images.min() >= 0 and images.max() < 2**16 else np.float32)
    return images, np.array(numbers), tuple(skipped)


def _listed(skipped: Sequence[str]) -> str:
    """Return names and reasons in a sentence, with control characters shown."""
    skipped = ["".join(c if c.isprintable() else repr(c)[1:-1] for c in text) for text in skipped]
    return "; ".join(skipped[:10]) + (f"; and {len(skipped) - 10} more" if len(skipped) > 10 else "")


def attempts(names: Iterable[str], read: Callable[[str], bytes], decode_one: Callable[[bytes], Array]) -> Iterator[Any]:
    """Yield for each name its image, or the error of reading and decoding it."""
    for name in names:
        try:
            yield decode_one(read(name))
        except UNREADABLE as error:
            yield error


def _alike(images: Array, image: Array, first: str, name: str) -> Array:
    """Return the array with room for another image: coloured if that is, and wide enough for its values."""
    if image.shape[1:] != images.shape[2:]:
        raise DataError(
            f"load_dataset: all images must have one size; got {images.shape[2]}x{images.shape[3]} ({first!r}) and "
            f"{image.shape[1]}x{image.shape[2]} ({name!r}). Bring them to one with size=, such as size=64."
        )
    if image.dtype != images.dtype:
        if {image.dtype, images.dtype} != {np.dtype(np.uint16), np.dtype(np.int32)}:
            raise DataError(
                f"load_dataset: all images must have one range of values; got {DEPTHS[images.dtype.name]} ({first!r}) "
                f"and {DEPTHS[image.dtype.name]} ({name!r}). Convert some, or put them in folders of their own."
            )
        images = images.astype(np.int32)
    channels = {image.shape[0], images.shape[1]}
    if channels == {1, 3} and images.shape[1] == 1:
        return np.repeat(images, 3, axis=1)
    if len(channels) > 1 and channels != {1, 3}:
        raise DataError(
            f"load_dataset: all images must have as many channels; got {images.shape[1]} ({first!r}) and "
            f"{image.shape[0]} ({name!r}). Put them in folders of their own."
        )
    return images


def image_size(size: str | int | None) -> tuple[int, int] | None:
    """Return (height, width) of 64, "64" or "64x48"."""
    if size is None:
        return None
    sides = str(size).lower().split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() and 0 < int(side) <= 8192 for side in sides):
        raise ConfigError(f"load_dataset: size must be a number of pixels, or HEIGHTxWIDTH, up to 8192; got {size!r}.")
    return int(sides[0]), int(sides[-1])


def check_mode(mode: str) -> None:
    """Raise ConfigError where images cannot be read so."""
    if mode not in _MODES:
        raise ConfigError(
            f"load_dataset: mode must be one of {', '.join(_MODES)}; got {mode!r}.{did_you_mean(mode, _MODES)}"
        )


def _from_names(
    path: Path, names: list[str], read: Callable[[str], bytes], size: str | int | None, mode: str, strict: bool
) -> Dataset:
    check_mode(mode)
    sides = image_size(size)
    files = image_files(path, names, read)
    names, splits, codes, label_names = files.names, files.splits, files.codes, files.label_names
    published = files.published
    contents = (image for name, pages in files.grouped() for image in decoded(read, name, pages, sides, mode))
    images, numbers, skipped = decode_all(names, contents, strict=strict)
    labels = None if codes is None else codes[numbers]
    sources, how = SourceFiles(tuple(names), codes, numbers), "as published"
    parts: dict[str, Any] = {"train": images, "train_labels": labels}
    named = RowIds("file", np.array([as_text(names[i]) for i in numbers]), np.arange(len(numbers)))
    ids = {"train": named}
    if published:
        split_of = np.array([str(splits[i]) for i in numbers])
        for split in ("train", "validation", "test"):
            rows = np.flatnonzero(split_of == split)
            if len(rows):
                parts |= {split: images[rows], f"{split}_labels": None if labels is None else labels[rows]}
                ids[split] = named.take(rows)
            elif split == "train":
                raise unsound(path, "hold a sound training image; got none.")
        sources, how = sources.select(np.flatnonzero([split == "train" for split in splits])), "by folder"
    text = None if label_names is None else tuple(as_text(name) for name in label_names)
    return as_read(
        **parts, label_names=text, source=str(path), skipped=skipped, files=sources, how=how,
        row_ids=ids,
    )  # fmt: skip
