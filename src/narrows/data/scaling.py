"""Rows on the scale of a schema: how values become those that a model sees, in memory or as they are read, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from narrows.data.arrays import Array, Arrays, as_type, on_disk
from narrows.data.decimals import rounded
from narrows.data.scales import finite_sum, scaled_rows
from narrows.data.stored import Mapped
from narrows.data.types import ColumnType
from narrows.data.types_schema import log_jacobian


class ScalingMixin:
    """The verbs of a schema that follow from its scale: x = (X - offset) / factor, feature by feature."""

    kind: str
    dtype: str
    scale: str | float | None
    offset: Array | None
    factor: Array | None
    types: tuple[ColumnType, ...] | None
    decimals: tuple[int | None, ...] | None

    @property
    def pixels(self) -> bool:
        """Whether X is uint8 and scaled by 1/255."""
        return self.scale == "pixels"

    @property
    def log_jacobian(self: Any) -> float:
        """Log |dx / dX| of a whole sample: what turns a log density of x into one of X. 0 for pixels, in [0, 1]."""
        if self.factor is None:
            return 0.0
        return -float(np.log(self.factor).sum()) * self.n_features / len(self.factor)

    def log_jacobian_of(self, x: Tensor, mask: Tensor | None) -> Tensor | float:
        """Return the same for the observed values of each sample: (B, *shape) -> (B,), or one number for all."""
        if self.types is None and (mask is None or self.factor is None):
            return self.log_jacobian
        logs = self.log_jacobian_of_values(x).float()
        return (logs if mask is None else torch.where(mask, logs, 0.0)).flatten(1).sum(1)

    def log_jacobian_of_values(self, x: Tensor) -> Tensor:
        """Return log |dx / dX| of every value, in double precision where the device has it: (B, *shape)."""
        if self.types is not None:
            return log_jacobian(self.types, x)
        if self.factor is None:
            return x.new_zeros(()).expand_as(x)
        return -torch.from_numpy(np.log(self._expanded(self.factor))).to(x.device).expand(x.shape)

    def scaled(self, X: Array, dtype: np.dtype[Any]) -> tuple[Array, Array | None]:
        """Return rows on the model's scale, and the mask of observed values or None where nothing is missing.

        The scale is applied in double precision. X itself is returned where nothing is to be done.
        """
        mask = None
        if X.dtype.kind == "f" and not finite_sum(X) and np.isnan(X).any():
            mask = ~np.isnan(X)
        if self.pixels and X.dtype == np.uint8:
            return X, None
        if self.types is not None or self.factor is None or self.offset is None:  # typed columns are scaled already
            with np.errstate(over="ignore"):  # told where it matters
                x = X if X.dtype == dtype else X.astype(dtype)
        else:
            x = scaled_rows(X, self._expanded(self.offset), self._expanded(self.factor), dtype)
        if mask is not None:
            x = np.where(mask, x, dtype.type(0))
        return x, mask

    def values(self, arrays: Arrays) -> Array:
        """Return `arrays.x` in double precision on the model's scale, pixels in [0, 1]; what is masked is 0."""
        x = np.asarray(self.in_memory(arrays, np.dtype(np.float64)).x)
        return x / 255.0 if x.dtype == np.uint8 else np.asarray(x, np.float64)

    def in_memory(self, arrays: Arrays, dtype: np.dtype[Any]) -> Arrays:
        """Return what `arrays` would be if `arrays.x` were no memory map; pixels stay as they are."""
        if not on_disk(arrays.x) or (self.pixels and arrays.x.dtype == np.uint8):
            return arrays
        x, mask = self.scaled(np.asarray(arrays.x), dtype)
        return arrays._replace(x=x, mask=mask)

    def some_rows(self, arrays: Arrays, index: Any, dtype: np.dtype[Any]) -> Arrays:
        """Return some rows of `arrays`, in memory and on the model's scale; pixels stay as they are."""
        some = arrays.rows(index)
        if not on_disk(arrays.x) or (self.pixels and arrays.x.dtype == np.uint8):
            return some
        x, mask = self.scaled(np.array(some.x), dtype)
        return some._replace(x=x, mask=mask)

    def on_scale(self, arrays: Arrays, dtype: np.dtype[Any], fill: Array | None = None) -> Arrays:
        """Return the same, but that rows on disk are scaled as they are read; missing values are `fill`, or 0."""
        if not on_disk(arrays.x) or (self.pixels and arrays.x.dtype == np.uint8):
            return arrays

        def scaled(X: Array) -> Array:
            x, mask = self.scaled(X, dtype)
            return x if mask is None or fill is None else np.where(mask, x, fill.astype(dtype))

        rows: Any = Mapped(arrays.x, scaled, arrays.x.shape[1:], dtype, "on the model's scale")
        return arrays._replace(x=rows)

    def in_units(self, x: Array, *, decimals: bool = False) -> Array:
        """Return samples (N, *shape) of the model's scale as an array in X's units and type.

        With `decimals`, numbers of a table whose columns have names have as many as those of training.
        """
        X: Array
        if self.pixels:
            X = np.asarray(x, np.float64) * 255
        elif self.factor is None or self.offset is None:
            X = np.asarray(x)
        else:
            X = np.asarray(x, np.float64) * self._expanded(self.factor) + self._expanded(self.offset)
        if decimals:
            X = rounded(X, self.decimals)
        return as_type(X, np.dtype(self.dtype))

    def _expanded(self, values: Array) -> Array:
        """Return values per feature so that they broadcast over samples (N, *shape)."""
        return values.reshape(-1, 1, 1) if self.kind == "images" else values
