"""The form of an exported model's samples and codes, as `schema.json` has it; it needs numpy alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from narrows.data.types import TYPE_FORM

SCHEMA = "schema.json"
FORMAT = 1
"""Of `schema.json`."""
SYSTEMS = 2**24
"""Values of the systems of equations that are in memory at once."""
RECORD = {
    "format": int, "model": str, "kind": str, "shape": [int | None], "steps": int | None, "dtype": str, "input": str,
    "columns": ([str], type(None)), "axes": str | None, "scale": str | float | int | None,
    "limits": ([float | int], type(None)), "missing": bool, "levels": ([str | int | float | bool], type(None)),
    "label_values": int, "types": ([TYPE_FORM], type(None)),
    "code": {"shape": [int], "dtype": str, "ordered": bool, "levels": int},
    "functions": {name: {"file": str} for name in ("encoder", "decoder", "reconstruct", "score")},
}  # fmt: skip
"""The form of `schema.json`, as far as it is used here."""


@dataclass(frozen=True)
class Form:
    """The form of a model's samples and codes, as `schema.json` has it; it stands for a `Schema` where one is asked."""

    model: str
    kind: str
    shape: tuple[int | None, ...]
    steps: int | None
    dtype: str
    input: str
    """The type in which samples enter the functions."""
    columns: tuple[str, ...] | None
    axes: str | None
    scale: str | float | None
    limits: tuple[float, float] | None
    missing: bool
    """Whether NaN counts as a missing value."""
    levels: tuple[Any, ...] | None
    label_values: int
    code: Mapping[str, Any]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Form:
        """Return the form that `schema.json` describes."""
        names = cls.__dataclass_fields__
        values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in record.items() if n in names}
        return cls(**values)

    @property
    def ragged(self) -> bool:
        """Whether sequences differ in length."""
        return None in self.shape

    @property
    def pixels(self) -> bool:
        """Whether X is uint8."""
        return self.scale == "pixels"

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of a sample, padded to the longest sequence."""
        return tuple(self.steps if n is None and self.steps is not None else int(n or 0) for n in self.shape)

    @property
    def n_features(self) -> int:
        """Values of a sample."""
        return math.prod(self.sample_shape)

    @property
    def takes_labels(self) -> bool:
        """Whether y must be given."""
        return self.levels is not None or self.label_values > 0

    def chunk(self, most: int) -> int:
        """Return how many samples are computed at once: fewer where a system of a code's size is solved for each."""
        size = math.prod(self.code["shape"]) if self.missing and self.code["dtype"] == "float64" else 1
        return max(1, min(most, SYSTEMS // size**2))

    @property
    def usual_largest(self) -> tuple[float, float] | None:
        """Between what the largest of some values lies where their unit need not be found out; None for any values."""
        low, high = self.limits or (-1.0, 0.0)
        if self.columns is not None or low < 0:
            return None
        return (-math.inf, high) if high <= 1 else (1.0, math.inf)
