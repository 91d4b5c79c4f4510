"""Array files: .npy and .npz. What a header states is checked against the size of the file."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.axes import axes_of, order_of, turned
from narrows.data.dataset import Dataset, RowIds, as_read
from narrows.data.readers.checks import read_exactly, reading, unsound, zip_members
from narrows.data.readers.roles import choose
from narrows.data.readers.sparse import is_sparse, matrix_of
from narrows.errors import DataError

_MAP_BYTES = 256 * 2**20  # .npy files from here on are memory-mapped by default


def read_npy(path: Path, *, transpose: bool = False, memory_map: bool | None = None) -> Dataset:
    """Read samples from a .npy file.

    Parameters
    ----------
    path
        The file: (N, D), (N, T, D), (N, H, W) or (N, H, W, C) or (N, C, H, W).
    transpose
        Whether samples lie along the last axis of a two-dimensional array.
    memory_map
        Leave the rows on disk until they are used. None: from 256 MiB on.
    """
    with reading(path):
        array = npy_array(path, memory_map)
    return as_read(as_samples(array.T if transpose else array, str(path)), source=str(path), **axes_of(array))


def npy_array(path: Path, memory_map: bool | None = None) -> Array:
    """Return the array of a .npy file, whose header is checked before memory is asked for; see `read_npy`."""
    shape, fortran, dtype, offset = _checked_header(path)
    order, expected = "F" if fortran else "C", math.prod(shape)
    size = path.stat().st_size
    if not expected:
        raise unsound(path, f"hold samples; got an array of shape {shape}.")
    array: Array = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape, order=order)  # type: ignore[call-overload]
    mapped = size >= _MAP_BYTES if memory_map is None else memory_map
    return array if mapped and dtype.isnative else np.array(array, order="C", subok=False)


def npy_header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and the type of a .npy file in C order, checked against its size."""
    with reading(path):
        shape, fortran, dtype, _ = _checked_header(path)
    if fortran:
        raise unsound(path, "be in C order; got Fortran's.")
    return shape, dtype


def _checked_header(path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, whether it is in Fortran's order, type, and where values begin; the size of the file must fit."""
    with path.open("rb") as stream:
        size = path.stat().st_size
        shape, fortran, dtype = _npy_header(stream, str(path))
        offset = stream.tell()
    expected = math.prod(shape) * dtype.itemsize
    if expected != size - offset:
        raise unsound(
            path,
            f"hold the {expected} bytes that its header states; "
            f"got {size - offset}. It is damaged or not finished: write it again.",
        )
    return shape, fortran, dtype, offset


def read_npz(path: Path, *, variable: str | None = None, label: str | None = None, transpose: bool = False) -> Dataset:
    """Read samples from a .npz file, with the labels and the test and validation splits in it.

    Parameters
    ----------
    path
        The file. Names that are recognised: X, data, images or train; X_test or test; X_valid or valid; y, labels or
        target; y_train, y_test, y_valid; or the only array of two or more dimensions. Arrays a0, a1, a2, ... that
        differ in length are a sample each. Sparse matrices of scipy are made dense.
    variable
        Name of the array of samples, where it is none of those.
    label
        Name of the array of labels, where it is none of those.
    transpose
        Whether samples lie along the last axis of a two-dimensional array.
    """
    with reading(path), zipfile.ZipFile(path) as archive:
        members = {name.removesuffix(".npy"): member for name, member in zip_members(archive, str(path)).items()}
        if not members:
            raise unsound(path, "hold at least one array; got an empty archive.")
        headers: dict[str, tuple[int, ...]] = {}
        for name, member in members.items():
            with archive.open(member) as stream:
                headers[name], _, _ = _npy_header(stream, f"{name!r} in {path}", text=True)

        def read(name: str) -> Array:
            return _npz_array(archive, members[name], f"{name!r} in {path}")

        if is_sparse(set(headers)):
            parts = {name: read(name) for name in headers}
            kind = parts["format"].reshape(-1)[0]
            form = kind.decode() if isinstance(kind, bytes) else str(kind)
            matrix = matrix_of(form, parts["shape"], parts, path, transpose=transpose)
            return as_read(as_samples(matrix, str(path)), source=str(path))
        if variable is None and (series := _numbered(headers)):
            ids = RowIds("array", np.array(series), np.arange(len(series)))
            return from_samples([read(name) for name in series], path, row_ids={"train": ids})
        arrays = {role: read(name) for role, name in choose(headers, variable, label, str(path)).items()}
    return from_arrays(arrays, path, transpose=transpose)


def _numbered(shapes: dict[str, tuple[int, ...]]) -> list[str]:
    """Return the names of arrays that are a sample each, in order: arr_0, arr_1, ... of different lengths."""
    parts = [re.fullmatch(r"(\D*)(\d+)", name) for name in shapes]
    if len(shapes) < 2 or not all(parts) or len({part[1] for part in parts if part}) > 1:
        return []
    if len({shape[1:] for shape in shapes.values()}) > 1 or (len(set(shapes.values())) == 1 and len(shapes) < 3):
        return []
    return sorted(shapes, key=lambda name: int(re.sub(r"\D", "", name)))


def from_samples(arrays: list[Array], path: Path, **rest: Any) -> Dataset:
    """Return a data set of arrays that are a sample each: of one shape, or sequences (T_i, D) of different lengths."""
    if not arrays:
        raise unsound(path, "hold samples; got none.")
    if len({array.shape for array in arrays}) == 1:
        return as_read(as_samples(np.stack(arrays), str(path)), source=str(path), **rest)
    arrays = [array[:, None] if array.ndim == 1 else array for array in arrays]
    if len({array.shape[1:] for array in arrays}) > 1 or any(array.ndim != 2 or not array.size for array in arrays):
        shapes = ", ".join(map(str, sorted({array.shape for array in arrays})[:4]))
        raise unsound(path, f"hold samples of one shape, or sequences (T, D) with the same D; got {shapes}, ...")
    return as_read(sequences([as_samples(array, str(path)) for array in arrays]), source=str(path), **rest)


def sequences(arrays: Sequence[Array]) -> Array:
    """Return arrays of different lengths as one array of objects, so that rows can be picked from it."""
    packed = np.empty(len(arrays), dtype=object)
    for i, array in enumerate(arrays):
        packed[i] = array
    return packed


def read_npz_arrays(path: Path, names: tuple[str, ...]) -> dict[str, Array]:
    """Read the arrays of these names from a .npz file; texts of fixed length are allowed here."""
    with reading(path), zipfile.ZipFile(path) as archive:
        members = zip_members(archive, str(path))
        missing = [name for name in names if f"{name}.npy" not in members]
        if missing:
            raise unsound(path, f"hold the arrays {', '.join(names)}; got none named {missing[0]!r}.")
        return {name: _npz_array(archive, members[f"{name}.npy"], f"{name!r} in {path}", text=True) for name in names}


def as_samples(array: Array, what: str, order: str | None = None) -> Array:
    """Return numeric samples of a shape that models take, or raise DataError.

    `order` is that of the axes of images, where it is known; None to recognise it.

    One-dimensional arrays become (N, 1); images (N, H, W) and (N, H, W, C) become (N, C, H, W), see `axes.order_of`.
    uint8, images of uint16 and floats stay as they are, NaN too. Other integers become float32 up to 16 bits and
    float64 beyond: float32 would round times and coordinates larger than 2**24.
    """
    if array.dtype.kind not in "buif":
        raise DataError(
            f"load_dataset: {what} must hold real numbers; got an array of type {array.dtype}. Convert it first."
        )
    if not 1 <= array.ndim <= 4:
        raise DataError(f"load_dataset: {what} must have 1 to 4 dimensions, samples first; got shape {array.shape}.")
    if not array.size:
        raise DataError(f"load_dataset: {what} must hold samples; got shape {array.shape}.")
    if array.ndim == 1:
        array = array[:, None]
    array = turned(array, order or order_of(array))
    deep = array.ndim == 4 and array.dtype == np.uint16  # whose range is the scale
    if array.dtype.kind in "biu" and array.dtype != np.uint8 and not deep:
        wide = np.float32 if array.dtype.itemsize <= 2 else np.float64
        array = np.asarray(array.astype(wide))  # of a memory map, astype keeps only the type
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    return array


def as_labels(values: Array, rows: int, what: str) -> tuple[Array, tuple[str, ...] | None]:
    """Return one label per row: whole numbers as int64, other numbers as float64, texts as int64 with their names."""
    values = values.reshape(-1) if values.ndim == 2 and 1 in values.shape else values
    if values.shape != (rows,):
        raise DataError(
            f"load_dataset: {what} must hold one label for each of the {rows} samples; got shape {values.shape}."
        )
    if values.dtype.kind in "US":
        names, codes = np.unique(values.astype(np.str_), return_inverse=True)
        return codes.astype(np.int64), tuple(str(name) for name in names)
    if values.dtype.kind not in "buif":
        raise DataError(f"load_dataset: {what} must hold numbers or texts; got an array of type {values.dtype}.")
    if values.dtype.kind == "f":
        whole = np.isfinite(values).all() and (values == np.round(values)).all() and (np.abs(values) < 2**53).all()
        return (values.astype(np.int64) if whole else values.astype(np.float64)), None
    return values.astype(np.int64), None


def _npy_header(stream: IO[bytes], what: str, *, text: bool = False) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Parse the header of a .npy stream with numpy's own parser (literals only), and check what it claims."""
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise DataError(
            f"load_dataset: {what} must be of .npy version 1 or 2; got {version}. Save it as a plain array."
        )
    shape, fortran, dtype = readers[version](stream)
    if dtype.hasobject:
        raise DataError(
            f"load_dataset: {what} must hold numbers; got Python objects, which could run code when loaded. Save "
            "numbers; sequences of different lengths as arrays of their own: np.savez(path, *sequences)."
        )
    if dtype.names is not None or dtype.subdtype is not None or dtype.kind not in ("buifUS" if text else "buif"):
        raise DataError(f"load_dataset: {what} must hold real numbers; got type {dtype}. Save it as a plain array.")
    if any(type(n) is not int or n < 0 for n in shape):
        raise DataError(f"load_dataset: {what} must have sizes of 0 or more; got shape {shape}.")
    return tuple(shape), fortran, dtype


def _npz_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, what: str, *, text: bool = True) -> Array:
    with archive.open(member) as stream:
        shape, fortran, dtype = _npy_header(stream, what, text=text)
        expected, size = math.prod(shape) * dtype.itemsize, member.file_size - stream.tell()
        if expected != size:
            raise DataError(f"load_dataset: {what} must hold the {expected} bytes that its header states; got {size}.")
        content = read_exactly(stream, expected, what)
    array: Array = np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if fortran else "C")
    return np.ascontiguousarray(array, dtype=dtype.newbyteorder("="))


def from_arrays(arrays: dict[str, Array], path: Path, *, transpose: bool = False) -> Dataset:
    """Return a data set from arrays by role: train, test, validation, and each with `_labels`."""
    order = order_of(arrays["train"])
    rows: dict[str, Array] = {
        split: as_samples(
            arrays[split].T if transpose else arrays[split],
            f"{split!r} in {path}",
            order if arrays[split].ndim == arrays["train"].ndim else None,
        )
        for split in ("train", "test", "validation")
        if split in arrays
    }
    for split, samples in rows.items():
        if samples.shape[1:] != rows["train"].shape[1:]:
            raise DataError(
                f"load_dataset: {split!r} in {str(path)!r} must have samples of shape {rows['train'].shape[1:]}; "
                f"got {samples.shape[1:]}."
            )
    labels = {split: arrays[f"{split}_labels"] for split in rows if f"{split}_labels" in arrays}
    coded, names = _coded_together(labels, {split: len(samples) for split, samples in rows.items()}, path)
    parts: dict[str, Any] = {**rows, **{f"{split}_labels": values for split, values in coded.items()}}
    return as_read(**parts, label_names=names, source=str(path), how="as in the file", **axes_of(arrays["train"]))


def _coded_together(
    labels: dict[str, Array], rows: dict[str, int], path: Path
) -> tuple[dict[str, Array], tuple[str, ...] | None]:
    """Code the labels of all splits with one list of names."""
    if not labels:
        return {}, None
    flat = [values.reshape(-1) for values in labels.values()]
    coded, names = as_labels(np.concatenate(flat), sum(rows[split] for split in labels), f"the labels in {path}")
    ends = np.cumsum([len(values) for values in flat])
    return dict(zip(labels, np.split(coded, ends[:-1]), strict=True)), names
