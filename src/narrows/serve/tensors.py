"""Tensors of the Open Inference Protocol as numpy arrays, from JSON and from bytes, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.errors import DataError

DATATYPES = {
    "BOOL": "bool", "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64", "INT8": "int8",
    "INT16": "int16", "INT32": "int32", "INT64": "int64", "FP16": "float16", "FP32": "float32", "FP64": "float64",
    "BYTES": "object",
}  # fmt: skip
"""Datatypes of the protocol, and numpy's names of them."""
NAMES = {numpy: name for name, numpy in DATATYPES.items()}
MOST_AXES = 8
LONGEST = 2**24
"""Values that a tensor may have: each takes a byte of a body at least."""


def datatype_of(dtype: np.dtype[Any]) -> str:
    """Return the datatype of numpy's type; of text it is BYTES."""
    return NAMES.get(dtype.name, "BYTES")


def numpy_type(name: str, datatype: Any) -> np.dtype[Any]:
    """Return numpy's type for a datatype, little-endian. Raises: DataError for others."""
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise DataError(f"{name}: datatype must be one of {', '.join(DATATYPES)}; got {_short(datatype)}.")
    return np.dtype(DATATYPES[datatype]).newbyteorder("<")


def check_shape(name: str, shape: Any) -> tuple[int, ...]:
    """Return a shape. Raises: DataError where it is none, or holds more values than a body can."""
    sound = isinstance(shape, list) and len(shape) <= MOST_AXES and all(type(n) is int and n >= 0 for n in shape)
    if not sound or math.prod(n for n in shape if n) > LONGEST:
        raise DataError(
            f"{name}: shape must be at most {MOST_AXES} whole numbers >= 0, and at most {LONGEST:,} values; got "
            f"{_short(shape)}."
        )
    return tuple(shape)


def from_json(name: str, data: Any, datatype: Any, shape: tuple[int, ...]) -> Array:
    """Return the tensor that a list of values holds, flat or nested as its shape is.

    Raises
    ------
    DataError
        The values are more or fewer than the shape has, or do not fit the datatype.
    """
    dtype = numpy_type(name, datatype)
    if not isinstance(data, list):
        raise DataError(f"{name}: data must be a list of values; got {_short(data)}.")
    if dtype.kind == "O":
        return _texts(name, data, shape)
    try:
        values = np.array(data) if data else np.empty(0, dtype)
    except (ValueError, OverflowError):
        values = np.empty(0, object)
    if values.dtype.kind not in "biuf" or (values.dtype.kind == "b") != (dtype.kind == "b" and bool(data)):
        kind = "true and false" if dtype.kind == "b" else "numbers"
        raise DataError(f"{name}: data must hold {kind}, as many on every axis; got {_short(data)}.")
    with np.errstate(over="ignore", invalid="ignore"):
        cast = values.astype(dtype)
    # Values beyond the type would be others; a float that is rounded to a shorter one is not.
    changed = cast != values if dtype.kind in "iu" else np.isinf(cast) & ~np.isinf(values)
    if changed.any():
        raise DataError(f"{name}: data must hold values of {datatype}; got {values[changed][0]}.")
    return _shaped(name, cast, shape)


def from_bytes(name: str, content: memoryview, datatype: Any, shape: tuple[int, ...]) -> Array:
    """Return the tensor that bytes hold, in order, little-endian. Raises: DataError where their number is another."""
    dtype = numpy_type(name, datatype)
    if dtype.kind == "O":
        return _texts(name, list(_elements(name, content)), shape)
    expected = math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise DataError(
            f"{name}: {datatype} of shape {list(shape)} must have {expected:,} bytes; got {len(content):,}."
        )
    array = np.frombuffer(content, dtype).reshape(shape)
    return array != 0 if dtype.kind == "b" else array


def to_bytes(array: Array) -> bytes:
    """Return the bytes of a tensor."""
    if datatype_of(array.dtype) == "BYTES":
        texts = [str(value).encode() for value in array.ravel().tolist()]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _elements(name: str, content: memoryview) -> Sequence[bytes]:
    """Return the elements of a BYTES tensor, before each of which stand its length in 4 bytes."""
    elements, at = [], 0
    while at < len(content):
        end = at + 4 + int.from_bytes(content[at : at + 4], "little")
        if at + 4 > len(content) or end > len(content):
            raise DataError(f"{name}: BYTES must be elements after their lengths of 4 bytes; got an end within one.")
        elements.append(bytes(content[at + 4 : end]))
        at = end
    return elements


def _texts(name: str, data: Sequence[Any], shape: tuple[int, ...]) -> Array:
    """Return texts as an array of objects; bytes are UTF-8."""
    flat = np.array(data, dtype=object).ravel() if data else np.empty(0, object)
    texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in flat.tolist()]
    if not all(isinstance(text, str) for text in texts):
        raise DataError(f"{name}: data of BYTES must hold texts; got {_short(data)}.")
    array = np.empty(len(texts), object)
    array[:] = texts
    return _shaped(name, array, shape)


def _shaped(name: str, values: Array, shape: tuple[int, ...]) -> Array:
    if values.size != math.prod(shape) or (values.ndim > 1 and values.shape != shape):
        raise DataError(
            f"{name}: data must have the values of its shape {list(shape)}; got {values.size:,} of shape "
            f"{list(values.shape)}."
        )
    return values.reshape(shape)


def _short(value: Any) -> str:
    text = repr(value[:10] if isinstance(value, list) else value)
    return text if len(text) <= 80 else f"{text[:80]}..."
