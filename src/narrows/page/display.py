"""Samples as the page shows them, and back: grey levels of images, sequences and tables in the units of the data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from narrows import figures
from narrows.data.arrays import Array, Arrays
from narrows.errors import DataError
from narrows.estimators.base import Autoencoder

TILE = 32
"""Pixels of a thumbnail's longer side, at most."""
ROUNDING = 1e-6
"""Share of a column's deviation below which differences are rounding errors."""

YEAR = 365.2425 * 86400
"""Seconds."""


class Display:
    """How samples of a model are shown.

    Parameters
    ----------
    model
        A fitted model.
    limits
        The values of images, on the model's scale, that are shown as black and white.

    Attributes
    ----------
    columns
        The types of the columns, where they have types of their own.
    kind
        "image" (sequences of many channels too), "sequence" or "table".
    """

    def __init__(self, model: Autoencoder, limits: tuple[float, float]) -> None:
        self.model, self.limits = model, limits
        self.shape = model.sample_shape_
        self.kind = "image" if figures.is_image(self.shape) else "sequence" if len(self.shape) == 2 else "table"
        # Real numbers: what is decoded is shown as it is, though the data may be whole numbers.
        self.columns = [column for column in model.schema_.types or () if column.modelled]
        self.schema = replace(model.schema_, dtype="float64", frame=None)

    def shown(
        self, x: Array, arrays: Arrays | None = None, *, limits: tuple[float, float] | None = None,
        longest: int | None = None,
    ) -> Array:  # fmt: skip
        """Return samples (N, *shape) of the model's scale as they are shown.

        Parameters
        ----------
        x
            The samples, or reconstructions of them.
        arrays
            The samples that x are: NaN stands beyond the end of a sequence, and for what was missing.
        limits
            Of images, in place of the common ones.
        longest
            Of images: pixels of the longer side, at most.

        Returns
        -------
        array
            uint8 (N, H, W) or (N, H, W, 3) of images; float32 (N, T, D) or (N, D) in the units of the data, of text the
            positions of its levels, and of times years.
        """
        if self.kind == "image":
            return figures.levels_of(x, limits or self.limits, longest)
        values = self._typed(x) if self.columns else self._rounded(np.asarray(self.schema.in_units(x), np.float64))
        if arrays is not None and arrays.mask is not None:
            values = np.where(arrays.mask, values, np.nan)
        return values.astype(np.float32)

    def _typed(self, x: Array) -> Array:
        """Return rows of typed columns as numbers."""
        parts = []
        for i, column in enumerate(self.columns):
            values = column.decode(np.asarray(x[:, i], np.float64))
            parts.append(values.numbers() / YEAR + 1970 if values.holds == "time" else values.numbers())
        return np.stack(parts, 1)

    def _rounded(self, values: Array) -> Array:
        """Return values in the units of the data without the rounding errors of their way through the model's scale."""
        factor = self.schema.factor
        if factor is None:
            return values
        tens = 10.0 ** np.floor(-np.log10(factor * ROUNDING))
        return np.round(values * tens) / tens

    def reconstructed(self, x_hat: Array, arrays: Arrays, **options: Any) -> Array:
        """Return reconstructions as they are shown: what was missing is filled in, and sequences end as the samples."""
        values = self.shown(x_hat, **options)
        if self.kind != "image" and arrays.lengths is not None:
            beyond = np.arange(values.shape[1]) >= arrays.lengths[:, None]
            values[beyond] = np.nan
        return values

    def arrays_of(self, shown: Array, labels: Any = None) -> Arrays:
        """Return samples that are given as they are shown, as the model takes them; `labels` of those with a condition.

        Raises: DataError where they do not fit the model.
        """
        if self.kind != "image":
            schema = self.model.schema_
            y = labels if schema.label_size else None
            return schema.encode(self._in_units(shown), y, dtype=self.model.computing_dtype, owner="encode")
        return self.on_scale(self._from_levels(shown), labels)

    def on_scale(self, x: Array, labels: Any = None) -> Arrays:
        """Return samples that are on the model's scale already: (N, *shape), or one (*shape).

        Raises: DataError where they do not fit the model.
        """
        x = x[None] if x.shape == self.shape else x
        if x.shape[1:] != self.shape or not len(x) or x.dtype.kind not in "fiu" or not np.isfinite(x).all():
            raise DataError(
                f"encode: input must be finite, of shape (n, {', '.join(map(str, self.shape))}); got {x.shape}, "
                f"{x.dtype}. Send samples on the model's scale."
            )
        schema = self.model.schema_
        y = None if not schema.label_size else schema.labels_of(labels, len(x), "encode")
        return Arrays(x.astype(self.model.computing_dtype), y=y)

    def _from_levels(self, levels: Array) -> Array:
        """Return images of the model's scale from their grey levels or colours."""
        channels = 1 if len(self.shape) == 2 else self.shape[0]
        size = self.shape[-2:]
        wanted = (*size, 3) if channels == 3 else size
        if channels not in (1, 3):
            raise DataError(
                f"encode: x must be images of one or three channels; got a model of {channels}. Send `input` instead."
            )
        if levels.dtype != np.uint8 or levels.ndim < 2 or levels.shape[1:] != wanted or not len(levels):
            raise DataError(
                f"encode: x must be uint8 of shape (n, {', '.join(map(str, wanted))}); got {levels.dtype}, "
                f"{levels.shape}. Send it as the page shows it."
            )
        low, high = self.limits
        x = low + levels.astype(np.float64) / 255 * (high - low)
        if len(self.shape) == 2:
            return x
        return x.transpose(0, 3, 1, 2) if channels == 3 else x[:, None]

    def _in_units(self, shown: Array) -> Any:
        """Return tables, or sequences cut where NaN fills them up, in the units of the data."""
        fits = shown.shape[-1:] == self.shape[-1:] if self.kind == "sequence" else shown.shape[1:] == self.shape
        if shown.ndim != len(self.shape) + 1 or not fits or not len(shown) or not shown.size:
            raise DataError(
                f"encode: x must be of shape (n, {', '.join(map(str, self.shape))}); got {shown.shape}. Send it as the "
                "page shows it."
            )
        values = shown.astype(np.float64)
        ragged, missing = self.model.schema_.ragged, np.isnan(values)
        beyond = np.asarray(missing.all(-1)) & ragged
        if not (np.isfinite(values) | beyond[..., None] | (missing & self.model.takes_missing)).all():
            raise DataError("encode: x must be finite; got nan or infinity. Send numbers.")
        if not ragged:
            return values
        filled = ~beyond
        if not filled.any(1).all():
            raise DataError("encode: x must have sequences of at least one step; got one of NaN alone. Send its steps.")
        lengths = values.shape[1] - np.argmax(filled[:, ::-1], axis=1)
        return [sequence[:n] for sequence, n in zip(values, lengths, strict=True)]
