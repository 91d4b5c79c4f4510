"""Labels in a second file: one a row, or by the ids of the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.dataset import Dataset
from narrows.data.readers.arrays import as_labels, npy_array
from narrows.data.readers.checks import check_regular, reading, unsound
from narrows.data.readers.formats import TABLES
from narrows.data.readers.idx import read_idx_file
from narrows.data.readers.table import Table
from narrows.errors import ConfigError, DataError

_FORMS: tuple[Callable[[str], str], ...] = (
    str, lambda name: str(PurePosixPath(name).with_suffix("")) if name else name, lambda name: PurePosixPath(name).stem,
)  # fmt: skip
"""How ids are compared: as they are, as files without their ending, and without their folder as well."""


def with_labels(data: Dataset, file: str) -> Dataset:
    """Return a data set with labels from a second file.

    In a table with the rows' ids, or the names of their files, in one column, the other column has the labels of all
    splits. Without ids, and in an array, there is one label for each training row, in their order.

    Raises
    ------
    ConfigError
        There is no such file.
    DataError
        A row has no label, or there are more or fewer labels than rows.
    """
    path = Path(file)
    if not path.is_file():
        raise ConfigError(f"load_dataset: labels must be an existing file; got {file!r}, which does not exist.")
    check_regular(path)
    reader: Any = TABLES.get(Path(path.name.lower().removesuffix(".gz")).suffix)
    if reader is None:
        return _with(data, ("train",), _array(path), path)
    table: Table = reader.table(path)
    rows = {split: data.ids(split) for split in data.split_names}
    if all(ids.name != "row" for ids in rows.values()):
        ids = [_text(each) for split in rows.values() for each in split.values.tolist()]
        if (found := _place(table, ids)) is not None:
            key, places = found
            return _with(data, tuple(rows), _lone(table, path, key)[places], path)
    index = next((i for i, use in enumerate(table.uses()) if use.role == "id"), None)
    return _with(data, ("train",), _lone(table, path, index), path)


def _place(table: Table, ids: list[str]) -> tuple[int, list[int]] | None:
    """Return the column that holds all ids, and the row of each; None where there is none."""
    for form in _FORMS:
        wanted = [form(each) for each in ids]
        for key, column in enumerate(table.columns):
            if column.values.ndim > 1 or len(set(wanted)) < len(wanted):
                continue
            rows = {form(_text(each)): row for row, each in enumerate(column.values.tolist())}
            if all(each in rows for each in wanted):
                return key, [rows[each] for each in wanted]
    return None


def _lone(table: Table, path: Path, key: int | None) -> Array:
    """Return the one column beside that of the ids."""
    others = [column for i, column in enumerate(table.columns) if i != key]
    if len(others) != 1:
        raise DataError(
            f"load_dataset: {str(path)!r} must hold one column of labels, and may hold the ids of all rows in another; "
            f"got {', '.join(map(repr, table.names))}. Name the samples' ids with id=, or remove columns."
        )
    return others[0].values


def _with(data: Dataset, splits: tuple[str, ...], values: Array, path: Path) -> Dataset:
    sizes = [len(data.split(split).X) for split in splits]
    labels, names = as_labels(values, sum(sizes), f"the labels in {str(path)!r}")
    parts = dict(zip(splits, np.split(labels, np.cumsum(sizes)[:-1]), strict=True))
    changed: dict[str, Any] = {f"{split}_labels": parts.get(split) for split in ("train", "validation", "test")}
    return replace(data, **changed, label_names=names)


def _array(path: Path) -> Array:
    with reading(path):
        if path.suffix.lower() == ".npy":
            return np.asarray(npy_array(path))
        if "-idx1-" in path.name or path.suffix.lower() == ".idx":
            return read_idx_file(path)
    raise unsound(path, f"be a table ({', '.join(TABLES)}), or a .npy or IDX file of labels.")


def _text(value: Any) -> str:
    """Return an id as text; whole numbers without a point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
