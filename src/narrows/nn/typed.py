"""What enters the encoder of a table of typed columns: linear features, embeddings, cycles of time, and the mask."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from narrows.data.types import SPIKES, ColumnType
from narrows.data.types_table import DAY

CYCLES = (("day", DAY, 2 * DAY), ("week", 7 * DAY, 14 * DAY), ("year", 365.2425 * DAY, 548 * DAY))
"""Name, length in seconds, and the least span of data in which a cycle shows."""


def embedding_size(classes: int) -> int:
    """Return the dimension of the embedding of so many levels: 1.6 classes^0.56, 32 at most."""
    return min(32, round(1.6 * classes**0.56))


def cycles_of(column: ColumnType) -> tuple[float, ...]:
    """Return the cycles of time that a date column goes through, in seconds; that of the day if it has hours."""
    if column.kind != "date":
        return ()
    span = column.high - column.low
    return tuple(length for _, length, least in CYCLES if span >= least and column.step < length)


class TypedInput(nn.Module):
    """Values and mask (B, D) to features (B, size).

    The first `linear` of them are what principal axes are taken of: numbers, and one feature per level of categories,
    the 16 most frequent ones at most, at their mean where a value is missing. Then come an embedding per category of
    more levels, in which "missing" is a level, sine and cosine of a date's cycles, and one feature per column that says
    where it is missing.
    """

    column: Tensor
    level: Tensor
    mean: Tensor
    one_hot: Tensor
    spike: Tensor
    gaps: Tensor

    def __init__(self, features: Sequence[ColumnType], *, hides: bool = False) -> None:
        super().__init__()
        self.features = tuple(features)
        columns: list[int] = []
        classes: list[float] = []
        means: list[float] = []
        for i, column in enumerate(self.features):
            part, level, mean = _linear(column)
            columns += [i] * len(part)
            classes += level
            means += mean
        self.linear = len(columns)
        kind = [_linear(column)[0] for column in self.features]
        one_hot = [flag for part in kind for flag in part]
        spike = [column.spike_code if column.spike is not None else math.inf for column in self.features]
        self.register_buffer("column", torch.tensor(columns), persistent=False)
        self.register_buffer("level", torch.tensor(classes), persistent=False)
        self.register_buffer("mean", torch.tensor(means), persistent=False)
        self.register_buffer("one_hot", torch.tensor(one_hot), persistent=False)
        spikes = [spike[i] for i in columns]
        self.register_buffer("spike", torch.tensor(spikes, dtype=torch.float32), persistent=False)
        self.many = tuple(
            i for i, c in enumerate(self.features) if c.likelihood == "categorical" and c.classes > c.linear
        )
        self.embeddings = nn.ModuleList([_embedding(self.features[i].classes) for i in self.many])
        self.dates = tuple((i, length) for i, column in enumerate(self.features) for length in cycles_of(column))
        gaps = [float(hides or column.missing > 0) for column in self.features]
        self.register_buffer("gaps", torch.tensor(gaps), persistent=False)
        embedded = sum(embedding_size(self.features[i].classes) for i in self.many)
        self.size = self.linear + embedded + 2 * len(self.dates) + len(self.features)

    def linear_features(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return the features that principal axes are taken of: (B, D) -> (B, linear)."""
        values = x[:, self.column]
        spike = (values - self.spike).abs() <= 1e-6 * self.spike.abs().clamp(1.0, 1e30)
        # 0: the number, 1: whether it is the level, 2: whether it is the spike, 3: the number where it is not.
        chosen = torch.where(self.one_hot == 1, ((values - self.level).abs() < 0.5).to(x), values)
        chosen = torch.where(self.one_hot == 2, spike.to(x), chosen)
        chosen = torch.where((self.one_hot == 3) & spike, x.new_zeros(()), chosen)
        return chosen if mask is None else torch.where(mask[:, self.column], chosen, self.mean.to(x))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return the features (B, size)."""
        parts = [self.linear_features(x, mask)]
        for i, embedding in zip(self.many, self.embeddings, strict=True):
            last = self.features[i].classes
            index = x[:, i].round().long().clamp(0, last - 1)
            parts.append(embedding(index if mask is None else torch.where(mask[:, i], index, last)).to(x))
        for i, length in self.dates:
            column = self.features[i]
            turns = x[:, i] * (column.factor / length) + column.offset / length % 1.0
            wave = torch.stack([torch.sin(2 * math.pi * turns), torch.cos(2 * math.pi * turns)], 1)
            parts.append(wave if mask is None else torch.where(mask[:, i : i + 1], wave, 0.0))
        missing = torch.zeros_like(x) if mask is None else (~mask).to(x)
        return torch.cat([*parts, missing * self.gaps], 1)


def _embedding(classes: int) -> nn.Embedding:
    """Return an embedding of levels and of what is missing, drawn evenly from [-1, 1].

    torch's own normal numbers, asked for on its meta device, take seconds to import.
    """
    weight = torch.empty(classes + 1, embedding_size(classes)).uniform_(-1, 1)
    return nn.Embedding.from_pretrained(weight, freeze=False)


def _linear(column: ColumnType) -> tuple[list[int], list[float], list[float]]:
    """Return of each linear feature of a column its kind, its level, and its mean; see `linear_features`."""
    if column.likelihood == "categorical":
        size = column.linear
        return [1] * size, [float(k) for k in range(size)], column.class_shares[:size].tolist()
    if column.likelihood == "bernoulli":
        return [0], [0.0], [float(column.class_shares[-1]) if column.classes > 1 else 0.0]
    if column.likelihood in SPIKES:
        return [2, 3], [0.0, 0.0], [column.share, 0.0]
    return [0], [0.0], [0.0]
