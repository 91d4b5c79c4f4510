"""Data frames of pandas, polars and pyarrow, by narwhals: as numbers, and arrays as such a frame again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from narrows.data.arrays import Array
from narrows.data.columns import Problem, listed, positions_of, problems_of, raise_problems
from narrows.errors import DataError

TYPES = ("Boolean", "Float32", "Float64", *(f"{u}Int{bits}" for u in ("", "U") for bits in (8, 16, 32, 64)))
"""Types of columns that numbers are cast to; a saved schema may name others."""
WORDS = {
    "Categorical": "categories", "Enum": "categories", "Date": "dates", "Datetime": "times",
    "Duration": "spans of time", "Time": "times", "String": "text", "List": "lists", "Array": "lists",
    "Struct": "records", "Binary": "bytes",
}  # fmt: skip
"""What columns hold that are no numbers, by the names of narwhals' types."""
NUMBERS_AS_TEXT = "numbers written as text"
ADVICE = (
    "Leave those columns out, or make numbers of them: categories and text by one-hot columns (pandas.get_dummies), "
    "times by seconds since the first."
)


def frame_of(X: Any, owner: str = "Schema") -> Any:
    """Return X as narwhals' frame whose columns are named by strings; None for what is no data frame.

    Raises: DataError for a lazy frame, a series, and names that stand for several columns.
    """
    if isinstance(X, np.ndarray | list | tuple):  # quicker than what follows
        return None
    try:
        frame = nw.from_native(X, pass_through=True, allow_series=True)
    except nw.exceptions.DuplicateError:
        positions_of([str(name) for name in X.columns], [], owner)
        raise
    if isinstance(frame, nw.LazyFrame):
        raise DataError(f"{owner}: X must be a data frame in memory; got a lazy one. Call X.collect().")
    if isinstance(frame, nw.Series):
        raise DataError(f"{owner}: X must be a table (N, D); got one column alone. Reshape your data: X.to_frame().")
    if not isinstance(frame, nw.DataFrame):
        return None
    labels = list(getattr(X, "column_names", None) or X.columns)
    names = [str(label) for label in labels]
    positions_of(names, list(dict.fromkeys(names)), owner)  # "1" and 1 are one name
    return frame if names == labels else nw.from_native(X.set_axis(names, axis=1), eager_only=True)


def frame_kind(X: Any) -> str | None:
    """Return "pandas", "polars" or "pyarrow"; None for what is no data frame."""
    frame = frame_of(X)
    return None if frame is None else str(frame.implementation).lower()


def frame_columns(X: Any, *, types: bool = False) -> tuple[str, ...] | None:
    """Return the names of a frame's columns, or the names of their types; None for what is no data frame."""
    frame = frame_of(X)
    if frame is None:
        return None
    return tuple(str(kind) for kind in frame.schema.values()) if types else tuple(frame.columns)


def numbers_of(frame: Any, owner: str, *, columns: Sequence[str] | None = None, missing: bool = True) -> Array:
    """Return the numbers of a frame of `frame_of`: (N, D), NaN where a value is missing.

    `columns` are those of fit, whose order the result has. Raises: DataError that names all columns that hold no
    numbers, or values that a model cannot take.
    """
    names = list(frame.columns)
    if columns is not None:
        names = [names[i] for i in positions_of(names, columns, owner, fillable=missing)]
    arrays, problems = [], []
    wrong: dict[str, list[str]] = {}
    for name in names:
        array, what = numbers_in(frame[name])
        if array is None:
            wrong.setdefault(what, []).append(name)
        else:
            arrays.append(array)
            problems += problems_of(array[:, None], [name], missing=missing)
    if problems or wrong:
        advice = {NUMBERS_AS_TEXT: "Convert numbers written as text, such as by astype(float)."}
        others = [Problem(what, listed(found), advice.get(what, ADVICE)) for what, found in wrong.items()]
        raise_problems([*others, *problems], owner)
    return np.column_stack(arrays) if arrays else np.empty((len(frame), 0))


def numbers_in(series: Any) -> tuple[Array | None, str]:
    """Return a column as an array, or None and what it holds instead."""
    kind = type(series.dtype).__name__
    if kind in WORDS:
        return None, WORDS[kind] if kind != "String" else _held(series)
    try:
        array = np.asarray(series.to_numpy())
        if array.dtype.kind == "O":
            array = _of_objects(series, array)
    except (ValueError, TypeError, ArithmeticError):
        return None, _held(series)
    return (array, "") if array.ndim == 1 and array.dtype.kind in "biuf" else (None, _held(series))


def _of_objects(series: Any, array: Array) -> Array:
    """Return numbers and None of Python, or nullable booleans and decimals, as floating point."""
    held = series.to_list() if series.dtype in (nw.Object, nw.Unknown) else ()
    if any(isinstance(value, str | bytes | complex) for value in held):
        raise ValueError
    return np.asarray(series.cast(nw.Float64).to_numpy())


def _held(series: Any) -> str:
    """Return what a column of objects holds, in a word."""
    values = [value for value in series.to_list() if value is not None and value == value]
    if any(isinstance(value, str) for value in values):
        return NUMBERS_AS_TEXT if all(map(_is_number, values)) else "text"
    return f"values of type {type(values[0]).__name__}" if values else str(series.dtype)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (ValueError, TypeError):
        return False
    return True


def to_frame(X: Array, kind: str, columns: Sequence[str], types: Sequence[str] | None, like: Any = None) -> Any:
    """Return an array (N, D) as a data frame; like `like` in the order and labels of its columns, and in its index.

    `kind` is what `frame_kind` returned; columns and their types are named as narwhals names them.
    """
    series: dict[str, Any] = {}
    backend: Any = kind
    for position, name in enumerate(columns):
        type_name = "" if types is None else types[position]
        values, wanted = X[:, position], getattr(nw, type_name) if type_name in TYPES else None
        if type_name.startswith(("Int", "UInt")):
            values = np.rint(values)
        elif type_name == "Boolean":
            values = values >= 0.5
        column = nw.new_series(name, np.ascontiguousarray(values), backend=backend)
        series[name] = column.cast(wanted) if wanted is not None else column
    given = frame_of(like)
    order = list(columns) if given is None or set(given.columns) != set(columns) else given.columns
    native = nw.from_dict({name: series[name] for name in order}, backend=backend).to_native()
    if kind == "pandas":
        if given is not None and given.implementation.is_pandas_like() and len(given) == len(X):
            native.index = like.index
            if list(order) == given.columns:
                native.columns = like.columns
                kinds = zip(nw.from_native(native).schema.values(), given.schema.values(), strict=True)
                same = [position for position, (ours, theirs) in enumerate(kinds) if ours == theirs]
                native = native.astype({native.columns[i]: like.dtypes.iloc[i] for i in same})  # such as Int64
        elif list(order) == [str(i) for i in range(len(order))]:  # pandas' own names of columns
            native.columns = range(len(order))
    return native
