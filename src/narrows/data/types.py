"""The type of a column: how its values enter a model, and how a model's values become the column's again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from narrows.data.arrays import Array
from narrows.data.types_table import DAY, Values, level_values, within

LIKELIHOODS: dict[str, tuple[str, ...]] = {
    "real": ("gaussian", "student", "spike"),
    "positive": ("log_normal", "log_spike"),
    "count": ("poisson", "negative_binomial"),
    "category": ("categorical", "bernoulli"),
    "ordinal": ("ordinal",),
    "date": ("gaussian",),
    "constant": (),
    "identifier": (),
}
"""The likelihoods that a column of each kind may have."""
KINDS = tuple(LIKELIHOODS)
LOGARITHMIC = ("log_normal", "log_spike")
SPIKES = ("spike", "log_spike")
CLASSES = ("categorical", "bernoulli")
"""Likelihoods of indices of levels without an order."""
MOST_LEVELS = 1000
"""Levels of a category that a model tells apart; the others share one, called rare."""
FEW = 16
"""Levels of a category, the most frequent ones, that have a feature each in principal axes."""
FEWEST = 3
"""Rows that a level has, where it does not count as rare."""
DIGITS = 15.0
"""What logarithms of drawn values may be beyond those of training, so that no value overflows."""


class UnseenLevelWarning(UserWarning):
    """A column has levels that fit did not see; they count as missing."""


@dataclass(frozen=True)
class ColumnType:
    """What `fit` learned of one column."""

    name: str
    kind: str
    """real, positive, count, category, ordinal, date, constant or identifier."""
    holds: str
    """What its values are: number, truth, text, time or span; see `Values`."""
    likelihood: str | None = None
    """Its distribution, given the code; None for columns that the model leaves out."""
    dtype: str = ""
    """The type of the column in the frame of fit."""
    offset: float = 0.0
    factor: float = 1.0
    """x = (v - offset) / factor, of the logarithm of v where the likelihood has one, of the position of its level in an
    ordinal column. Of a date the unit is the second."""
    missing: float = 0.0
    """Share of the training rows in which the value is missing."""
    levels: tuple[Any, ...] = ()
    """Of categories and ordinal columns, in order; the one value of a constant."""
    counts: tuple[int, ...] = ()
    """Training rows of each level."""
    declared: bool = False
    ordered: bool = False
    """Whether levels are those of a categorical type, and in order; see `Values`."""
    whole: bool = False
    """Whether all values are whole numbers."""
    low: float = 0.0
    high: float = 0.0
    """Least and greatest training value."""
    step: float = 0.0
    """The least distance of two values, as decimals say; 0 where there is none."""
    spike: float | None = None
    """The one value that many rows have, where the likelihood gives it a probability of its own."""
    share: float = 0.0
    """Of the rows that have that value."""

    @property
    def modelled(self) -> bool:
        """Whether the column is one of the model's."""
        return self.likelihood is not None

    @property
    def numeric(self) -> bool:
        """Whether the model's values are numbers, whose errors can be squared, rather than indices of levels."""
        return self.likelihood not in (None, *CLASSES)

    @cached_property
    def frequent(self) -> tuple[int, ...]:
        """Positions of the levels that the model tells apart, by falling number of rows."""
        if not self.counts:
            return ()
        order = sorted(range(len(self.levels)), key=lambda i: -self.counts[i])
        if self.kind != "category" or len([c for c in self.counts if c]) <= 2:
            return tuple(range(len(self.levels))) if self.kind != "category" else tuple(order[:2])
        return tuple(i for i in order[:MOST_LEVELS] if self.counts[i] >= FEWEST) or tuple(order[:1])

    @cached_property
    def rare(self) -> tuple[int, ...]:
        """Positions of the levels that share one index, the last one, in the model; those that occur."""
        told = set(self.frequent)
        return tuple(i for i in range(len(self.counts)) if i not in told and self.counts[i])

    @property
    def classes(self) -> int:
        """How many levels the model tells apart, the rare ones counted once."""
        return len(self.frequent) + bool(self.rare)

    @property
    def class_shares(self) -> Array:
        """(classes,), the share of each among the training rows that have a value."""
        counts = np.array(self.counts, np.float64)
        shares = [*counts[list(self.frequent)], *([counts[list(self.rare)].sum()] if self.rare else [])]
        return np.array(shares) / max(1.0, float(np.sum(shares)))

    @property
    def spike_code(self) -> float:
        """What x is where the value is the spike; below all other values where the likelihood takes logarithms."""
        if self.spike is None:
            return 0.0
        if self.likelihood == "log_spike":
            return (math.log(self.low) - self.offset) / self.factor - 1.0
        return (self.spike - self.offset) / self.factor

    @property
    def linear(self) -> int:
        """How many features principal axes are taken of: 1 of a number, 2 with a spike, one per frequent level."""
        if self.likelihood == "categorical":
            return min(self.classes, FEW)
        return 0 if self.likelihood is None else 2 if self.likelihood in SPIKES else 1

    # From values to the model's, and back -----------------------------------------------------------------------------

    def encode(self, values: Values) -> tuple[Array, Array, list[Any]]:
        """Return x (N,) in double precision, what is observed (N,), and the levels that fit did not see.

        A level that is new counts as missing. What is missing is 0.
        """
        if self.levels:
            return self._encoded_levels(values)
        numbers, observed = values.numbers(), ~values.missing
        numbers = np.where(observed, numbers, self.offset)
        if self.likelihood not in LOGARITHMIC:
            x = (numbers - self.offset) / self.factor
            return np.where(observed, x, 0.0), observed, []
        positive = numbers > 0
        x = (np.log(np.where(positive, numbers, 1.0)) - self.offset) / self.factor
        if self.likelihood == "log_spike":
            spike = numbers == self.spike
            x, positive = np.where(spike, self.spike_code, x), positive | spike
        bad = sorted({float(v) for v in numbers[observed & ~positive][:1000]})
        observed = observed & positive
        return np.where(observed, x, 0.0), observed, bad

    @property
    def level_codes(self) -> Array:
        """(levels + 1,), the index in the model of every level, -1 for those that it does not know, and of none."""
        code = np.full(len(self.levels) + 1, -1)
        code[list(self.frequent)] = np.arange(len(self.frequent))
        code[list(self.rare)] = len(self.frequent)
        return code

    @property
    def code_levels(self) -> Array:
        """(classes,), the position of the level that every index stands for; of the rare ones the most frequent."""
        return np.array([*self.frequent, *([max(self.rare, key=lambda i: self.counts[i])] if self.rare else [])])

    def _encoded_levels(self, values: Values) -> tuple[Array, Array, list[Any]]:
        positions, strange = self.positions(values)
        found = self.level_codes[positions]
        observed = found >= 0
        return np.where(observed, (found - self.offset) / self.factor, 0.0), observed, strange

    def positions(self, values: Values) -> tuple[Array, list[Any]]:
        """Return the positions of values among the levels, -1 where there is none, and those that fit did not see."""
        place = {level: position for position, level in enumerate(self.levels)}
        if values.holds == "text":
            given: list[Any] = list(values.levels)
            index = values.data
        else:
            numbers, gaps = values.numbers(), values.missing
            unique, inverse = np.unique(np.where(gaps, 0.0, numbers), return_inverse=True)
            given, index = unique.tolist(), np.where(gaps, -1, inverse)
        positions = np.array([*(place.get(level, -1) for level in given), -1])[index]
        strange = np.unique(index[(positions < 0) & (index >= 0)]).tolist()
        return positions, [given[i] for i in strange]

    def decode(
        self, x: Array, rng: np.random.Generator | None = None, *, clip: bool = False, decimals: bool = False
    ) -> Values:
        """Return values of the column for x (N,): levels, whole numbers and times where it has them.

        A rare level is drawn by `rng` from their frequencies; without one it is the most frequent of them. With
        `decimals`, numbers have as many as those of training.
        """
        if self.levels:
            return self._decoded_levels(x, rng)
        return self.presented(self.in_units(x), clip=clip, decimals=decimals)

    def in_units(self, x: Array) -> Array:
        """Return numbers in the units of the column for x (N,), not rounded."""
        if self.likelihood not in LOGARITHMIC:
            return x * self.factor + self.offset
        numbers = np.exp(np.clip(x * self.factor + self.offset, *self.log_limits))
        if self.likelihood == "log_spike":
            numbers = np.where(x < self.spike_code + 0.5, float(self.spike or 0.0), numbers)
        return numbers

    @property
    def log_limits(self) -> tuple[float, float]:
        """Between what logarithms of decoded values lie, so that no value overflows."""
        edge = math.log(max(abs(self.high), abs(self.low), 1e-300)) + DIGITS
        return -edge - 700 if edge < 0 else -700.0, min(edge, 700.0)

    @property
    def _about(self) -> dict[str, Any]:
        return {"dtype": self.dtype, "declared": self.declared, "ordered": self.ordered}

    def presented(self, numbers: Array, *, clip: bool = False, decimals: bool = False) -> Values:
        """Return numbers in the units of the column as its values: whole where they were, and within their limits."""
        if self.kind == "count":
            numbers = np.maximum(numbers, 0.0)
        if clip or self.kind == "date":
            room = 0.0 if clip else max(self.high - self.low, DAY)
            low = self.low if self.spike is None else min(self.low, self.spike)
            numbers = np.clip(numbers, low - room, self.high + room)
        if self.whole:
            numbers = np.rint(numbers)
        if self.kind == "date" and self.step:
            numbers = np.rint(numbers / self.step) * self.step
        elif decimals and self.step:
            numbers = np.round(numbers, round(-math.log10(self.step)))
            if self.likelihood == "log_normal":  # 0 has no logarithm
                numbers = np.maximum(numbers, self.step)
        return Values(self.holds, within(numbers, self.dtype), **self._about)

    def at(self, positions: Array) -> Values:
        """Return the levels at positions (N,) as values of the column."""
        return level_values(self.holds, positions, self.levels, self._about)

    def constant(self, n: int) -> Values:
        """Return n values of a column that does not vary, missing ones where it has none."""
        if self.levels:
            return self.at(np.zeros(n, np.int64))
        return Values(
            self.holds, np.full(n, -1, np.int32) if self.holds == "text" else np.full(n, np.nan), **self._about
        )

    def _decoded_levels(self, x: Array, rng: np.random.Generator | None) -> Values:
        code = np.clip(np.rint(x * self.factor + self.offset), 0, self.classes - 1).astype(np.int64)
        found = self.code_levels[code]
        lost = np.flatnonzero(code >= len(self.frequent))
        if rng is not None and len(lost):
            shares = np.array([self.counts[i] for i in self.rare], np.float64)
            found[lost] = rng.choice(np.array(self.rare), len(lost), p=shares / shares.sum())
        return self.at(found)

    # Files and words --------------------------------------------------------------------------------------------------

    def record(self) -> dict[str, Any]:
        """Return the plain values, as JSON holds them, without those that are as by default."""
        default = asdict(ColumnType("", "", ""))
        return {name: value for name, value in asdict(self).items() if name == "name" or value != default[name]}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Return the type that `record` described."""
        plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in record.items()}
        return cls(**plain)

    def __str__(self) -> str:
        """Return the type in words."""
        words = self.kind if self.likelihood is None else f"{self.kind} ({self.likelihood})"
        if self.kind in ("category", "ordinal"):
            rare = f", {len(self.rare):,} of them rare" if self.rare else ""
            words += f", {len(self.levels):,} levels{rare}"
        if self.spike is not None:
            words += f", mostly {self.spike:g}" if self.likelihood == "log_spike" else f", often {self.spike:g}"
        if self.kind == "constant" and self.levels:
            words += f", always {self.levels[0]!r}"
        if self.kind == "identifier":
            words += ", left out"
        return words + (f", {self.missing:.0%} missing" if self.missing else "")


TYPE_FORM = {
    "name": str, "kind?": str, "holds?": str, "likelihood?": str | None, "dtype?": str, "offset?": float | int,
    "factor?": float | int, "missing?": float | int, "levels?": [str | int | float | bool], "counts?": [int],
    "declared?": bool, "ordered?": bool, "whole?": bool, "low?": float | int, "high?": float | int,
    "step?": float | int, "spike?": float | int | None, "share?": float | int,
}  # fmt: skip
"""The form of `ColumnType.record()` in files (see `narrows.storage`)."""
