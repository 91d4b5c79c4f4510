"""Rows of another file for the columns of a data set: its test rows, or new rows for a model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from narrows.data.arrays import Array
from narrows.data.dataset import Dataset
from narrows.data.readers.formats import file_loader
from narrows.data.readers.table import Table
from narrows.errors import DataError


def rows_like(
    path: str, columns: Sequence[str] | None, others: Mapping[str, str], options: Mapping[str, Any], *, size: int
) -> Dataset:
    """Return all rows of a file, with its columns in the order of a data set's.

    Parameters
    ----------
    path
        The file.
    columns
        Names of the data set's features (`Dataset.columns`), or None.
    others
        Its columns that are no features (`Dataset.other_columns`); they may be missing here.
    options
        The options that the data set was read with; what the file does not take is passed over.
    size
        How many features there are.

    Raises
    ------
    DataError
        A column is missing, or there is one that the data set does not have: all of them are named.
    """
    loader = file_loader(path)
    if loader is None:
        raise DataError(f"load_dataset: test must be an existing path; got {path!r}, which does not exist.")
    reader: Any = getattr(loader, "func", loader)
    table = getattr(reader, "table", None)
    if table is None:
        known = _keywords(reader)
        if columns is not None and "columns" in known:  # in the order of the data set, which is by their names
            options = {**options, "columns": tuple(columns), "drop": None}
        return loader(**{name: value for name, value in options.items() if name in known})
    known = _keywords(table)
    read = table(Path(path), **{name: value for name, value in options.items() if name in known})
    return chosen_columns(read, columns, others, size)


def chosen_columns(table: Table, columns: Sequence[str] | None, others: Mapping[str, str], size: int) -> Dataset:
    """Return a table as a data set with these features, in this order; see `rows_like`."""
    return table.dataset(**choice_of(table, columns, others, size)._asdict())


class Choice(NamedTuple):
    """Columns of a table, by what they are for a data set."""

    columns: list[str]
    """The features, in its order."""
    label: str | None
    id: str | None


def choice_of(table: Table, columns: Sequence[str] | None, others: Mapping[str, str], size: int) -> Choice:
    """Return the columns of a table that are a data set's; see `rows_like`."""
    names = table.names
    features = list(dict.fromkeys(_base(name, names) for name in columns or ()))
    if columns is None:
        rest = [name for name in names if name not in others]
        features = names if len(names) == size else rest
        if table.named:
            uses = [use for use in table.uses() if use.role in ("feature", "unusable")]
            features = [use.column.name for use in uses if use.column.name not in others]
        if len(features) != size:
            raise DataError(
                f"load_dataset: {str(table.path)!r} must have {size} columns of features, as the training data have; "
                f"got {len(features)}."
            )
    missing = [name for name in features if name not in names]
    known = {*features, *others}
    extra = [
        use.column.name for use in table.uses() if use.column.name not in known and use.role in ("feature", "unusable")
    ]
    if missing or extra:
        parts = [f"no {', '.join(map(repr, missing))}"] if missing else []
        parts += [f"{', '.join(map(repr, extra))} beside them"] if extra else []
        advice = "Rename or add the missing ones" if missing else f"Leave it out with drop={','.join(extra)!r}"
        if missing and not table.named:
            advice = "Give the file a header, or say header=true if its first row is one"
        raise DataError(
            f"load_dataset: {str(table.path)!r} must have the columns of the training data; got {' and '.join(parts)}. "
            f"{advice}."
        )
    roles = {role: name for name, role in others.items() if name in names and role in ("label", "id")}
    index = next((use.column.name for use in table.uses() if use.role == "id"), None)
    return Choice(features, roles.get("label"), roles.get("id") or index)


def with_split(data: Dataset, split: str, other: Dataset) -> Dataset:
    """Return a data set that has the rows of another one as its test or validation rows.

    Raises
    ------
    DataError
        Samples are of another shape, or labels of another kind.
    """
    if other.sample_shape[1:] != data.sample_shape[1:] or (
        other.sample_shape != data.sample_shape and data.train.dtype != object
    ):
        raise DataError(
            f"load_dataset: {other.source!r} must hold samples of shape {data.sample_shape}, as the training data; got "
            f"{other.sample_shape}."
        )
    labels, more, names = data.train_labels, other.train_labels, data.label_names
    changed: dict[str, Any] = {}
    if labels is not None and more is not None and data.label_names != other.label_names:
        if data.label_names is None or other.label_names is None:
            raise DataError(
                f"load_dataset: labels must be of one kind in all files; got "
                f"{'numbers' if names is None else 'texts'} in the training data and others in {other.source!r}."
            )
        names = (*data.label_names, *sorted(set(other.label_names) - set(data.label_names)))
        more = np.array([names.index(name) for name in other.label_names], np.int64)[more]
    changed = {split: _as(other.train, data.train), f"{split}_labels": None if labels is None else more}
    how = f"{'by file' if split == 'test' or 'by file' in str(data.splits.get('how')) else 'as published'}"
    row_ids = {**data.row_ids, "train": data.ids("train"), split: other.ids("train")}
    return replace(data, **changed, label_names=names, row_ids=row_ids, splits={"how": how})


def _as(array: Array, like: Array) -> Array:
    """Return rows in the type of the training rows where none of them changes by it."""
    if array.dtype == like.dtype or object in (array.dtype, like.dtype) or like.dtype.kind != "f":
        return array
    cast = array.astype(like.dtype)
    return cast if np.array_equal(cast, array, equal_nan=True) else array


def _base(name: str, names: Sequence[str]) -> str:
    """Return the column that a feature is of: vectors give features such as embedding[3]."""
    column, bracket, _ = name.rpartition("[")
    return column if bracket and name not in names and column in names else name


def _keywords(function: Callable[..., Any]) -> set[str]:
    return {p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY}
