"""Rows that `narrows encode` reads part by part: images file by file, arrays on the disk slice by slice."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from narrows.cli.arguments import Source
from narrows.cli.samples import Samples, samples_of
from narrows.data import DATASETS, RowIds
from narrows.data.arrays import Array
from narrows.data.readers.checks import as_text
from narrows.data.readers.formats import reads_images
from narrows.data.readers.image_files import ImageFiles, opened_images
from narrows.data.readers.images import check_mode, decode_all, image_size
from narrows.errors import DataError
from narrows.runs import Run
from narrows.runs.dataset import class_numbers, form_of

VALUES, MOST = 2**24, 2**14
"""Values of samples, and rows, of a part at most: the memory that it takes, and what is lost by a kill."""
OF_IMAGES = {"size", "mode", "strict"}
"""Options with which images are read one by one; others need all of them."""
THREADS = 4
"""Which decode images at the same time, at most."""


@dataclass
class Rows:
    """Samples that are read part by part, in order."""

    count: int
    identity: dict[str, Any]
    """What tells these rows from others, fit for JSON."""
    label_names: tuple[str, ...] | None = None
    what: str = "samples"
    """What they are, in words."""
    left_out: list[str] = field(default_factory=list)
    """One "name: reason" for every malformed image that was met."""

    def parts(self, start: int, size: int) -> Generator[Samples, None, None]:
        """Yield the samples from row `start` on, `size` rows at a time; of malformed images there may be none."""
        raise NotImplementedError


@dataclass
class LoadedRows(Rows):
    """Rows of a data set: in memory, or in an array on the disk, of which a slice is read at a time."""

    samples: Samples | None = None

    def parts(self, start: int, size: int) -> Generator[Samples, None, None]:
        """Yield slices."""
        assert self.samples is not None
        split, X, y, ids = self.samples
        for first in range(start, self.count, size):
            rows = slice(first, first + size)
            yield Samples(split, X[rows], None if y is None else y[rows], ids.take(rows))


@dataclass
class ImageRows(Rows):
    """Image files of a folder or an archive, decoded while those before them are encoded."""

    files: ImageFiles | None = None
    size: tuple[int, int] | None = None
    mode: str = "auto"
    strict: bool = False
    labels: Array | None = None
    """(N,): classes by the numbers that they have in the run."""

    def parts(self, start: int, size: int) -> Generator[Samples, None, None]:
        """Yield decoded images, a part ahead of those that are asked for."""
        assert self.files is not None
        decode = partial(self.files.decode, size=self.size, mode=self.mode)
        with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
            ahead: list[Future[Any]] = []
            for first in range(start, self.count + size, size):
                decoded, ahead = ahead, [pool.submit(decode, i) for i in range(first, min(first + size, self.count))]
                if decoded:
                    yield self._samples(first - size, decoded)

    def _samples(self, first: int, decoded: list[Future[Any]]) -> Samples:
        assert self.files is not None
        images = [future.result() for future in decoded]
        sound = [i for i, image in enumerate(images) if not isinstance(image, Exception)]
        names = [as_text(self.files.name(first + i)) for i in range(len(images))]
        bad = [f"{names[i]}: {image}" for i, image in enumerate(images) if isinstance(image, Exception)]
        if bad and self.strict:
            raise DataError(f"encode: images must be sound; got {bad[0]}. Remove it, or leave strict out to skip it.")
        self.left_out += bad
        X = np.empty((0, 1, 1, 1), np.uint8)
        if sound:
            X, _, _ = decode_all([names[i] for i in sound], (images[i] for i in sound), strict=True)
        rows = first + np.array(sound, np.int64)
        ids = RowIds("file", np.array([names[i] for i in sound], np.str_), rows)
        return Samples("", X, None if self.labels is None else self.labels[rows], ids)


def part_size(sample_shape: tuple[int, ...]) -> int:
    """Return the rows of a part, by the shape of a sample alone."""
    return max(1, min(VALUES // max(1, int(np.prod(sample_shape))), MOST))


@contextlib.contextmanager
def rows_of(run: Run, source: Source) -> Iterator[Rows]:
    """Give the rows that flags name, for a run's model, while in here; see `narrows.cli.samples.samples_of`."""
    data = source.data
    if data is None or data in DATASETS or source.split not in (None, "all") or not reads_images(data):
        yield _loaded(run, source)
        return
    options = {**form_of(run), **source.options}
    if options.keys() - OF_IMAGES:
        yield _loaded(run, source)
        return
    with opened_images(Path(data)) as files:
        codes, names = files.codes, files.label_names
        labels = None
        if codes is not None and names is not None:
            names = tuple(map(as_text, names))
            table, names = class_numbers(run, names, data)
            labels = table[codes]
        digest = hashlib.sha256()
        for i in range(len(files)):
            digest.update(f"{files.name(i)}\n".encode("utf-8", "surrogateescape"))
        identity = {"data": str(Path(data).absolute()), "names": digest.hexdigest(), "options": options}
        check_mode(mode := str(options.get("mode", "auto")))
        yield ImageRows(
            len(files), identity, names, _counted(len(files), "image"), files=files,
            size=image_size(options.get("size")), mode=mode,
            strict=bool(options.get("strict", False)), labels=labels,
        )  # fmt: skip


def _loaded(run: Run, source: Source) -> Rows:
    dataset = source.dataset(run)
    samples = samples_of(dataset, source)
    name = str(source.data or run.record["data"]["name"])
    identity = {
        "data": name, "split": source.split, "options": source.options, "rows": len(samples.X),
        "shape": dataset.sample_shape, "file": _stamp(Path(dataset.source)) or _stamp(Path(name)),
    }  # fmt: skip
    return LoadedRows(len(samples.X), identity, dataset.label_names, samples.what, samples=samples)


def _stamp(path: Path) -> list[int] | None:
    """Return the size of a file and the time of its last change; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns]


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' if n != 1 else ''}"
