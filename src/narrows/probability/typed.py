"""One likelihood per column, for tables whose columns have types of their own. A value's share is in nats.

Real columns have normal or Student's distributions with a scale learned per column, positive ones the same of their
logarithms, counts Poisson's or a negative binomial one, categories a categorical one, and ordinal columns a logistic
variable cut at learned thresholds (McCullagh 1980, doi:10.1111/j.2517-6161.1980.tb01109.x). A value that many rows have
gets a probability of its own, beside a normal distribution of the others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution

from narrows.data.arrays import Array
from narrows.data.types import SPIKES, ColumnType
from narrows.nn.typed import embedding_size
from narrows.probability.likelihoods import Likelihood, LikelihoodLayer
from narrows.probability.typed_distribution import GROUPS, JOINED, ColumnDistribution
from narrows.probability.typed_start import LOGISTIC, started

COMMON = 0.4
"""The one scale of all numbers, as a share of their deviation: errors then weigh as much as those of levels do."""
LEAST = 1e-3
"""Of a learned scale, as a share of the column's deviation."""
EDGE = 0.01
"""The least probability that training begins at."""


def outputs_of(column: ColumnType) -> int:
    """Return how many decoder outputs a column's likelihood needs."""
    if column.likelihood == "categorical":
        return column.linear + factors if (factors := factors_of(column)) else column.classes
    return 2 if column.likelihood in SPIKES else 1


def factors_of(column: ColumnType) -> int:
    """Return how many factors the logits of many levels are products of; 0 where every level has an output.

    The levels with a linear feature have an output each besides. With fewer than half the outputs a step is that much
    less work, and levels that few rows have are learned with those that they are like.
    """
    factors = embedding_size(column.classes)
    return factors if column.likelihood == "categorical" and 2 * (column.linear + factors) < column.classes else 0


class ColumnLikelihoods(Likelihood):
    """The likelihoods of the columns of a table; `link` is where the output's bias starts.

    Scales of numbers are learned per column, or one for all where a model has no cost of a precise code: it would keep
    a few columns to the last digit, whose nats grow without end, and forget the others.
    """

    def __init__(self, features: Sequence[ColumnType], *, learned: bool = True) -> None:
        self.features, self.learned = tuple(features), learned
        self.link_of = Link(self.features)

    def __str__(self) -> str:
        return "one per column"

    def layer(self) -> ColumnLayer:
        """Return the likelihoods as a part of a module, with the parameters that they learn."""
        return ColumnLayer(self)

    def distribution(self, h: Tensor, scale: Tensor) -> Distribution:
        """Return nothing: the scales are the layer's, which makes the distribution."""
        raise NotImplementedError(f"{type(self).__name__}.layer() makes the distribution.")

    def link(self, mean: Tensor) -> Tensor:
        """Return the decoder output for a mean of the linear features (see `ColumnType.linear`): (..., outputs)."""
        return self.link_of(mean)


class Link:
    """From means of the linear features to the outputs that give them.

    Means of numbers are locations, shares of levels become log probabilities or logits, means of counts log rates. An
    output without a linear feature has a constant: the log frequency of a level.
    """

    def __init__(self, features: Sequence[ColumnType]) -> None:
        source: list[int] = []
        constants: list[float] = []
        self.size = sum(column.linear for column in features)
        factor, offset = np.ones(self.size), np.zeros(self.size)
        at = 0
        for column in features:
            kind, size, first = str(column.likelihood), self.size, 4 * self.size + len(constants)
            if kind == "categorical":
                rest = log_shares(column)[column.linear :]
                rest = np.zeros(factors) if (factors := factors_of(column)) else rest  # the layer has them then
                source += [*range(size + at, size + at + column.linear), *range(first, first + len(rest))]
                constants += rest.tolist()
            elif kind == "bernoulli":
                source.append(2 * size + at)
            elif kind in SPIKES:
                source += [2 * size + at, at + 1]
            elif kind in ("poisson", "negative_binomial"):
                source.append(3 * size + at)
                factor[at], offset[at] = column.factor, column.offset
            elif kind == "ordinal":
                source.append(at)
            else:
                source.append(at)
            at += column.linear
        self.source, self.constants = torch.tensor(source), torch.tensor(constants)
        self.factor, self.offset = torch.tensor(factor), torch.tensor(offset)

    def __call__(self, mean: Tensor) -> Tensor:
        """Return the outputs for means (..., linear)."""
        flat = mean.reshape(-1, self.size)
        factor, offset = self.factor.to(flat), self.offset.to(flat)
        logs = flat.clamp(EDGE, 1.0).log()
        logits = torch.logit(flat.clamp(0.0, 1.0), eps=EDGE)
        rates = (flat * factor + offset).clamp(min=EDGE).log()
        constants = self.constants.to(flat).expand(flat.shape[0], -1)
        every = torch.cat([flat, logs, logits, rates, constants], 1)
        return every.index_select(1, self.source.to(flat.device)).reshape(*mean.shape[:-1], -1)


def log_shares(column: ColumnType) -> Array:
    """Return the logarithms of the shares of a category's levels: (classes,)."""
    return np.log(np.maximum(column.class_shares, 1e-6))


class Levels(nn.Module):
    """Logits of many levels: a sum over factors for each, and an output besides for the most frequent ones."""

    def __init__(self, column: ColumnType) -> None:
        super().__init__()
        self.linear = column.linear
        start = log_shares(column)
        start[: self.linear] = 0.0
        bound = 1 / math.sqrt(factors := factors_of(column))
        self.weight = nn.Parameter(torch.empty(column.classes, factors).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.tensor(start, dtype=torch.float32))

    def forward(self, h: Tensor) -> Tensor:
        """Return the logits: (B, linear + factors) -> (B, classes)."""
        every = F.linear(h[:, self.linear :], self.weight.to(h), self.bias.to(h))
        return every + F.pad(h[:, : self.linear], (0, every.shape[1] - self.linear))


class ColumnLayer(LikelihoodLayer):
    """The likelihoods within a module: scales, dispersions, degrees of freedom and thresholds, learned per column."""

    floor: Tensor
    common: Tensor
    factor: Tensor
    offset: Tensor
    order: Tensor
    last: Tensor

    def __init__(self, of: ColumnLikelihoods) -> None:
        nn.Module.__init__(self)
        self.of = of
        self.learned = of.learned
        self.log_scale = None
        features = of.features
        self.features = features
        self.sizes = [outputs_of(column) for column in features]
        self.outputs = sum(self.sizes)
        self.log_freedom = nn.Parameter(torch.full((len(features),), math.log(4.0)))
        # On the CPU: sums on torch's meta device, where a module is planned, take seconds to import.
        floor = torch.tensor([_floor(column) for column in features], dtype=torch.float32, device="cpu")
        self.register_buffer("floor", floor, persistent=False)
        common = [COMMON * (LOGISTIC if column.likelihood == "ordinal" else 1.0) for column in features]
        self.register_buffer("common", torch.tensor(common, dtype=torch.float32), persistent=False)
        log_scales = (1 - floor).clamp(min=LEAST).log()
        log_scales[[i for i, column in enumerate(features) if column.likelihood == "negative_binomial"]] = 0.0
        self.log_scales = nn.Parameter(log_scales)
        """Of the deviation, and of what an ordinal column's logistic variable is divided by; of counts the logarithm of
        the dispersion."""
        factors, offsets = [t.factor for t in features], [t.offset for t in features]
        self.register_buffer("factor", torch.tensor(factors, dtype=torch.float32), persistent=False)
        self.register_buffer("offset", torch.tensor(offsets, dtype=torch.float32), persistent=False)
        groups: dict[str, list[int]] = {}
        for i, column in enumerate(features):
            groups.setdefault(JOINED.get(kind := str(column.likelihood), kind), []).append(i)
        groups.get("categorical", []).sort(key=self.levels_of)
        self.groups = {name: tuple(members) for name, members in groups.items()}
        for name, members in groups.items():
            self.register_buffer(f"_{name}", torch.tensor(members), persistent=False)
        alike = itertools.groupby(self.groups.get("categorical", ()), self.levels_of)
        self.alike = tuple((classes, tuple(members)) for (_, classes), members in alike)
        """Categories that are computed together: how many levels each has, and which columns they are."""
        self.levels = nn.ModuleDict({str(i): Levels(c) for i, c in enumerate(features) if factors_of(c)})
        ordinal = [features[i] for i in self.groups.get("ordinal", ())]
        self.thresholds = nn.Parameter(_first_thresholds(ordinal).flatten()) if ordinal else None
        """Of ordinal columns; see `steps`."""
        last = [column.classes - 1 for column in ordinal]
        self.register_buffer("last", torch.tensor(last), persistent=False)
        order = [i for name in GROUPS for i in self.groups.get(name, ())]
        self.register_buffer("order", torch.tensor(np.argsort(order).tolist()), persistent=False)

    def levels_of(self, i: int) -> tuple[int, int]:
        """Return by what categories are computed together: all with one number of levels, but those of factors."""
        column = self.features[i]
        return (i if factors_of(column) else -1, column.classes)

    def members(self, group: str) -> Tensor:
        """Return the numbers of the columns of a group."""
        return self.get_buffer(f"_{group}")

    @property
    def steps(self) -> Tensor:
        """(ordinal columns, most levels - 1), what thresholds are made of; of columns with fewer levels the first."""
        assert self.thresholds is not None
        return self.thresholds.view(len(self.last), -1)

    @property
    def scales(self) -> Tensor:
        """(D,), the deviations, at least `floor`: those learned, or the one of all."""
        return self.floor + self.log_scales.exp() if self.learned else torch.maximum(self.common, self.floor)

    def start(self, deviation: float) -> float:
        """Start the learned scales at a standard deviation, and return the variance then."""
        if not self.learned:
            return COMMON**2
        dense = {*self.groups.get("normal", ()), *self.groups.get("student", ())}
        with torch.no_grad():
            for i in dense:
                self.log_scales[i] = math.log(max(deviation, 0.05))
        return deviation**2

    def start_at(self, x: Tensor, mask: Tensor | None, h: Tensor, spare: float = 0.0) -> None:
        """Start scales, dispersions and thresholds where they explain values (N, D) best, given outputs (N, outputs).

        `spare` is the share of the rows that the outputs were fitted with: the residuals of others are larger.
        """
        with torch.no_grad():
            started(self, x, mask, h, spare)

    def forward(self, h: Tensor) -> ColumnDistribution:
        """Return the distribution for decoder output (B, outputs); low precision is left behind here."""
        return ColumnDistribution(h.float() if h.dtype in (torch.bfloat16, torch.float16) else h, self)


def _first_thresholds(columns: Sequence[ColumnType]) -> Tensor:
    """Return thresholds at the marginal frequencies: the first, and what the steps between them are `softplus` of."""
    first = torch.zeros(len(columns), max(column.classes for column in columns) - 1)
    for row, column in zip(first, columns, strict=True):
        below = np.clip(np.cumsum(column.class_shares)[:-1], 1e-4, 1 - 1e-4)
        logits = np.log(below / (1 - below))
        steps = np.maximum(np.diff(logits), 1e-3)
        row[: len(logits)] = torch.tensor([logits[0], *np.log(np.expm1(steps))], dtype=torch.float32)
    return first


def _floor(column: ColumnType) -> float:
    """Return the least scale: what tells values apart that are written with so many decimals, or levels."""
    steps = {"gaussian": 0.3 * column.step, "spike": 0.3 * column.step, "student": 0.3 * column.step, "ordinal": 0.05}
    return max(LEAST, steps.get(str(column.likelihood), 0.0) / column.factor)
