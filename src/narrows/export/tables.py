"""An exported model of a table whose columns have types of their own, without torch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.columns import unseen
from narrows.data.types import ColumnType, UnseenLevelWarning
from narrows.data.types_table import Values
from narrows.export.columns import AGAIN, Columns
from narrows.export.frames import arrays_of, table_of
from narrows.export.runtime import OnnxModel


class OnnxTableModel(OnnxModel):
    """`OnnxModel` of typed columns: rows enter as data frames, mappings of columns or arrays, and leave as columns.

    What comes back is a dictionary of arrays by the names of columns, in their order: levels, whole numbers and times
    where the data have such, identifiers as they were given. `pandas.DataFrame(...)` makes a frame of it.
    """

    def __init__(self, folder: str | Path, threads: int | None = None) -> None:
        super().__init__(folder, threads)
        self.types = tuple(map(ColumnType.from_record, self.schema["types"]))
        self.table = Columns(self.types)
        self.columns = tuple(column.name for column in self.types)

    def inputs(self, X: Any, y: Any = None) -> dict[str, Array]:
        """Return rows, and labels where they are asked for, as the functions take them.

        A warning names the values that fit did not see, which count as missing. Raises: DataError where X or y do not
        fit the model.
        """
        return self._tensors(table_of(X, self.types, self.form.model), y)

    def _tensors(self, table: dict[str, Values], y: Any) -> dict[str, Array]:
        tensors, strange = self.table.tensors(table)
        if strange:
            warnings.warn(unseen(self.form.model, strange), UnseenLevelWarning, stacklevel=4)
        if self.form.takes_labels:
            tensors["y"] = self._labels(y, len(next(iter(tensors.values()))))
        return tensors

    def inverse_transform(self, Z: Any, y: Any = None) -> dict[str, Array]:  # type: ignore[override]
        """Return the rows that codes stand for, column by column."""
        arrays = {"z": self._codes(Z)}
        if self.form.takes_labels:
            arrays["y"] = self._labels(y, len(arrays["z"]))
        parts = {name: self.run("decoder", name, arrays) for name in self.table.names}
        return arrays_of(self.table.values(parts))

    def reconstruct(self, X: Any, y: Any = None) -> dict[str, Array]:
        """Return rows decoded from their codes, column by column; identifiers are those of X."""
        given = table_of(X, self.types, self.form.model)
        arrays = self._tensors(given, y)
        parts = {name: self.run("reconstruct", AGAIN[name], arrays) for name in self.table.names}
        values = self.table.values(parts)
        values |= {c.name: given[c.name] for c in self.types if c.kind == "identifier" and c.name in given}
        return arrays_of({c.name: values[c.name] for c in self.types if c.name in values})

    def _finite(self, result: Array, X: Array) -> Array:
        return result if result.dtype.kind in "iu" else super()._finite(result, np.nan_to_num(X))
