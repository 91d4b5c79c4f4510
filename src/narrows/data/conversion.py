"""X as people have it: arrays, lists, tensors and sparse matrices as arrays of numbers. Data frames: see `frames`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from os import PathLike
from typing import Any

import numpy as np
import torch
from scipy import sparse

from narrows.data.arrays import Array
from narrows.data.columns import listed
from narrows.data.sparse_rows import rows_of
from narrows.data.stored import StoredRows
from narrows.errors import DataError

FORMS = "a table (N, D), sequences (N, T, D) or images (N, C, H, W)"
KINDS = {"M": "dates and times", "m": "spans of time", "U": "text", "S": "text", "V": "records", "c": "complex numbers"}
"""What arrays hold that are no numbers, by numpy's kind."""
ADVICE = {
    "dates and times": "Make numbers of them: X.astype('datetime64[s]').astype('int64').",
    "spans of time": "Make numbers of them: X / numpy.timedelta64(1, 's').",
    "text": "Convert numbers by X.astype(float), and encode words, as sklearn.preprocessing.OneHotEncoder does.",
    "records": "Give a data frame: pandas.DataFrame(X).",
    "complex numbers": "Complex data not supported: give X.real and X.imag side by side.",
}
OTHERS: tuple[tuple[Any, str], ...] = (
    (str | bytes | PathLike, "Read a file first: narrows.load_dataset(path).train."),
    (Mapping, "Give a data frame: pandas.DataFrame(X)."),
    (Iterator, "Give all at once: numpy.stack(list(X))."),
    ((torch.utils.data.Dataset, torch.utils.data.DataLoader), "Give all at once: torch.stack([x for x, *_ in X])."),
    (Set, "Give an array or a list."),
)
"""What is no array, and what to give instead."""


class WrongTypeError(DataError, TypeError):
    """An object of another type than numbers have; also a TypeError, which scikit-learn raises."""


def as_array(X: Any, owner: str) -> Array | list[Array]:
    """Return X as an array of real numbers, or as a list of sequences (T_i, D) where these differ in length.

    Masked values become NaN. Raises: DataError where X holds anything but numbers, or has rows of different length.
    """
    if isinstance(X, StoredRows):
        return X  # type: ignore[return-value]
    if sparse.issparse(X):
        if X.ndim != 2 or X.dtype.kind not in "biuf":
            as_numbers(np.empty((0,), X.dtype), owner)
        return rows_of(X, owner)
    if isinstance(X, torch.Tensor):
        return of_tensor(X, owner)
    if isinstance(X, np.ma.MaskedArray):
        return of_masked(X)
    for kinds, advice in OTHERS:
        if isinstance(X, kinds):
            raise DataError(f"{owner}: X must be {FORMS}; got {_one(X)}. {advice}")
    if isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1):
        return of_list(X, owner)
    try:
        array = np.asarray(X)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{owner}: X must be {FORMS}; got {_one(X)}: {error}. Give an array of numbers.") from error
    return as_numbers(array, owner)


def as_numbers(array: Array, owner: str) -> Array:
    """Return an array of real numbers of the machine's byte order; DataError where it holds others."""
    if array.dtype.names is None and array.dtype.kind in "biuf":
        if array.dtype.itemsize > 8:
            array = array.astype(np.float64)
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "O" and array.ndim:
        return of_objects(array, owner)
    if array.dtype.kind == "O":
        raise DataError(f"{owner}: X must be {FORMS}; got {_one(array.item())}. Give an array of numbers.")
    kind = KINDS.get(array.dtype.kind, str(array.dtype))
    raise DataError(f"{owner}: X must hold real numbers; got {kind} ({array.dtype}). {ADVICE.get(kind, '')}".rstrip())


def of_objects(array: Array, owner: str) -> Array:
    """Return an array of Python objects as numbers; None is missing. DataError names what are none, and where."""
    try:
        if not any(isinstance(value, complex) for value in array.flat):
            return array.astype(np.float64)
    except (ValueError, TypeError):
        pass
    wrong: dict[str, list[int]] = {}
    reason = ""
    for column in range(array.shape[-1]):
        for value in array[..., column].flat:
            try:
                float(value) if value is not None else 0.0
            except (ValueError, TypeError) as error:
                wrong.setdefault(type(value).__name__, []).append(column)
                reason = reason or str(error)
                break
    where = ", ".join(f"{kind} in {listed(columns, 'column')}" for kind, columns in wrong.items())
    raise WrongTypeError(f"{owner}: X must hold numbers; got {where} ({reason}). Leave it out, or make numbers of it.")


def of_list(X: Any, owner: str) -> Array | list[Array]:
    """Return a list as an array, or as a list of sequences where these differ in length."""
    parts = [np.asarray(as_array(x, owner)) if isinstance(x, torch.Tensor | np.ma.MaskedArray) else x for x in X]
    if any(isinstance(x, Mapping) for x in parts):
        raise DataError(f"{owner}: X must be {FORMS}; got a list of dicts. Give a data frame: pandas.DataFrame(X).")
    try:
        array = np.asarray(parts) if not _array_list(parts) else np.stack([np.asarray(x) for x in parts])
    except ValueError:
        return _sequences(parts, owner)
    return as_numbers(array, owner)


def _array_list(parts: list[Any]) -> bool:
    """Return whether all have a shape: numpy makes arrays of objects of those that differ in it."""
    return bool(parts) and all(hasattr(x, "shape") and x.shape for x in parts)


def _sequences(parts: list[Any], owner: str) -> list[Array]:
    try:
        arrays = [as_numbers(np.asarray(x), owner) for x in parts]
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{owner}: X must be {FORMS}; got lists of inhomogeneous shape. Give arrays.") from error
    if {x.ndim for x in arrays} == {2}:
        return arrays
    shapes = sorted({x.shape for x in arrays}, key=str)
    some = ", ".join(map(str, shapes[:3])) + (", ..." if len(shapes) > 3 else "")
    flat = all(x.ndim <= 1 for x in arrays)
    fix = (
        "Fill short rows of a table with NaN; of sequences give each as (T, D), such as numpy.reshape(x, (-1, 1))."
        if flat
        else "Bring images to one size, and sequences to (T_i, D)."
    )
    raise DataError(f"{owner}: X must have rows of one shape, or sequences (T_i, D); got shapes {some}. {fix}")


def of_tensor(X: torch.Tensor, owner: str) -> Array:
    """Return a tensor of any device, layout and type as an array; bfloat16 and smaller types as float32."""
    X = X.detach()
    if X.is_quantized:
        X = X.dequantize()
    X = (X if X.layout == torch.strided else X.to_dense()).cpu()
    if X.is_floating_point() and X.dtype not in (torch.float16, torch.float32, torch.float64):
        X = X.float()
    return as_numbers(X.resolve_conj().resolve_neg().numpy(), owner)


def of_masked(X: Any) -> Array:
    """Return a masked array with NaN where it is masked."""
    if X.dtype.kind not in "biuf" or not np.ma.is_masked(X):
        return np.asarray(X.data)
    return np.asarray(X.astype(np.result_type(X.dtype, np.float32)).filled(np.nan))


def _one(X: Any) -> str:
    """Return an object's type with its article."""
    name = type(X).__name__
    return "None" if X is None else f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
