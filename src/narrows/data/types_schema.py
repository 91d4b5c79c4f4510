"""Tables of typed columns on a model's scale, and back: what a schema with types does to encode and to decode."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from narrows.data.arrays import Array, Arrays
from narrows.data.columns import positions_of, shortened, unseen
from narrows.data.frames import frame_kind, frame_of
from narrows.data.stored import Mapped, StoredRows
from narrows.data.types import LOGARITHMIC, SPIKES, ColumnType, UnseenLevelWarning
from narrows.data.types_frames import mixed_table, to_native_frame
from narrows.data.types_stored import HELD, StoredTable
from narrows.data.types_table import PLURAL, MixedTable, Values, text_values
from narrows.errors import DataError

DENSE = ("gaussian", "student", "log_normal", *SPIKES)
"""Likelihoods that are densities, whose value depends on the unit."""
WIDER = {"truth": ("number",), "number": ("truth",)}
"""What a column may hold where it held something else in fit."""


def table_like(X: Any, types: Sequence[ColumnType], owner: str) -> MixedTable:
    """Return samples as a table with the columns of fit, by name and in their order.

    Identifiers and constants may be left out. Raises: DataError that names all columns that are missing, that are not
    known, or that hold something else than in fit.
    """
    table = X if isinstance(X, MixedTable) else _table_of(X, types, owner)
    names = list(table.columns)
    needed = [t.name for t in types if t.modelled or t.name in table.columns]
    positions_of(names, needed, owner, fillable=True)
    wrong = []
    for column in types:
        if column.name not in table.columns:
            continue
        if table.holds(column.name) != column.holds and not (values := table.columns[column.name]).missing.all():
            fitted = _converted(values, column)
            if fitted is None:
                wrong.append(f"{column.name!r}, which held {PLURAL[column.holds]} in fit, holds {PLURAL[values.holds]}")
            else:
                table = MixedTable({**table.columns, column.name: fitted})
    if wrong:
        raise DataError(
            f"{owner}: X must have columns of the types of fit; got {shortened(wrong)}. Convert them, or fit anew."
        )
    return table


def _table_of(X: Any, types: Sequence[ColumnType], owner: str) -> MixedTable:
    if isinstance(X, StoredRows) and X.shape[1:] == (len(types),):
        return StoredTable.of_numbers(X, [column.name for column in types])
    frame = frame_of(X, owner)
    if frame is not None:
        return mixed_table(frame, owner)
    array = np.asarray(X, dtype=object)
    if array.ndim != 2 or array.shape[1] != len(types):
        raise DataError(
            f"{owner}: X must be a data frame with the {len(types)} columns of fit; got an array of shape "
            f"{array.shape}. Give a frame, or an array with these columns in order."
        )
    columns: dict[str, Values] = {}
    given = np.asarray(X)
    if given.dtype.kind in "biuf" and all(column.holds != "text" for column in types):
        return MixedTable(
            {t.name: Values(t.holds, given[:, i].astype(np.float64), dtype=t.dtype) for i, t in enumerate(types)}
        )
    for position, column in enumerate(types):
        values = array[:, position].tolist()
        gaps = np.array([v is None or v != v for v in values], bool)
        if column.holds == "text":
            columns[column.name] = text_values(values, gaps=gaps, dtype=column.dtype)
            continue
        try:
            numbers = np.array([np.nan if gap else float(v) for v, gap in zip(values, gaps, strict=True)])
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{owner}: X must have numbers in column {position} ({column.name!r}), as in fit; got others. "
                "Give a data frame."
            ) from error
        columns[column.name] = Values(column.holds, numbers, dtype=column.dtype)
    return MixedTable(columns)


def _converted(values: Values, column: ColumnType) -> Values | None:
    """Return values as a column held them in fit, where they can be; else None."""
    if values.holds in WIDER.get(column.holds, ()):
        return replace(values, holds=column.holds)
    if column.holds == "text" and values.holds == "number" and values.data.dtype.kind == "i":
        known = {str(level): level for level in column.levels}
        texts = [str(v) for v in values.data.tolist()]
        return text_values([known.get(text, text) for text in texts], dtype=column.dtype)
    if column.holds == "number" and values.holds == "text":
        try:
            levels = [float(level) for level in values.levels]
        except (TypeError, ValueError):
            return None
        return Values("number", np.array([*levels, np.nan])[values.data], dtype=column.dtype)
    return None


def encoded_table(X: Any, types: Sequence[ColumnType], dtype: np.dtype[Any], y: Array | None, owner: str) -> Arrays:
    """Return a table on the model's scale: (N, D) of the columns that it takes, 0 where a value is missing.

    A warning names the levels that fit did not see, which count as missing.
    """
    table = table_like(X, types, owner)
    on_disk: Any = table
    if on_disk.rows is not None:
        if on_disk.rows.nbytes > HELD:
            return _encoded_rows(on_disk, types, dtype, y, owner)
        table = on_disk.of(np.asarray(on_disk.rows))
    features = [column for column in types if column.modelled]
    x = np.empty((len(table), len(features)), dtype)
    mask = np.ones(x.shape, bool)
    strange = {}
    for position, column in enumerate(features):
        values, observed, unknown = column.encode(table.columns[column.name])
        x[:, position], mask[:, position] = values, observed
        if unknown:
            strange[column.name] = unknown
    if strange:
        warnings.warn(unseen(owner, strange), UnseenLevelWarning, stacklevel=5)
    if not np.isfinite(x).all():
        raise DataError(f"{owner}: X must lie within {dtype.name}; got larger values. Scale X.")
    return Arrays(x, None if mask.all() else mask, None, y)


def _encoded_rows(table: Any, types: Sequence[ColumnType], dtype: np.dtype[Any], y: Array | None, owner: str) -> Arrays:
    """Return the same of a table on disk: encoded as its rows are read, NaN where a value is missing."""

    def encoded(rows: Array) -> Array:
        x, mask, *_ = encoded_table(table.of(rows), types, dtype, None, owner)
        return x if mask is None else np.where(mask, x, dtype.type(np.nan))

    made = hashlib.sha256(repr([column.record() for column in types]).encode()).hexdigest()
    width = sum(column.modelled for column in types)
    rows: Any = Mapped(table.rows, encoded, (width,), dtype, f"{table.identity} encoded by {made}")
    return Arrays(rows, None, None, y)


def decoded_table(
    x: Array, types: Sequence[ColumnType], *, mask: Array | None = None, rng: np.random.Generator | None = None,
    clip: bool = False, given: MixedTable | None = None, decimals: bool = False,
) -> MixedTable:  # fmt: skip
    """Return values of the model (N, D) as a table: constants restored, identifiers those of `given` or left out.

    Where `mask` is False, a value is missing. With `rng`, rare levels are drawn, and values of constants are missing at
    their rate. With `decimals`, numbers have as many as those of training.
    """
    columns: dict[str, Values] = {}
    position = 0
    for column in types:
        if column.kind == "identifier":
            if given is not None and column.name in given.columns:
                columns[column.name] = given.columns[column.name]
            continue
        if not column.modelled:
            values = column.constant(len(x))
            rate = column.missing if rng is not None and column.levels else 0.0
            values = values.with_gaps(rng.random(len(x)) < rate) if rng is not None and rate else values
            columns[column.name] = values
            continue
        values = column.decode(np.asarray(x[:, position], np.float64), rng, clip=clip, decimals=decimals)
        columns[column.name] = values if mask is None else values.with_gaps(~mask[:, position])
        position += 1
    return MixedTable(columns)


def as_given(table: MixedTable, kind: str | None, like: Any) -> Any:
    """Return a table as the kind of frame that `like` is, else of fit; in the order of `like`'s columns."""
    kind = frame_kind(like) if like is not None and not isinstance(like, MixedTable) else kind
    names = list(like.columns) if isinstance(like, MixedTable) else None
    if kind is not None and like is not None and (frame := frame_of(like)) is not None:
        names = frame.columns
    if names is not None:
        table = table.chosen([name for name in names if name in table.columns])
    return table if kind is None else to_native_frame(table, kind, like)


def log_jacobian(types: Sequence[ColumnType], x: Tensor) -> Tensor:
    """Return log |dx / dv| of every value: (B, D) -> (B, D), double precision where the device has it.

    -log factor where the likelihood is a density, less log v where it is one of logarithms; 0 for probabilities and for
    a value that has one of its own.
    """
    features = [column for column in types if column.modelled]
    double = torch.float64 if x.device.type != "mps" else torch.float32
    constant = [-np.log(t.factor) - (t.offset if t.likelihood in LOGARITHMIC else 0.0) if t.likelihood in DENSE else 0.0
                for t in features]  # fmt: skip
    slope = [-t.factor if t.likelihood in LOGARITHMIC else 0.0 for t in features]
    made = torch.tensor(constant, dtype=double, device=x.device)
    logs = made + x.to(double) * torch.tensor(slope, dtype=double, device=x.device)
    spikes = [i for i, t in enumerate(features) if t.likelihood in SPIKES]
    for i in spikes:
        logs[:, i] = torch.where(at_spike(x[:, i], features[i].spike_code), 0.0, logs[:, i])
    return logs


def at_spike(x: Tensor, code: Tensor | float) -> Tensor:
    """Return whether values are the one with a probability of its own, of x like x; the codes of columns (..., D)."""
    size = code.abs().clamp(min=1.0) if isinstance(code, Tensor) else max(1.0, abs(code))
    return (x - code).abs() <= 1e-6 * size
