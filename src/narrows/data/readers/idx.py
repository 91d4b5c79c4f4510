"""IDX files, the format of MNIST: magic number, big-endian sizes, values."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from narrows.data.arrays import Array
from narrows.data.dataset import Dataset
from narrows.data.readers.arrays import from_arrays
from narrows.data.readers.checks import check_expansion, opened, read_exactly, reading, unsound

_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path) -> Dataset:
    """Read samples from an IDX file, gzip or not, with the labels and the test split in the files beside it, if any.

    Parameters
    ----------
    path
        Such as train-images-idx3-ubyte.gz. Beside it, `labels-idx1` in place of `images-idx3` names the labels, and
        `t10k` in place of `train` the test split.
    """

    def beside(*changes: tuple[str, str]) -> Array | None:
        name = path.name
        for old, new in changes:
            if old not in name:
                return None
            name = name.replace(old, new)
        bare = name.removesuffix(".gz")
        paths = [p for p in (path.with_name(bare), path.with_name(bare + ".gz")) if p.is_file()]
        return read_idx_file(paths[0]) if paths else None

    train = read_idx_file(path)
    if train.ndim < 2:
        raise unsound(path, f"hold samples; got a list of {len(train)} numbers. Name the images.")
    labels, test = ("images-idx3", "labels-idx1"), ("train", "t10k")
    arrays = {"train": train, "train_labels": beside(labels), "test": beside(test), "test_labels": beside(labels, test)}
    return from_arrays({role: array for role, array in arrays.items() if array is not None}, path)


def read_idx_file(path: Path) -> Array:
    """Read one IDX file (the format of MNIST: magic number, big-endian sizes, values), gzip or not."""
    with reading(path), opened(path) as stream:
        magic = bytes(read_exactly(stream, 4, str(path), last=False))
        if magic[:2] != b"\0\0" or magic[2] not in _IDX_TYPES or not 1 <= magic[3] <= 4:
            raise unsound(path, f"be an IDX file of 1 to 4 dimensions; got the first bytes {magic!r}.")
        dtype = np.dtype(_IDX_TYPES[magic[2]])
        shape = struct.unpack(f">{magic[3]}I", read_exactly(stream, 4 * magic[3], str(path), last=False))
        size = math.prod(shape) * dtype.itemsize
        check_expansion(str(path), path.stat().st_size, size)
        content = read_exactly(stream, size, str(path))
    return np.frombuffer(content, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
