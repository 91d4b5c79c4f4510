"""What can be packed into shards: images, tables, arrays and streams of arrays, cut into parts of a bounded size."""

from __future__ import annotations

import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from narrows.data.arrays import Array
from narrows.data.axes import order_of
from narrows.data.readers.arrays import as_labels, as_samples, npy_array
from narrows.data.readers.checks import as_text, reading, unsound
from narrows.data.readers.image_files import decoded as decode_file
from narrows.data.readers.image_files import opened_images, read_plain
from narrows.data.readers.images import image_size
from narrows.data.shards import SPLITS
from narrows.data.types_stored import StoredColumn
from narrows.errors import DataError

SHARD = 2**26
"""Bytes of the samples of a shard, about."""


class Block(NamedTuple):
    """The rows of a shard."""

    x: Array
    y: Array | None = None
    ids: Array | None = None
    """UTF-8."""
    skipped: tuple[str, ...] = ()
    """One "name: reason" for every sample that could not be read."""
    names: tuple[str, ...] = ()
    """Of the classes that have been met so far, where they have names."""


class Task(NamedTuple):
    """What becomes a shard: parts of the source from `start` to `stop`, and the split that their rows are of."""

    split: str
    start: int
    stop: int


class Form(NamedTuple):
    """What samples are."""

    shape: tuple[int, ...]
    dtype: str
    columns: tuple[str, ...] | None = None
    labels: str | None = None
    """The type of the labels, where there are any."""
    ids: str | None = None
    """What ids are, where there are any."""
    notes: tuple[str, ...] = ()
    table: tuple[StoredColumn, ...] | None = None
    """What numbers stand for, where columns have types of their own."""


@dataclass
class Source(ABC):
    """Samples that are read part by part, in any order."""

    name: str
    options: Mapping[str, Any]
    tasks: list[Task] = field(init=False, default_factory=list)
    form: Form = field(init=False)
    label_names: tuple[str, ...] | None = field(init=False, default=None)
    sendable = True
    """Whether another process can read it too."""

    @property
    def description(self) -> dict[str, Any]:
        """Return what an interrupted pack goes on by: the same source, options, form and shards."""
        return {
            "source": self.name, "options": dict(self.options), "form": [*self.form[:-1], repr(self.form.table)],
            "shards": len(self.tasks),
        }  # fmt: skip

    @abstractmethod
    def block(self, task: Task) -> Block:
        """Read the rows of a shard."""


class Stream(Source):
    """Samples that come one after the other, and of which nothing is known before."""

    sendable = False

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """Yield the rows of one shard after the other."""

    def block(self, task: Task) -> Block:
        """Streams have no tasks."""
        raise NotImplementedError


def cut(n: int, size: int, split: str = "train", start: int = 0) -> list[Task]:
    """Return tasks of at most `size` parts each."""
    return [Task(split, first, min(first + size, start + n)) for first in range(start, start + n, size)]


def utf8(names: list[str]) -> Array:
    """Return names as bytes."""
    return np.array([name.encode("utf-8", "surrogateescape") for name in names])


@dataclass
class Images(Source):
    """A folder or a zip archive of images: sub-folders are splits and classes, and malformed images are left out."""

    def __post_init__(self) -> None:
        with opened_images(Path(self.name)) as images:
            order = list(range(len(images)))
            splits = [str(split) for split in images.splits] if images.published else ["train"] * len(images)
            if images.published:
                order.sort(key=lambda i: (SPLITS.index(splits[i]), i))
            self.files, self.pages = [images.files[i] for i in order], images.pages[order]
            self.names = [images.name(i) for i in order]
            self.label_names, self.codes = images.label_names, None
            if images.codes is not None and images.label_names is not None:
                self.codes = images.codes[order].astype(np.min_scalar_type(len(images.label_names)))
            decoded = (self._decoded(images.read, number) for number in range(len(images)))
            first = next((image for image in decoded if not isinstance(image, Exception)), None)
        if first is None:
            raise unsound(Path(self.name), "hold a sound image; got none.")
        dtype = np.dtype(np.float32) if first.dtype == np.int32 else first.dtype
        self.form = Form(
            first.shape, str(dtype), labels=None if self.codes is None else str(self.codes.dtype), ids="file"
        )
        start, size = 0, max(1, SHARD // (first.size * dtype.itemsize))
        for split in SPLITS:
            self.tasks += cut(splits.count(split), size, split, start)
            start += splits.count(split)

    def _decoded(self, read: Callable[[str], bytes], number: int) -> Array | Exception:
        sides, mode = image_size(self.options.get("size")), self.options.get("mode", "auto")
        (image,) = decode_file(read, self.files[number], [max(0, int(self.pages[number]))], sides, mode)
        return image

    def block(self, task: Task) -> Block:
        """Decode the images of a shard."""
        path = Path(self.name)
        if path.is_dir():
            return self._block(task, lambda name: read_plain(path / name))
        with zipfile.ZipFile(path) as archive:
            return self._block(task, archive.read)

    def _block(self, task: Task, read: Callable[[str], bytes]) -> Block:
        images = np.empty((task.stop - task.start, *self.form.shape), self.form.dtype)
        there: list[int] = []
        skipped: list[str] = []
        for number in range(task.start, task.stop):
            image = self._decoded(read, number)
            if isinstance(image, Exception):
                skipped.append(f"{as_text(self.names[number])}: {image}")
                continue
            images[len(there)] = self._alike(image, self.names[number])
            there.append(number)
        y = None if self.codes is None else self.codes[there]
        return Block(images[: len(there)], y, utf8([self.names[i] for i in there]), tuple(skipped))

    def _alike(self, image: Array, name: str) -> Array:
        shape, dtype = self.form.shape, np.dtype(self.form.dtype)
        grey = image.shape == (1, *shape[1:]) and shape[0] == 3
        if (image.shape != shape and not grey) or not np.can_cast(
            image.dtype, dtype, "safe" if dtype.kind == "u" else "same_kind"
        ):
            what = "x".join(map(str, image.shape))
            raise DataError(
                f"pack: images must be as the first one, {'x'.join(map(str, shape))} of {dtype}; got {what} of "
                f"{image.dtype} ({name!r}). Bring them to one form: --size, --mode grey or rgb."
            )
        return image


@dataclass
class Npy(Source):
    """A `.npy` file, which is mapped."""

    def __post_init__(self) -> None:
        array = self._array()
        self.order = order_of(array)
        first = as_samples(array[:1], self.name, self.order)
        self.form = Form(first.shape[1:], str(first.dtype))
        self.tasks = cut(len(array), max(1, SHARD // first.nbytes))

    def _array(self) -> Array:
        with reading(Path(self.name)):
            return npy_array(Path(self.name), memory_map=True)

    def block(self, task: Task) -> Block:
        """Copy the rows of a shard."""
        return Block(np.array(as_samples(self._array()[task.start : task.stop], self.name, self.order), subok=False))


class Arrays(Stream):
    """Arrays (n, *shape), or pairs of such an array and labels, from an iterable."""

    def __init__(
        self, items: Iterable[Any], options: Mapping[str, Any], *, name: str = "arrays",
        columns: tuple[str, ...] | None = None, names: tuple[str, ...] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(name, options)
        self.items, self.columns, self.label_names = items, columns, names
        self.tasks = []

    @property
    def description(self) -> dict[str, Any]:
        """Return the name alone: what arrays hold is known once they have come."""
        return {"source": self.name, "options": {}}

    def blocks(self) -> Iterator[Block]:
        """Yield rows gathered to shards."""
        return gathered(self, self._blocks())

    def _blocks(self) -> Iterator[Block]:
        order: str | None = None
        for number, item in enumerate(self.items):
            x, y = item if isinstance(item, tuple) else (item, None)
            if isinstance(x, str | bytes) or np.ndim(x) < 1:
                raise DataError(
                    f"pack: source must give arrays (n, *shape); got {type(x).__name__}. Give blocks of rows."
                )
            array = np.asarray(x)
            order = order_of(array) if number == 0 else order
            rows = as_samples(array, f"array {number}", order)
            labels = None if y is None else as_labels(np.asarray(y), len(rows), f"labels {number}")[0]
            yield Block(rows, labels)


def gathered(source: Source, blocks: Iterator[Block]) -> Iterator[Block]:
    """Yield rows in shards of the same size, whatever pieces they come in; the first piece says what samples are."""
    kept: list[Block] = []
    size = count = 0
    for block in blocks:
        x = block.x
        if not kept and not size:
            size = max(1, SHARD // max(1, x[:1].nbytes))
            labels = None if block.y is None else str(block.y.dtype)
            known = source.form if "form" in vars(source) else Form(x.shape[1:], str(x.dtype), labels=labels)
            columns = getattr(source, "columns", None)
            source.form = known if columns is None else known._replace(columns=columns)
        form = source.form
        if x.shape[1:] != form.shape or str(x.dtype) != form.dtype or (block.y is None) != (form.labels is None):
            raise DataError(
                f"pack: arrays must be as the first one, samples of {form.shape} of {form.dtype}, with labels or "
                f"without; got samples of {x.shape[1:]} of {x.dtype}."
            )
        kept.append(block)
        count += len(x)
        while count >= size:
            whole = _joined(kept)
            yield _rows(whole, slice(size))
            kept, count = [_rows(whole, slice(size, None))], count - size
    if count:
        yield _joined(kept)


def _joined(blocks: list[Block]) -> Block:
    def part(name: str) -> Array | None:
        arrays = [getattr(block, name) for block in blocks]
        return None if arrays[0] is None else np.concatenate(arrays)

    x = part("x")
    assert x is not None
    return Block(x, part("y"), part("ids"), names=blocks[-1].names)


def _rows(block: Block, rows: slice) -> Block:
    y, ids = (None if part is None else part[rows] for part in (block.y, block.ids))
    return Block(block.x[rows], y, ids, names=block.names)
