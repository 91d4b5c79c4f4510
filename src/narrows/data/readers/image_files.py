"""The image files of a folder or an archive: listed, with their classes and splits, and decoded one by one."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from narrows.data.arrays import Array
from narrows.data.readers.checks import reading, unsound, zip_members
from narrows.data.readers.decoding import decode_pages
from narrows.data.readers.tiff import pages_of
from narrows.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm")
_SPLITS = {"train": "train", "test": "test", "val": "validation", "valid": "validation", "validation": "validation"}
UNREADABLE = (DataError, OSError, RuntimeError, zipfile.BadZipFile)
"""What reading and decoding a malformed image raises."""


@dataclass(frozen=True)
class ImageFiles:
    """The images of a folder or an archive, none of them opened, but for the pages of TIFF files."""

    files: list[str]
    """The file of every image, in order."""
    pages: Array
    """(N,): its page, from 0; -1 where the file has one."""
    read: Callable[[str], bytes]
    """Returns the content of a file."""
    splits: list[str | None]
    """Of every image, where its folder names a split."""
    label_names: tuple[str, ...] | None
    """Names of the classes, which are folders; None where there is one."""
    codes: Array | None
    """(N,): the class of every image; None where there is one."""

    def __len__(self) -> int:
        return len(self.files)

    @property
    def names(self) -> list[str]:
        """What every image is called: its file, and of files with several pages the number of its page."""
        return [self.name(i) for i in range(len(self))]

    def name(self, i: int) -> str:
        """Return what an image is called."""
        return self.files[i] if self.pages[i] < 0 else f"{self.files[i]}#{self.pages[i] + 1}"

    @property
    def published(self) -> bool:
        """Whether folders are splits."""
        return "train" in self.splits and None not in self.splits

    def grouped(self) -> Iterator[tuple[str, list[int]]]:
        """Yield every file with its pages."""
        for name, rows in itertools.groupby(range(len(self)), lambda i: self.files[i]):
            yield name, [max(0, int(self.pages[i])) for i in rows]

    def decode(self, i: int, size: tuple[int, int] | None, mode: str) -> Array | Exception:
        """Return an image (C, H, W), or the error of one that is malformed."""
        (image,) = decoded(self.read, self.files[i], [max(0, int(self.pages[i]))], size, mode)
        return image


def image_files(path: Path, names: list[str], read: Callable[[str], bytes]) -> ImageFiles:
    """Return the images of these files, which `read` gives the content of; DataError where there are none."""
    if not names:
        raise unsound(path, f"hold images ({', '.join(SUFFIXES)}); got none.")
    files: list[str] = []
    pages: list[int] = []
    for name in names:
        numbers = _pages(read, name)
        files += [name] * len(numbers)
        pages += [-1] if len(numbers) == 1 else range(len(numbers))
    places = dict.fromkeys(name.rpartition("/")[0] for name in files)
    folders = [PurePosixPath(place).parts for place in places]
    while all(folders) and len({folder[0] for folder in folders}) == 1:  # a folder around everything names no class
        folders = [folder[1:] for folder in folders]
    split_of = [_SPLITS.get(folder[0].lower()) if folder else None for folder in folders]
    published = "train" in split_of and None not in split_of
    classes = ["/".join(folder[1:] if published else folder) for folder in folders]
    label_names = tuple(sorted(set(classes)))
    number_of = {place: number for number, place in enumerate(places)}
    place_of = np.array([number_of[name.rpartition("/")[0]] for name in files])
    codes = np.array([label_names.index(name) for name in classes])[place_of] if len(label_names) > 1 else None
    splits = [split_of[number] for number in place_of]
    return ImageFiles(files, np.array(pages), read, splits, label_names if codes is not None else None, codes)


@contextlib.contextmanager
def opened_images(path: Path) -> Iterator[ImageFiles]:
    """Give the images of a folder or a zip archive, in the order of their names, while in here."""
    if path.is_dir():
        yield image_files(path, names_in(path), lambda name: read_plain(path / name))
        return
    with reading(path), zipfile.ZipFile(path) as archive:
        members = zip_members(archive, str(path))
        names = sorted(name for name in members if is_image(PurePosixPath(name).name))
        yield image_files(path, names, lambda name: archive.read(members[name]))


def names_in(path: Path) -> list[str]:
    """Return the paths of the images in a folder and the folders in it, in order."""
    return sorted(
        (Path(folder) / name).relative_to(path).as_posix()
        for folder, _, files in os.walk(path)
        for name in files
        if is_image(name)
    )


def _pages(read: Callable[[str], bytes], name: str) -> list[int]:
    """Return which pages of a file are samples; of one that cannot be read the first, whose error is told later."""
    if not name.lower().endswith((".tif", ".tiff")):
        return [0]
    with contextlib.suppress(*UNREADABLE):
        return pages_of(read(name))
    return [0]


def decoded(
    read: Callable[[str], bytes], name: str, pages: list[int], size: tuple[int, int] | None, mode: str
) -> Iterator[Array | Exception]:
    """Yield the pages of a file, or the error of each."""
    try:
        content = read(name)
    except UNREADABLE as error:
        yield from [error] * len(pages)
    else:
        yield from decode_pages(content, pages, size=size, mode=mode)


def is_image(name: str) -> bool:
    """Return whether a file is an image by its name."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def read_plain(path: Path) -> bytes:
    """Return the content of a file; DataError where it is a pipe or a device."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise DataError("not a plain file")
    return path.read_bytes()
