"""MATLAB's .mat files of versions 4 to 7.2: real numeric matrices, and nothing else.

Read here rather than by scipy, whose compiled reader can be made to crash the interpreter by a damaged file.
Format: "MAT-File Format", The MathWorks; elements are a type, a number of bytes and the bytes.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from narrows.data.arrays import Array
from narrows.data.dataset import Dataset
from narrows.data.readers.arrays import from_arrays
from narrows.data.readers.checks import check_expansion, reading, unsound
from narrows.data.readers.hdf5 import read_mat73
from narrows.data.readers.roles import choose
from narrows.errors import DataError

_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_OTHER = {1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse"}
_VERSION_4 = ("f8", "f4", "i4", "i2", "u2", "u1")
_MATRIX, _COMPRESSED = 14, 15
_COMPLEX = 0x0800


def read_mat(path: Path, *, variable: str | None = None, label: str | None = None, transpose: bool = False) -> Dataset:
    """Read samples from a MATLAB file; those of version 7.3 are HDF5 files, and need h5py.

    Parameters
    ----------
    path
        The file. An array of images (H, W, C, N) is turned to (N, C, H, W).
    variable
        Name of the array of samples; otherwise `X` or another usual name, or the only numeric matrix.
    label
        Name of the array of labels; otherwise `y` or another usual name.
    transpose
        Whether samples are the columns of the matrix.
    """
    with path.open("rb") as stream:
        start = stream.read(520)
    if start[512:520] == b"\x89HDF\r\n\x1a\n" or start[:4] == b"\x89HDF":
        return read_mat73(path, variable=variable, label=label, transpose=transpose)
    with reading(path):
        content = memoryview(path.read_bytes())
        if len(content) < 20:
            raise unsound(path, f"be a MATLAB file; got {len(content)} bytes.")
        variables = dict(_version_4(content) if 0 in content[:4] else _version_5(content, path))
        matrices = {name: a for name, a in variables.items() if a is not None}
        if not matrices:
            raise unsound(path, f"hold a real numeric matrix; got {', '.join(variables) or 'nothing'}.")
        wanted = choose({name: a.shape for name, a in matrices.items()}, variable, label, str(path))
        arrays = {role: matrices[name] for role, name in wanted.items()}
    if arrays["train"].ndim == 4 and not transpose:
        arrays = {role: np.moveaxis(a, 3, 0) if a.ndim == 4 else a for role, a in arrays.items()}
    return from_arrays(arrays, path, transpose=transpose)


def _version_5(content: memoryview, path: Path) -> Iterator[tuple[str, Array | None]]:
    """Yield every variable by name: a matrix, or None for what is no real numeric matrix."""
    order = {b"IM": "<", b"MI": ">"}.get(bytes(content[126:128]))
    if order is None or bytes(content[:6]) != b"MATLAB":
        raise unsound(path, "be a MATLAB file; got another beginning.")
    if struct.unpack(f"{order}H", content[124:126])[0] != 0x0100:
        raise unsound(path, "be of version 7.2 or before; got 7.3. Save it with -v7.")
    at = 128
    while at < len(content):
        kind, data, at = _element(content, at, order, path)
        if kind == _COMPRESSED:
            unpacker = zlib.decompressobj()
            size = struct.unpack(f"{order}2I", unpacker.decompress(data, 8))[1]
            check_expansion(str(path), len(data), size)
            inner = unpacker.decompress(unpacker.unconsumed_tail, size) if size else b""
            rest = unpacker.decompress(unpacker.unconsumed_tail, 1)  # reads on to the checksum
            if len(inner) != size or rest or not unpacker.eof:
                raise _truncated(path)
            data = memoryview(inner)
        elif kind != _MATRIX:
            continue
        if len(data):
            yield _matrix(data, order, path)


def _matrix(data: memoryview, order: str, path: Path) -> tuple[str, Array | None]:
    _, flags, at = _element(data, 0, order, path)
    _, sizes, at = _element(data, at, order, path)
    _, name, at = _element(data, at, order, path)
    label = bytes(name).decode("latin-1")
    word = struct.unpack(f"{order}I", flags[:4])[0]
    kind = word & 0xFF
    if kind not in _CLASSES or word & _COMPLEX:
        return f"{label} ({_OTHER.get(kind, 'complex or unknown')})", None
    stored, values, _ = _element(data, at, order, path)
    shape = tuple(int(n) for n in np.frombuffer(sizes, f"{order}i4"))
    if stored not in _STORED or any(n < 0 for n in shape) or not 2 <= len(shape) <= 32:
        raise DataError(f"load_dataset: {label!r} in {str(path)!r} must be a matrix; got type {stored}, sizes {shape}.")
    dtype = np.dtype(order + _STORED[stored])
    if math.prod(shape) * dtype.itemsize != len(values):
        raise DataError(
            f"load_dataset: {label!r} in {str(path)!r} must hold {math.prod(shape)} values; got {len(values)} bytes."
        )
    array = np.frombuffer(values, dtype).reshape(shape, order="F")
    return label, array.astype(_CLASSES[kind])  # whole numbers are stored in fewer bytes than their class has


def _element(content: memoryview, at: int, order: str, path: Path) -> tuple[int, memoryview, int]:
    """Return type and bytes of the element at a place, and the place of the next."""
    if at + 8 > len(content):
        raise _truncated(path)
    kind, size = struct.unpack(f"{order}2I", content[at : at + 8])
    if kind >> 16:  # up to four bytes within the tag itself
        kind, size, start, after = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        if size > 4:
            raise unsound(path, f"be a sound MATLAB file; got {size} bytes in a tag.")
    else:
        start = at + 8
        after = start + size + (0 if kind == _COMPRESSED else -size % 8)
    if start + size > len(content):
        raise _truncated(path)
    return kind, content[start : start + size], after


def _version_4(content: memoryview) -> Iterator[tuple[str, Array | None]]:
    at = 0
    while at < len(content):
        order = "<" if 0 <= struct.unpack("<i", content[at : at + 4])[0] < 5000 else ">"
        code, rows, columns, imaginary, length = struct.unpack(f"{order}5i", content[at : at + 20])
        machine, stored, layout = code // 1000, code // 10 % 10, code % 10
        if machine not in (0, 1) or stored >= len(_VERSION_4) or min(rows, columns) < 0 or not 1 <= length <= 256:
            raise ValueError("a header that is none of MATLAB's")
        start = at + 20 + length
        name = bytes(content[at + 20 : start]).split(b"\0")[0].decode("latin-1")
        dtype = np.dtype(order + _VERSION_4[stored])
        after = start + rows * columns * dtype.itemsize * (2 if imaginary else 1)
        if after > len(content):
            raise EOFError("it is cut short")
        if layout or imaginary:
            yield f"{name} ({'text or sparse' if layout else 'complex'})", None
        else:
            values = np.frombuffer(content[start:after], dtype).reshape((rows, columns), order="F")
            yield name, values.astype(dtype.newbyteorder("="))
        at = after


def _truncated(path: Path) -> DataError:
    return unsound(path, "be a complete MATLAB file; it is cut short. Fetch it again.")
