"""Data frames as tables of typed columns, and such tables as data frames again, by narwhals."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.columns import LARGEST, shortened
from narrows.data.frames import WORDS, numbers_in
from narrows.data.types_table import MixedTable, Values, text_values
from narrows.errors import DataError

TEXT, TIME = ("String", "Categorical", "Enum"), ("Date", "Datetime")
_ZONE = re.compile(r", (?:tz=)?([^\],]+)\]$")


def mixed_table(frame: Any, owner: str) -> MixedTable:
    """Return a narwhals frame as a table of typed columns.

    Raises: DataError that names all columns of types that no model takes, such as lists.
    """
    columns: dict[str, Values] = {}
    wrong: list[str] = []
    for name in frame.columns:
        values = values_of(frame[name])
        if isinstance(values, str):
            wrong.append(f"{name!r} ({values})")
        else:
            columns[name] = values
    if wrong:
        raise DataError(
            f"{owner}: X must hold numbers, texts, truth values, categories, dates and times; got other columns: "
            f"{shortened(wrong)}. Leave those columns out, or make columns of numbers or text of them."
        )
    return MixedTable(columns)


def values_of(series: Any) -> Values | str:
    """Return the values of a narwhals column, or what it holds where no model takes it."""
    kind, native = type(series.dtype).__name__, str(getattr(series.to_native(), "dtype", ""))
    native = native or str(series.to_native().type)
    gaps = np.asarray(series.is_null().to_numpy(), bool)
    if kind in ("Categorical", "Enum"):
        levels = tuple(value for value in series.cat.get_categories().to_list() if value is not None)
        if not all(isinstance(level, str | int | float | bool) for level in levels):
            return "categories that are neither texts nor numbers"
        ordered = "ordered=1" in native or bool(getattr(getattr(series.to_native(), "dtype", None), "ordered", False))
        declared = kind == "Enum" or native == "category" or native.startswith("dictionary")
        return Values("text", _codes(series, levels, gaps, native), levels, native, declared=declared, ordered=ordered)
    if kind == "String":
        return _texts(series, gaps, native)
    if kind in TIME:
        return Values("time", _seconds(series.to_numpy(), gaps), dtype=native)
    if kind == "Duration":
        return Values("span", _seconds(series.to_numpy(), gaps), dtype=native)
    if kind in ("Object", "Unknown"):
        return _of_objects(series, gaps, native)
    if kind in WORDS:
        return WORDS[kind]
    array, what = numbers_in(series)
    if array is None:
        return what
    if array.dtype.kind == "f" and np.isinf(array).any():
        return "infinity: replace it by a missing value"
    holds = "truth" if kind == "Boolean" else "number"
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8 and max(map(abs, _ends(array))) > LARGEST:
        return text_values(array.tolist(), dtype=native)  # numbers would be rounded
    if array.dtype.kind in "iu" and not gaps.any():
        return Values(holds, array.astype(np.int64), dtype=native)
    return Values(holds, np.where(gaps, np.nan, array.astype(np.float64)), dtype=native)


def _texts(series: Any, gaps: Array, native: str) -> Values:
    """Return a column of texts as indices of its levels in order of first appearance; see `text_values`."""
    if not series.implementation.is_pandas():
        return text_values(series.to_list(), gaps=gaps, dtype=native)
    codes, levels = series.to_native().factorize()  # ten times as fast as a dictionary
    return Values("text", codes.astype(np.int32), tuple(levels.tolist()), dtype=native)


def _codes(series: Any, levels: tuple[Any, ...], gaps: Array, native: str) -> Array:
    """Return the positions of a column of categories among its levels: (N,), -1 where one is missing."""
    if native == "category":  # pandas has them
        return np.asarray(series.to_native().cat.codes, np.int32)
    found = text_values(series.to_list(), gaps=gaps)
    index = {level: i for i, level in enumerate(levels)}
    return np.array([*(index[level] for level in found.levels), -1], np.int32)[found.data]


def _ends(array: Array) -> tuple[int, int]:
    return (int(array.min()), int(array.max())) if array.size else (0, 0)


def _seconds(array: Array, gaps: Array) -> Array:
    kind = "m8[us]" if array.dtype.kind == "m" else "M8[us]"
    seconds = array.astype(kind).astype(np.int64) / 1e6
    return np.where(gaps, np.nan, seconds)


def _of_objects(series: Any, gaps: Array, native: str) -> Values | str:
    """Return Python objects: truth values, numbers, texts or dates, all of one kind."""
    values = [None if gap else value for value, gap in zip(series.to_list(), gaps.tolist(), strict=True)]
    kinds = {type(value) for value in values if value is not None}
    if kinds and all(issubclass(kind, str) for kind in kinds):
        return text_values(values, dtype=native)
    if kinds and kinds <= {bool, np.bool_}:
        return Values("truth", np.array([np.nan if v is None else float(v) for v in values]), dtype=native)
    if kinds and all(issubclass(kind, datetime) for kind in kinds):
        return Values("time", np.array([np.nan if v is None else v.timestamp() for v in values]), dtype="datetime")
    if kinds and kinds <= {date}:
        days = np.array(values, "M8[D]")
        return Values("time", np.where(gaps, np.nan, days.astype(np.int64) * 86_400.0), dtype="date")
    if kinds and all(issubclass(kind, timedelta) for kind in kinds):
        return Values("span", np.array([np.nan if v is None else v.total_seconds() for v in values]), dtype=native)
    try:
        if any(issubclass(kind, str | bytes | complex) for kind in kinds):
            raise TypeError
        return Values("number", np.array([np.nan if v is None else float(v) for v in values]), dtype=native)
    except (TypeError, ValueError):
        names = sorted(kind.__name__ for kind in kinds)
        return f"values of different types: {', '.join(names)}" if len(names) > 1 else f"values of type {names[0]}"


def to_native_frame(table: MixedTable, kind: str, like: Any = None) -> Any:
    """Return a table as a frame of pandas, polars or pyarrow, each column of its `Values.dtype`.

    `like` is a frame of the same rows, whose index and labels of columns a pandas frame takes.
    """
    make = {"pandas": _pandas, "polars": _polars, "pyarrow": _pyarrow}[kind]
    return make(table, like)


def _whole(values: Values) -> bool:
    return bool(re.match(r"u?int\d", values.dtype.lower()))


def _instants(values: Values, kind: str = "M8[us]") -> Array:
    """Return times, or spans of time, as numpy's; what is missing is NaT."""
    seconds, gaps = values.numbers(), values.missing
    whole = np.rint(np.where(gaps, 0.0, seconds) * 1e6).astype(np.int64).astype(kind)
    return np.where(gaps, np.array("NaT", kind), whole)


def _pandas(table: MixedTable, like: Any) -> Any:
    import pandas as pd

    index = like.index if isinstance(like, pd.DataFrame) and len(like) == len(table) else pd.RangeIndex(len(table))
    series = {name: _pandas_column(pd, values, index) for name, values in table.columns.items()}
    frame = pd.concat(series, axis=1) if series else pd.DataFrame(index=index)
    if isinstance(like, pd.DataFrame) and [str(column) for column in like.columns] == list(frame.columns):
        frame.columns = like.columns
    return frame


def _pandas_column(pd: Any, values: Values, index: Any) -> Any:
    text, gaps = values.dtype, values.missing
    if values.holds == "text":
        if text == "category" or text.startswith("dictionary"):
            data = pd.Categorical.from_codes(values.data, list(values.levels), ordered=values.ordered)
            return pd.Series(data, index=index)
        return pd.Series(values.objects(), index=index, dtype=text or "str")
    if values.holds in ("time", "span"):
        if text == "date":
            days = _instants(values).astype("M8[D]").tolist()
            return pd.Series(days, index=index, dtype=object)
        data = pd.Series(_instants(values, "M8[us]" if values.holds == "time" else "m8[us]"), index=index)
        zone = _ZONE.search(text)
        if zone:
            data = data.dt.tz_localize("UTC").dt.tz_convert(zone[1])
        return data if text in ("datetime", "object", "") else data.astype(text)
    if text == "object" or (values.holds == "truth" and text == "bool" and gaps.any()):
        return pd.Series(values.objects(), index=index, dtype=object)
    if text in ("boolean", "bool", "bool[pyarrow]"):
        return pd.Series(values.objects(), index=index, dtype=text)
    numbers = values.numbers()
    if gaps.any() and (re.match(r"u?int\d+$", text) or not text):
        return pd.Series(numbers, index=index)
    if gaps.any() and text[:1] in "IUF" and not text.endswith("[pyarrow]"):
        return pd.Series(
            pd.array([None if g else v for v, g in zip(numbers, gaps, strict=True)], dtype=text), index=index
        )
    data = values.data if values.data.dtype.kind == "i" or not _whole(values) or gaps.any() else np.rint(numbers)
    return pd.Series(data, index=index).astype(text or "float64")


def _polars(table: MixedTable, like: Any) -> Any:
    import polars as pl

    series = []
    for name, values in table.columns.items():
        text = values.dtype
        if values.holds == "text":
            objects = values.objects()
            if text.startswith("Enum"):
                series.append(pl.Series(name, objects, dtype=pl.Enum(list(values.levels))))
            else:
                wanted = pl.Categorical if text.startswith("Categorical") else None
                series.append(pl.Series(name, objects, dtype=wanted or (None if any(objects) else pl.String)))
        elif values.holds in ("time", "span"):
            kind = "M8[us]" if values.holds == "time" else "m8[us]"
            data = pl.Series(name, _instants(values, kind)).cast(
                pl.Datetime("us") if kind[0] == "M" else pl.Duration("us")
            )
            series.append(_polars_time(pl, data, text))
        elif values.holds == "truth":
            series.append(pl.Series(name, values.objects(), dtype=pl.Boolean))
        else:
            numbers = (
                pl.Series(name, values.data).fill_nan(None)
                if values.data.dtype.kind == "f"
                else pl.Series(name, values.data)
            )
            wanted = getattr(pl, text, None) if re.fullmatch(r"U?Int\d+|Float\d+", text) else None
            numbers = numbers.round() if text.startswith(("Int", "UInt")) and values.data.dtype.kind == "f" else numbers
            series.append(numbers if wanted is None else numbers.cast(wanted))
    return pl.DataFrame(series)


def _polars_time(pl: Any, data: Any, text: str) -> Any:
    if text == "Date":
        return data.cast(pl.Date)
    unit = re.search(r"time_unit='(\w+)'", text)
    zone = re.search(r"time_zone='([^']+)'", text)
    if unit:
        data = data.dt.cast_time_unit(unit[1])
    return data.dt.replace_time_zone("UTC").dt.convert_time_zone(zone[1]) if zone else data


def _pyarrow(table: MixedTable, like: Any) -> Any:
    import pyarrow as pa

    arrays = {name: _pyarrow_column(pa, values) for name, values in table.columns.items()}
    return pa.table(arrays)


def _pyarrow_column(pa: Any, values: Values) -> Any:
    text = values.dtype
    if values.holds == "text":
        if text.startswith("dictionary"):
            inner = pa.large_string() if "large_string" in text else pa.string()
            index = re.search(r"indices=(\w+)", text)
            data = pa.array(values.data, mask=values.missing)
            data = data.cast(pa.type_for_alias(index[1])) if index else data
            plain = all(isinstance(level, str) for level in values.levels)
            levels = pa.array(list(values.levels), inner if plain else None)
            return pa.DictionaryArray.from_arrays(data, levels, ordered="ordered=1" in text)
        return pa.array(values.objects(), pa.type_for_alias(text or "string"))
    if values.holds in ("time", "span"):
        data = pa.array(_instants(values, "M8[us]" if values.holds == "time" else "m8[us]"))
        stamp = re.fullmatch(r"timestamp\[(\w+), tz=(.+)\]", text)
        if stamp:
            return data.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp(stamp[1], stamp[2]), safe=False)
        aliases = {"date32[day]": pa.date32(), "date64[ms]": pa.date64()}
        return data.cast(aliases.get(text) or pa.type_for_alias(text), safe=False) if text else data
    if values.holds == "truth":
        return pa.array(values.objects(), pa.bool_())
    wanted = pa.type_for_alias(text) if re.fullmatch(r"u?int\d+|float|double|halffloat", text) else pa.float64()
    numbers = values.data
    if pa.types.is_integer(wanted) and numbers.dtype.kind == "f":
        numbers = np.rint(np.where(values.missing, 0, numbers)).astype(np.int64)
    return pa.array(numbers, mask=values.missing).cast(wanted, safe=False)


def is_plain(frame: Any) -> bool:
    """Return whether all columns of a narwhals frame are numbers or truth values, as models of arrays take them."""
    return all(numbers_in(frame[name])[0] is not None for name in frame.columns)
