"""What `fit` learned of the form of X: the one place where data become tensors' values, and values data again.

It knows the kind of samples, their shape, the columns, the scale and the labels, is fitted to the training rows alone,
and is saved with the model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from narrows.data.arrays import Array, Arrays, on_disk, padded
from narrows.data.axes import given_order, returned
from narrows.data.classes import encoded_labels
from narrows.data.derived import Converted
from narrows.data.description import in_words
from narrows.data.frames import frame_columns, frame_kind, to_frame
from narrows.data.learning import learnt, learnt_types
from narrows.data.pixels import as_fitted
from narrows.data.scaling import ScalingMixin
from narrows.data.stored import StoredRows
from narrows.data.types import TYPE_FORM, ColumnType
from narrows.data.types_gaps import Pattern
from narrows.data.types_schema import as_given, decoded_table, encoded_table, table_like
from narrows.data.types_table import MixedTable
from narrows.errors import DataError


@dataclass(frozen=True, eq=False)
class Schema(ScalingMixin):
    """The form of samples X, and their scale: x = (X - offset) / factor, feature by feature."""

    kind: str
    """table, sequences or images."""
    shape: tuple[int | None, ...]
    """Of one sample; None where samples differ, such as the steps of sequences."""
    dtype: str
    """Of X, as numpy names it."""
    rows: int
    """Training rows."""
    steps: int | None = None
    """The longest training sequence, where they differ in length."""
    columns: tuple[str, ...] | None = None
    """Names of the features of a table."""
    dtypes: tuple[str, ...] | None = None
    """Of the columns of a data frame, as narwhals names them."""
    frame: str | None = None
    """The kind of data frame that X was: pandas, polars or pyarrow."""
    scale: str | float | None = None
    """How x is scaled: "pixels" (by 1/255), "standard", "minmax", a number, or None."""
    offset: Array | None = None
    """(features,), double precision; None where nothing is subtracted."""
    factor: Array | None = None
    """(features,), double precision; None where nothing is divided."""
    missing: bool = False
    """Whether training values were missing."""
    levels: tuple[Any, ...] | None = None
    """The classes of y in order, for models that take it; None where y is numeric or not used."""
    label_values: int = 0
    """Numbers per label, for a numeric y."""
    axes: str | None = None
    """The order in which images were given, "NHWC" or "NHW"; None where it was (N, C, H, W)."""
    limits: tuple[float, float] | None = None
    """The least and the largest training value."""
    two_tone: bool = False
    """Whether most pixels are near black or white, as in writing; see `narrows.data.pixels.two_tone`."""
    decimals: tuple[int | None, ...] | None = None
    """Of each column of a table of numbers with names: how many all values have, None beyond six; see `decimals_of`."""
    types: tuple[ColumnType, ...] | None = None
    """Of all columns of a table whose columns have types of their own; `columns` are those that the model takes."""
    gaps: tuple[Pattern, ...] = ()
    """Which of these are missing together; see `narrows.data.types_gaps`."""

    # Learning the schema ----------------------------------------------------------------------------------------------

    @classmethod
    def of(
        cls, X: Any, y: Any = None, *, scale: str | float | None = "auto", columns: Sequence[str] | None = None,
        like: Any = None, owner: str = "Schema", double: bool = False, types: Mapping[Any, str] | None = None,
    ) -> Self:  # fmt: skip
        """Learn the schema of training samples.

        Parameters
        ----------
        X
            (N, D), (N, T, D), (N, C, H, W), or a list of (T_i, D): numeric, NaN for missing values; or a `MixedTable`.
        y
            (N,) classes or numbers, or (N, n) numbers, for models with a condition.
        scale
            "auto" (standard, but for pixels and for values that all lie in [0, 1]), "standard" (mean 0, deviation 1),
            "minmax" (to [0, 1]), a number to divide by, or None.
        columns
            Names of the columns of a table, where X has none itself.
        like
            What X was before it was an array, such as a data frame.
        owner
            Of the error messages.
        double
            Whether the model computes in double precision.
        types
            The kind of some columns of a `MixedTable`, such as {"zip": "category"}; those of others are inferred.

        Raises
        ------
        ConfigError
            The scale is none.
        DataError
            A feature has no observed value, or varies by less than float32 can tell where nothing is scaled.

        Notes
        -----
        uint8 counts as pixels, but for tables whose columns have names, are fewer than 64, or hold values up to 127,
        and images of 0 and 1: those are numbers. Images of uint16 are scaled by their range.
        """
        if isinstance(X, MixedTable):
            return cls(**learnt_types(X, y, types=types, like=like, owner=owner))
        return cls(**learnt(X, y, scale=scale, columns=columns, like=like, owner=owner, double=double))

    # Properties -------------------------------------------------------------------------------------------------------

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of a sample, padded to the longest sequence."""
        return tuple(self.steps if n is None and self.steps is not None else int(n or 0) for n in self.shape)

    @property
    def ragged(self) -> bool:
        """Whether sequences differ in length."""
        return None in self.shape

    @property
    def n_features(self) -> int:
        """Values of a sample."""
        return math.prod(self.sample_shape)

    @property
    def features(self) -> tuple[ColumnType, ...]:
        """Types of the columns that the model takes, where they have types of their own."""
        return tuple(column for column in self.types or () if column.modelled)

    @property
    def numeric(self) -> Array | None:
        """(D,), which features are numbers, whose errors can be squared; None where all are."""
        return None if self.types is None else np.array([column.numeric for column in self.features])

    @property
    def n_columns(self) -> int:
        """Values of a row of X as it is given: with columns that the model does not take."""
        return self.n_features if self.types is None else len(self.types)

    @property
    def label_size(self) -> int:
        """Values of a condition: one per class, or the numbers of a numeric y."""
        return self.label_values if self.levels is None else len(self.levels)

    def __str__(self) -> str:
        """Return the form and the scale of samples in words."""
        return in_words(self)

    # Conversion -------------------------------------------------------------------------------------------------------

    def encode(
        self, X: Any, y: Any = None, *, dtype: np.dtype[Any] | None = None, owner: str = "Schema", learned: bool = False
    ) -> Arrays:
        """Return samples on the model's scale; see `Arrays`. Pixels and memory maps stay as they are.

        Parameters
        ----------
        X
            Samples of this schema's shape: an array, or a list of sequences.
        y
            Their labels, where the model takes a condition.
        dtype
            float32 or float64, in which the model computes.
        owner
            Of the error messages.
        learned
            Whether the schema was learned of these samples: they are in its units, and finite unless some are missing.
            What need not be scaled keeps its type then, where `dtype` holds all its values.

        Raises
        ------
        DataError
            A label is unknown or missing, a sequence is longer than those of training, or scaled values are beyond the
            type.
        """
        dtype = dtype or np.dtype(np.float32)
        labels = None if not self.label_size else self.labels_of(y, len(X), owner)
        if self.types is not None:
            return encoded_table(X, self.types, dtype, labels, owner)
        if isinstance(X, list):
            scaled = [self.scaled(sequence, dtype) for sequence in X]
            x, mask, lengths = padded(scaled, self.sample_shape, dtype, owner)
            return Arrays(x, mask, lengths, labels)
        X = X if learned else as_fitted(X, self, owner)
        if isinstance(X, StoredRows) and X.dtype == np.uint8 and not self.pixels:
            X = Converted(X, np.dtype(np.float32))
        if self.pixels if X.dtype == np.uint8 else on_disk(X):  # uint8 that is no pixels is read: it stands for them
            return Arrays(X, None, None, labels)
        if learned and self.factor is None and not self.missing and X.dtype in (np.float32, dtype):
            return Arrays(X, None, None, labels)
        x, mask = self.scaled(X, dtype)
        with np.errstate(invalid="ignore"):
            total = float(x.sum(dtype=np.float64))
        if not math.isfinite(total) and not np.isfinite(x).all():
            largest, (low, high) = np.finfo(dtype).max, (float(np.nanmin(X)), float(np.nanmax(X)))
            raise DataError(
                f"{owner}: X must lie within {dtype.name}, +-{largest:.2g}; got values from {low:.3g} to {high:.3g}. "
                "Scale X."
            )
        return Arrays(x, mask, None, labels)

    def decode(
        self, x: Array, *, like: Any = None, lengths: Array | None = None, mask: Array | None = None,
        rng: np.random.Generator | None = None, clip: bool = False, decimals: bool = False,
    ) -> Any:  # fmt: skip
        """Return samples as X was: its units, type, columns and kind of data frame, and sequences of their lengths.

        Parameters
        ----------
        x
            (N, *shape) on the model's scale.
        like
            The X that these correspond to, whose index a pandas frame takes.
        lengths
            (N,) of sequences; they come back as a list, or as an array where `like` is one.
        mask
            (N, D), False where a value shall be missing, in tables of typed columns.
        rng
            Of the rare levels that stand for one another in such tables.
        clip, decimals
            Whether numbers there stay within the range of training; have as many decimals, where columns have names.
        """
        if self.types is not None:
            given = None if like is None else table_like(like, self.types, "Schema")
            table = decoded_table(x, self.types, mask=mask, rng=rng, clip=clip, given=given, decimals=decimals)
            return as_given(table, self.frame, like)
        return self.presented(self.in_units(x, decimals=decimals), like=like, lengths=lengths)

    def presented(self, X: Array, *, like: Any = None, lengths: Array | None = None) -> Any:
        """Return an array in X's units as X was: a frame, a list of sequences, or an array; see `decode`."""
        if lengths is not None:
            sequences = [sequence[:n] for sequence, n in zip(X, lengths, strict=True)]
            return np.stack(sequences) if isinstance(like, np.ndarray) and like.ndim == 3 else sequences
        if self.kind == "images":
            return returned(X, self.axes if like is None else given_order(like, self.shape))
        kind = frame_kind(like) or self.frame
        if kind is None or self.kind != "table":
            return X
        columns = self.columns or frame_columns(like)
        return X if columns is None else to_frame(X, kind, columns, self.dtypes, like)

    def rescale(self, x: Array, target: Schema) -> Array:
        """Return samples (N, *shape) on another schema's scale, in double precision, without rounding to X's type."""
        if self.types is not None:  # models of typed columns scale them alike
            return np.asarray(x, np.float64)
        X = replace(self, dtype="float64", frame=None).decode(np.asarray(x, np.float64))
        return X / 255.0 if target.pixels else target.scaled(X, np.dtype(np.float64))[0]

    def labels_of(self, y: Any, n: int, owner: str) -> Array:
        """Return n labels as the model takes them; see `encoded_labels`."""
        return encoded_labels(y, n, self.levels, self.label_values, owner)

    @property
    def units(self) -> tuple[Array, Array]:
        """Return what is subtracted from every value of a sample and what it is divided by: twice (D,)."""
        zeros = np.zeros(self.sample_shape)
        if self.factor is None or self.offset is None:
            return zeros.reshape(-1), np.full(zeros.size, 255.0 if self.pixels else 1.0)
        offset, factor = (zeros + self._expanded(each) for each in (self.offset, self.factor))
        return offset.reshape(-1), factor.reshape(-1)

    # Files ------------------------------------------------------------------------------------------------------------

    def record(self) -> dict[str, Any]:
        """Return the plain values, as JSON holds them; `tensors` has the rest."""
        record = {name.removesuffix("?"): getattr(self, name.removesuffix("?")) for name in FORM}
        return {**record, "types": None if self.types is None else [column.record() for column in self.types]}

    def tensors(self) -> dict[str, Array]:
        """Return offset and factor, where there are any."""
        return {name: v for name, v in (("offset", self.offset), ("factor", self.factor)) if v is not None}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], tensors: Mapping[str, Array]) -> Self:
        """Return the schema that `record` and `tensors` described; `FORM` is the record's form."""
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
        if plain.get("types") is not None:
            plain["types"] = tuple(map(ColumnType.from_record, plain["types"]))
        plain["gaps"] = tuple(map(tuple, plain.get("gaps", ())))
        return cls(**plain, **dict[str, Any](tensors))


FORM = {
    "kind": str, "shape": [int | None], "dtype": str, "rows": int, "steps": int | None,
    "columns": ([str], type(None)), "dtypes": ([str], type(None)), "frame": str | None,
    "scale": str | float | int | None, "missing": bool, "levels": ([str | int | float | bool], type(None)),
    "label_values": int, "axes?": str | None, "two_tone?": bool, "limits?": ([float | int], type(None)),
    "types?": ([TYPE_FORM], type(None)), "gaps?": [[int]],
    "decimals?": ([int | None], type(None)),
}  # fmt: skip
"""The form of `Schema.record()` in files (see `narrows.storage`)."""
