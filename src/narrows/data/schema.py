"""What `fit` learned of the form of X: the one place where data become tensors' values, and values data again.

It knows the kind of samples, their shape, the columns, the scale and the labels, is fitted to the training rows alone,
and is saved with the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from narrows.data.arrays import Array, Arrays, on_disk
from narrows.data.frames import frame_columns, frame_kind, to_frame
from narrows.errors import ConfigError, DataError

SCALES = ("auto", "standard", "minmax")
"""Names of scales; None and a number, by which all values are divided, are scales as well."""
KINDS = {1: "table", 2: "sequences", 3: "images"}
PART = 2**21
"""Values that are looked at at once in double precision."""
RESOLUTION = 2.0**-24
"""Relative rounding error of float32."""


@dataclass(frozen=True, eq=False)
class Schema:
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

    # Learning the schema ----------------------------------------------------------------------------------------------

    @classmethod
    def of(
        cls, X: Any, y: Any = None, *, scale: str | float | None = "auto", columns: Sequence[str] | None = None,
        like: Any = None, owner: str = "Schema", double: bool = False,
    ) -> Self:  # fmt: skip
        """Learn the schema of training samples.

        Parameters
        ----------
        X
            (N, D), (N, T, D), (N, C, H, W), or a list of (T_i, D): numeric, NaN for missing values.
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

        Raises
        ------
        ConfigError
            The scale is none.
        DataError
            A feature has no observed value, or varies by less than float32 can tell where nothing is scaled.
        """
        steps = None
        if isinstance(X, list):
            lengths = [len(sequence) for sequence in X]
            shape: tuple[int | None, ...] = (None if len(set(lengths)) > 1 else lengths[0], X[0].shape[1])
            steps, dtype = max(lengths), np.result_type(*(sequence.dtype for sequence in X))
        else:
            shape, dtype = tuple(int(n) for n in X.shape[1:]), X.dtype
        names = frame_columns(like) if like is not None else None
        named = names or columns
        given = None if named is None else tuple(named)
        # Pixels need no statistics, and neither does a model of all digits that scales nothing.
        plain = (dtype == np.uint8 and scale in ("auto", None)) or (double and scale is None)
        facts = None if plain else _facts(X, shape)
        return cls(
            kind=KINDS[len(shape)], shape=shape, dtype=dtype.name, rows=len(X), steps=steps,
            columns=given if len(shape) == 1 else None, frame=frame_kind(like),
            dtypes=None if frame_kind(like) is None else frame_columns(like, types=True),
            missing=facts is not None and facts.missing, **_labels(y, owner),
            **_scaling(scale, dtype, facts, owner, double, given),
        )  # fmt: skip

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
    def pixels(self) -> bool:
        """Whether X is uint8 and scaled by 1/255."""
        return self.scale == "pixels"

    @property
    def n_features(self) -> int:
        """Values of a sample."""
        return math.prod(self.sample_shape)

    @property
    def label_size(self) -> int:
        """Values of a condition: one per class, or the numbers of a numeric y."""
        return self.label_values if self.levels is None else len(self.levels)

    @property
    def log_jacobian(self) -> float:
        """Log |dx / dX| of a whole sample: what turns a log density of x into one of X. 0 for pixels, in [0, 1]."""
        if self.factor is None:
            return 0.0
        return -float(np.log(self.factor).sum()) * self.n_features / len(self.factor)

    def log_jacobian_of(self, mask: Tensor | None) -> Tensor | float:
        """Return the same for the observed values of each sample, (B,)."""
        if mask is None or self.factor is None:
            return self.log_jacobian
        logs = -torch.from_numpy(np.log(self._expanded(self.factor))).float().to(mask.device)
        return torch.where(mask, logs, 0.0).flatten(1).sum(1)

    def __str__(self) -> str:
        """Return the form and the scale of samples in words."""
        sizes = " x ".join("?" if n is None else str(n) for n in self.shape)
        each = {"table": "column", "sequences": "feature", "images": "channel"}[self.kind]
        words: dict[Any, str] = {
            "pixels": "pixels scaled by 1/255",
            "standard": f"every {each} scaled to mean 0 and deviation 1",
            "minmax": f"every {each} scaled to [0, 1]",
            None: "values as they are",
        }
        parts = [f"{self.kind} of {sizes} {self.dtype}", words.get(self.scale, f"values divided by {self.scale}")]
        if self.columns is not None:
            parts.append("columns " + ", ".join(self.columns[:12]) + (", ..." if len(self.columns) > 12 else ""))
        if self.missing:
            parts.append("some values missing")
        if self.levels is not None:
            parts.append("classes " + ", ".join(map(str, self.levels[:12])))
        return "; ".join(parts)

    # Conversion -------------------------------------------------------------------------------------------------------

    def encode(self, X: Any, y: Any = None, *, dtype: np.dtype[Any] | None = None, owner: str = "Schema") -> Arrays:
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

        Raises
        ------
        DataError
            A label is unknown or missing, a sequence is longer than those of training, or scaled values are beyond the
            type.
        """
        dtype = dtype or np.dtype(np.float32)
        labels = None if not self.label_size else self.labels_of(y, len(X), owner)
        if isinstance(X, list):
            x, mask, lengths = self._padded(X, dtype, owner)
            return Arrays(x, mask, lengths, labels)
        if self.pixels:
            X = self._pixels(X, owner)
        if (X.dtype == np.uint8 and self.pixels) or on_disk(X):
            return Arrays(X, None, None, labels)
        x, mask = self.scaled(X, dtype)
        with np.errstate(invalid="ignore"):
            total = float(x.sum(dtype=np.float64))
        if not math.isfinite(total) and not np.isfinite(x).all():
            low, high = float(np.nanmin(X)), float(np.nanmax(X))
            raise DataError(
                f"{owner}: X must lie within {dtype.name}, +-{np.finfo(dtype).max:.2g}; got values from {low:.3g} to "
                f"{high:.3g}. Scale X."
            )
        return Arrays(x, mask, None, labels)

    def _pixels(self, X: Array, owner: str) -> Array:
        """Return pixels as uint8, or as floats that are in [0, 1] already."""
        if X.dtype == np.uint8:
            return X
        low, high = float(np.nanmin(X)), float(np.nanmax(X))
        if X.dtype.kind in "iu" and low >= 0 and high <= 255:
            return X.astype(np.uint8)
        if X.dtype.kind == "f" and low >= 0 and high <= 1:
            return X
        raise DataError(
            f"{owner}: X must be uint8 pixels as in fit, or on [0, 1]; got {X.dtype} from {low:.6g} to {high:.6g}. "
            "Convert it: X.astype('uint8'), or divide by 255."
        )

    def scaled(self, X: Array, dtype: np.dtype[Any]) -> tuple[Array, Array | None]:
        """Return rows on the model's scale, and the mask of observed values or None where nothing is missing.

        The scale is applied in double precision. X itself is returned where nothing is to be done.
        """
        mask = None
        if X.dtype.kind == "f" and not math.isfinite(_sum(X)) and np.isnan(X).any():
            mask = ~np.isnan(X)
        if self.pixels and X.dtype == np.uint8:
            return X, None
        if self.factor is None or self.offset is None:
            with np.errstate(over="ignore"):  # told where it matters
                x = X if X.dtype == dtype else X.astype(dtype)
        else:
            offset, factor = self._expanded(self.offset), self._expanded(self.factor)
            x = np.empty(X.shape, dtype)
            size = max(1, PART // max(1, math.prod(X.shape[1:])))
            with np.errstate(over="ignore"):
                for start in range(0, len(X), size):
                    part = slice(start, start + size)
                    x[part] = (X[part].astype(np.float64) - offset) / factor
        if mask is not None:
            x = np.where(mask, x, dtype.type(0))
        return x, mask

    def values(self, arrays: Arrays) -> Array:
        """Return `arrays.x` in double precision on the model's scale, pixels in [0, 1]; what is masked is 0."""
        x = self.in_memory(arrays, np.dtype(np.float64)).x
        return x / 255.0 if x.dtype == np.uint8 else np.asarray(x, np.float64)

    def in_memory(self, arrays: Arrays, dtype: np.dtype[Any]) -> Arrays:
        """Return what `arrays` would be if `arrays.x` were no memory map; pixels stay as they are."""
        if not on_disk(arrays.x) or (self.pixels and arrays.x.dtype == np.uint8):
            return arrays
        x, mask = self.scaled(np.asarray(arrays.x), dtype)
        return arrays._replace(x=x, mask=mask)

    def decode(self, x: Array, *, like: Any = None, lengths: Array | None = None) -> Any:
        """Return samples as X was: its units, type, columns and kind of data frame, and sequences of their lengths.

        Parameters
        ----------
        x
            (N, *shape) on the model's scale.
        like
            The X that these correspond to, whose index a pandas frame takes.
        lengths
            (N,) of sequences; they come back as a list, or as an array where `like` is one.
        """
        return self.presented(self.in_units(x), like=like, lengths=lengths)

    def in_units(self, x: Array) -> Array:
        """Return samples (N, *shape) of the model's scale as an array in X's units and type."""
        X: Array
        if self.pixels:
            X = np.asarray(x, np.float64) * 255
        elif self.factor is None or self.offset is None:
            X = np.asarray(x)
        else:
            X = np.asarray(x, np.float64) * self._expanded(self.factor) + self._expanded(self.offset)
        kind = np.dtype(self.dtype)
        if kind.kind == "b":
            X = X >= 0.5
        elif kind.kind in "iu":
            limits = np.iinfo(kind)
            X = np.rint(X.astype(np.float64))
            with np.errstate(invalid="ignore"):  # beyond the limits; 2^63 - 1 itself is not among double precision
                X = np.where(limits.max <= X, limits.max, np.where(limits.min >= X, limits.min, X.astype(kind)))
        elif X.dtype.itemsize > kind.itemsize:  # beyond the limits, as for integers
            X = np.clip(X, np.finfo(kind).min, np.finfo(kind).max)
        return X.astype(kind, copy=False)

    def presented(self, X: Array, *, like: Any = None, lengths: Array | None = None) -> Any:
        """Return an array in X's units as X was: a frame, a list of sequences, or an array; see `decode`."""
        if lengths is not None:
            sequences = [sequence[:n] for sequence, n in zip(X, lengths, strict=True)]
            return np.stack(sequences) if isinstance(like, np.ndarray) and like.ndim == 3 else sequences
        if self.frame is None or self.columns is None or self.dtypes is None:
            return X
        return to_frame(X, self.frame, self.columns, self.dtypes, like)

    def rescale(self, x: Array, target: Schema) -> Array:
        """Return samples (N, *shape) on another schema's scale, in double precision, without rounding to X's type."""
        X = replace(self, dtype="float64", frame=None).decode(np.asarray(x, np.float64))
        return X / 255.0 if target.pixels else target.scaled(X, np.dtype(np.float64))[0]

    def _expanded(self, values: Array) -> Array:
        """Return values per feature so that they broadcast over samples (N, *shape)."""
        return values.reshape(-1, 1, 1) if self.kind == "images" else values

    def _padded(self, X: list[Array], dtype: np.dtype[Any], owner: str) -> tuple[Array, Array | None, Array]:
        """Return sequences padded with 0 to the longest of training, their mask and their lengths."""
        steps, lengths = self.sample_shape[0], np.array([len(sequence) for sequence in X])
        if lengths.max() > steps:
            raise DataError(
                f"{owner}: X must have sequences of at most {steps} steps, as in fit; got {lengths.max()}. Cut them, "
                "or fit to longer ones."
            )
        x = np.zeros((len(X), *self.sample_shape), dtype)
        mask = np.zeros(x.shape, bool)
        for row, sequence in enumerate(X):
            values, observed = self.scaled(sequence, dtype)
            x[row, : len(sequence)] = values
            mask[row, : len(sequence)] = True if observed is None else observed
        return x, None if mask.all() else mask, lengths

    def labels_of(self, y: Any, n: int, owner: str) -> Array:
        """Return n labels as the model takes them: (n,) class indices, or (n, k) numbers.

        Raises
        ------
        DataError
            There are none, more or fewer, or some of unknown classes.
        """
        if y is None:
            raise DataError(f"{owner}: y must be given, since the model takes a condition; got None. Pass y=labels.")
        labels = np.asarray(y)
        if len(labels) != n:
            raise DataError(f"{owner}: y must have one label per sample, {n}; got {len(labels)}.")
        if self.levels is None:
            numbers = labels.reshape(n, -1)
            if numbers.shape[1] != self.label_values:
                count = f"{self.label_values} number{'s' * (self.label_values > 1)}"
                raise DataError(f"{owner}: y must have {count} per sample; got {numbers.shape[1]}.")
            if numbers.dtype.kind not in "iufb" or not np.isfinite(numbers).all():
                raise DataError(f"{owner}: y must hold finite numbers, as in fit; got others.")
            return numbers.astype(np.float32)
        position = {level: i for i, level in enumerate(self.levels)}
        plain = labels.tolist()
        unknown = [label for label in plain if label not in position]
        if unknown:
            known = ", ".join(map(repr, self.levels[:10]))
            raise DataError(f"{owner}: y must hold classes of training, {known}; got {unknown[0]!r}.")
        return np.array([position[label] for label in plain], np.int64)

    # Files ------------------------------------------------------------------------------------------------------------

    def record(self) -> dict[str, Any]:
        """Return the plain values, as JSON holds them; `tensors` has the rest."""
        return {
            name: getattr(self, name)
            for name in (
                "kind", "shape", "dtype", "rows", "steps", "columns", "dtypes", "frame", "scale", "missing", "levels",
                "label_values",
            )
        }  # fmt: skip

    def tensors(self) -> dict[str, Array]:
        """Return offset and factor, where there are any."""
        return {name: v for name, v in (("offset", self.offset), ("factor", self.factor)) if v is not None}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], tensors: Mapping[str, Array]) -> Self:
        """Return the schema that `record` and `tensors` described; `FORM` is the record's form."""
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
        return cls(**plain, **dict[str, Any](tensors))


FORM = {
    "kind": str, "shape": [int | None], "dtype": str, "rows": int, "steps": int | None,
    "columns": ([str], type(None)), "dtypes": ([str], type(None)), "frame": str | None,
    "scale": str | float | int | None, "missing": bool, "levels": ([str | int | float | bool], type(None)),
    "label_values": int,
}  # fmt: skip
"""The form of `Schema.record()` in files (see `narrows.storage`)."""


@dataclass
class _Facts:
    """What one pass over the training rows tells, feature by feature, of the observed values."""

    count: Array
    mean: Array
    squares: Array
    """Sums of squares about `mean`."""
    low: Array
    high: Array
    missing: bool


def _parts(X: Any, shape: tuple[int | None, ...]) -> Iterator[Array]:
    """Yield rows in double precision, a feature in each column: (n, features)."""
    if isinstance(X, list):
        for sequence in X:
            yield np.asarray(sequence, np.float64)
        return
    size = max(1, PART // max(1, math.prod(X.shape[1:])))
    for start in range(0, len(X), size):
        part = np.asarray(X[start : start + size]).astype(np.float64)
        yield (
            np.moveaxis(part, 1, -1).reshape(-1, part.shape[1]) if len(shape) == 3 else part.reshape(-1, part.shape[-1])
        )


@np.errstate(over="ignore", invalid="ignore")  # moments that overflow are refused where a scale is made of them
def _facts(X: Any, shape: tuple[int | None, ...]) -> _Facts:
    """Return moments and ranges, merged over parts (Chan et al. 1979)."""
    facts: _Facts | None = None
    for part in _parts(X, shape):
        there = ~np.isnan(part)
        count = there.sum(0)
        filled = np.where(there, part, 0.0)
        mean = filled.sum(0) / np.maximum(count, 1)
        centred = np.where(there, part - mean, 0.0)
        mean = mean + centred.sum(0) / np.maximum(count, 1)  # a second pass: the first rounds at large offsets
        squares = np.square(np.where(there, part - mean, 0.0)).sum(0)
        low = np.where(there, part, np.inf).min(0)
        high = np.where(there, part, -np.inf).max(0)
        if facts is None:
            facts = _Facts(count, mean, squares, low, high, not there.all())
            continue
        total = facts.count + count
        apart = mean - facts.mean
        facts.squares = facts.squares + squares + apart**2 * facts.count * count / np.maximum(total, 1)
        facts.mean = facts.mean + apart * count / np.maximum(total, 1)
        facts.count, facts.missing = total, facts.missing or not there.all()
        facts.low, facts.high = np.minimum(facts.low, low), np.maximum(facts.high, high)
    assert facts is not None  # X has at least one row
    return facts


def _scaling(
    scale: Any, dtype: np.dtype[Any], facts: _Facts | None, owner: str, double: bool, columns: tuple[str, ...] | None
) -> dict[str, Any]:
    """Return scale, offset and factor."""
    number = isinstance(scale, int | float) and not isinstance(scale, bool)
    if not (scale is None or scale in SCALES or (number and math.isfinite(scale) and scale > 0)):
        raise ConfigError(
            f"{owner}: scale must be one of {', '.join(map(repr, SCALES))}, a number > 0 or None; got {scale!r}."
        )
    if facts is None:
        return {"scale": "pixels" if dtype == np.uint8 else None}
    if (facts.count == 0).any():
        index = int(np.flatnonzero(facts.count == 0)[0])
        name = f"column {columns[index]!r}" if columns else f"feature {index}"
        raise DataError(f"{owner}: X must have an observed value in every feature; got none in {name}. Leave it out.")
    largest = np.maximum(np.abs(facts.low), np.abs(facts.high))
    with np.errstate(over="ignore", invalid="ignore"):
        deviation, span = np.sqrt(facts.squares / facts.count), facts.high - facts.low
    deviation = np.where(deviation > 1e-14 * largest, deviation, 0.0)  # below that it is rounding: a constant
    if scale == "auto":
        scale = None if facts.low.min() >= 0 and facts.high.max() <= 1 else "standard"
    if scale is None:
        lost = (deviation > 0) & (deviation < 4 * RESOLUTION * largest)
        if not double and lost.any():
            index = int(np.flatnonzero(lost)[0])
            name = f"column {columns[index]!r}" if columns else f"feature {index}"
            raise DataError(
                f"{owner}: X must vary by more than float32 resolves where scale=None; {name} lies around "
                f"{facts.mean[index]:.6g} with a deviation of {deviation[index]:.3g}. Set scale='standard'."
            )
        return {"scale": None}
    zeros, ones = np.zeros(len(facts.mean)), np.ones(len(facts.mean))
    if not isinstance(scale, str):
        return {"scale": float(scale), "offset": zeros, "factor": ones * float(scale)}
    if not (np.isfinite(facts.mean) & np.isfinite(deviation) & np.isfinite(span)).all():
        raise DataError(
            f"{owner}: X must lie within +-1e154 for scale={scale!r}, so that its squares are finite; got values from "
            f"{facts.low.min():.3g} to {facts.high.max():.3g}. Divide X first."
        )
    if scale == "standard":
        return {"scale": scale, "offset": facts.mean, "factor": np.where(deviation > 0, deviation, ones)}
    return {"scale": scale, "offset": facts.low, "factor": np.where(span > 0, span, ones)}


def _labels(y: Any, owner: str) -> dict[str, Any]:
    """Return the classes of y in order, or how many numbers a label has."""
    if y is None:
        return {}
    labels = np.asarray(y)
    if labels.ndim == 1 and (labels.dtype.kind in "iubUSO" or (labels.dtype.kind == "f" and _whole(labels))):
        plain = labels.tolist()
        if any(label is None or label != label for label in plain):
            raise DataError(f"{owner}: y must have a label for every sample; some are missing. Leave those rows out.")
        return {"levels": tuple(sorted(set(plain), key=lambda label: (str(type(label)), label)))}
    if labels.dtype.kind not in "iuf" or not np.isfinite(labels).all():
        raise DataError(f"{owner}: y must hold classes (N,) or finite numbers; got {labels.dtype}.")
    return {"label_values": 1 if labels.ndim == 1 else int(np.prod(labels.shape[1:]))}


def _whole(labels: Array) -> bool:
    return bool(np.isfinite(labels).all() and (labels == np.round(labels)).all() and len(np.unique(labels)) <= 100)


def _sum(X: Array) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(X.sum())
