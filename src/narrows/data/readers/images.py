"""Folders and zip archives of images: decoded to uint8 (N, C, H, W), malformed ones counted and listed."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.dataset import Dataset, RowIds, as_read
from narrows.data.readers.checks import as_text, reading, unsound, zip_members
from narrows.data.readers.decoding import decode
from narrows.data.splits import SourceFiles
from narrows.errors import ConfigError, DataError, did_you_mean

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm")
_SPLITS = {"train": "train", "test": "test", "val": "validation", "valid": "validation", "validation": "validation"}
_MODES = ("auto", "grey", "rgb")


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


def read_image_zip(path: Path, *, size: str | int | None = None, mode: str = "auto", strict: bool = False) -> Dataset:
    """Read a zip archive of images as `read_images` reads a folder; nothing is unpacked to disk."""
    with reading(path), zipfile.ZipFile(path) as archive:
        members = zip_members(archive, str(path))
        names = sorted(name for name in members if _is_image(PurePosixPath(name).name))
        return _from_names(path, names, lambda name: archive.read(members[name]), size, mode, strict)


def decode_all(
    names: Sequence[str], read: Callable[[str], bytes], decode_one: Callable[[bytes], Array], *, strict: bool
) -> tuple[Array, Array, tuple[str, ...]]:
    """Decode the images of these names into one array.

    Returns the images, uint8 (N, C, H, W); which of the names they are; one "name: reason" for each of the others.
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
            images = np.empty((len(names), *image.shape), dtype=np.uint8)  # pages are taken up only as they are written
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
        raise DataError(
            f"load_dataset: at least one image must be sound; got {len(names)} malformed, first {skipped[:1]}."
        )
    return images[: len(numbers)], np.array(numbers), tuple(skipped)


def image_size(size: str | int | None) -> tuple[int, int] | None:
    """Return (height, width) of 64, "64" or "64x48"."""
    if size is None:
        return None
    sides = str(size).lower().split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() and 0 < int(side) <= 8192 for side in sides):
        raise ConfigError(f"load_dataset: size must be a number of pixels, or HEIGHTxWIDTH, up to 8192; got {size!r}.")
    return int(sides[0]), int(sides[-1])


def _from_names(
    path: Path, names: list[str], read: Callable[[str], bytes], size: str | int | None, mode: str, strict: bool
) -> Dataset:
    if mode not in _MODES:
        raise ConfigError(
            f"load_dataset: mode must be one of {', '.join(_MODES)}; got {mode!r}.{did_you_mean(mode, _MODES)}"
        )
    if not names:
        raise unsound(path, f"hold images ({', '.join(SUFFIXES)}); got none.")
    sides = image_size(size)
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    while all(folders) and len({folder[0] for folder in folders}) == 1:  # a folder around everything names no class
        folders = [folder[1:] for folder in folders]
    splits = [_SPLITS.get(folder[0].lower()) if folder else None for folder in folders]
    published = "train" in splits and None not in splits
    classes = ["/".join(folder[1:] if published else folder) for folder in folders]
    label_names = tuple(sorted(set(classes)))
    codes = np.array([label_names.index(name) for name in classes]) if len(label_names) > 1 else None
    images, numbers, skipped = decode_all(
        names, read, lambda content: decode(content, size=sides, mode=mode), strict=strict
    )
    labels = None if codes is None else codes[numbers]
    files, how = SourceFiles(tuple(names), codes, numbers), "as published"
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
        files, how = files.select(np.flatnonzero([split == "train" for split in splits])), "by folder"
    text = None if codes is None else tuple(as_text(name) for name in label_names)
    return as_read(
        **parts, label_names=text, source=str(path), skipped=skipped, files=files, how=how,
        row_ids=ids,
    )  # fmt: skip


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _read_plain(path: Path) -> bytes:
    if not stat.S_ISREG(path.stat().st_mode):
        raise DataError("not a plain file")
    return path.read_bytes()
