"""One likelihood per column, for tables whose columns have types of their own. A value's share is in nats.

Real columns have normal or Student's distributions with a scale learned per column, positive ones the same of their
logarithms, counts Poisson's or a negative binomial one, categories a categorical one, and ordinal columns a logistic
variable cut at learned thresholds (McCullagh 1980, doi:10.1111/j.2517-6161.1980.tb01109.x). A value that many rows have
gets a probability of its own, beside a normal distribution of the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, constraints

from narrows.data.types import SPIKES, ColumnType
from narrows.data.types_schema import at_spike
from narrows.probability.likelihoods import Likelihood, LikelihoodLayer

LEAST = 1e-3
"""Of a learned scale, as a share of the column's deviation."""
EDGE = 0.01
"""The least probability that training begins at."""
LARGEST = 15.0
"""Of the logarithm of a rate."""
NORMAL = ("gaussian", "log_normal")
LOG_2PI = math.log(2 * math.pi)


def outputs_of(column: ColumnType) -> int:
    """Return how many decoder outputs a column's likelihood needs."""
    return column.classes if column.likelihood == "categorical" else 2 if column.likelihood in SPIKES else 1


class ColumnLikelihoods(Likelihood):
    """The likelihoods of the columns of a table; `link` is where the output's bias starts."""

    def __init__(self, features: Sequence[ColumnType]) -> None:
        self.features = tuple(features)
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
            kind, size = str(column.likelihood), self.size
            if kind == "categorical" and not column.linear:
                source += range(4 * size + len(constants), 4 * size + len(constants) + column.classes)
                constants += np.log(np.maximum(column.class_shares, 1e-6)).tolist()
            elif kind == "categorical":
                source += range(size + at, size + at + column.classes)
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
        logs = flat.clamp(EDGE, 1).log()
        logits = torch.logit(flat.clamp(0, 1), eps=EDGE)
        rates = (flat * factor + offset).clamp(min=EDGE).log()
        constants = self.constants.to(flat).expand(len(flat), -1)
        every = torch.cat([flat, logs, logits, rates, constants], 1)
        return every.index_select(1, self.source.to(flat.device)).reshape(*mean.shape[:-1], -1)


class ColumnLayer(LikelihoodLayer):
    """The likelihoods within a module: scales, dispersions, degrees of freedom and thresholds, learned per column."""

    floor: Tensor
    factor: Tensor
    offset: Tensor

    def __init__(self, of: ColumnLikelihoods) -> None:
        nn.Module.__init__(self)
        self.of = of
        self.learned = True
        self.log_scale = None
        features = of.features
        self.features = features
        starts = np.cumsum([0, *map(outputs_of, features)])
        self.outputs = int(starts[-1])
        self.starts = tuple(int(start) for start in starts[:-1])
        self.log_scales = nn.Parameter(torch.zeros(len(features)))
        """Of the deviation; of counts the logarithm of the dispersion."""
        self.log_freedom = nn.Parameter(torch.full((len(features),), math.log(4.0)))
        floor = [max(LEAST, 0.3 * t.step / t.factor) if t.likelihood in ("gaussian", "spike", "student") else LEAST
                 for t in features]  # fmt: skip
        self.register_buffer("floor", torch.tensor(floor, dtype=torch.float32), persistent=False)
        factors, offsets = [t.factor for t in features], [t.offset for t in features]
        self.register_buffer("factor", torch.tensor(factors, dtype=torch.float32), persistent=False)
        self.register_buffer("offset", torch.tensor(offsets, dtype=torch.float32), persistent=False)
        groups: dict[str, list[int]] = {}
        for i, column in enumerate(features):
            groups.setdefault("normal" if column.likelihood in NORMAL else str(column.likelihood), []).append(i)
        self.groups = {name: tuple(members) for name, members in groups.items()}
        self.thresholds = nn.ParameterList([_first_thresholds(features[i]) for i in self.groups.get("ordinal", ())])
        order = [i for name in GROUPS for i in self.groups.get(name, ())]
        self.order = tuple(int(i) for i in np.argsort(order))

    @property
    def scales(self) -> Tensor:
        """(D,), the learned deviations, at least `floor`."""
        return self.floor + self.log_scales.exp()

    def start(self, deviation: float) -> float:
        """Start the learned scales at a standard deviation, and return the variance then."""
        dense = {*self.groups.get("normal", ()), *self.groups.get("student", ())}
        with torch.no_grad():
            for i in dense:
                self.log_scales[i] = math.log(max(deviation, 0.05))
        return deviation**2

    def forward(self, h: Tensor) -> ColumnDistribution:
        """Return the distribution for decoder output (B, outputs); low precision is left behind here."""
        return ColumnDistribution(h.float() if h.dtype in (torch.bfloat16, torch.float16) else h, self)


def _first_thresholds(column: ColumnType) -> nn.Parameter:
    """Return thresholds at the marginal frequencies: the first, and the logarithms of the steps between them."""
    below = np.clip(np.cumsum(column.class_shares)[:-1], 1e-4, 1 - 1e-4)
    logits = np.log(below / (1 - below))
    steps = np.maximum(np.diff(logits), 1e-3)
    return nn.Parameter(torch.tensor([logits[0], *np.log(np.expm1(steps))], dtype=torch.float32))


def thresholds_of(parameters: Tensor) -> Tensor:
    """Return rising thresholds (levels - 1,)."""
    return torch.cat([parameters[:1], parameters[:1] + F.softplus(parameters[1:]).cumsum(0)])


class _Values(constraints.Constraint):
    """Values of columns, each of its own support."""

    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        return torch.isfinite(value)


GROUPS = (
    "normal", "student", "spike", "log_spike", "poisson", "negative_binomial", "bernoulli", "categorical", "ordinal"
)  # fmt: skip
"""Likelihoods that are computed together, and their order."""


class ColumnDistribution(Distribution):
    """p(x | z) of a row of typed columns, independent over them."""

    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = _Values()

    def __init__(self, h: Tensor, layer: ColumnLayer) -> None:
        self.h, self.layer = h, layer
        super().__init__(torch.Size([*h.shape[:-1], len(layer.features)]), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log density or log probability of every value on the model's scale: (B, D) -> (B, D)."""
        return self._gathered(lambda group: getattr(self, f"_log_prob_{group.replace('log_spike', 'spike')}"), value)

    @property
    def mean(self) -> Tensor:
        """The mean of numbers on the model's scale, the likeliest level of categories: (B, D)."""
        return self.point(self.moments)

    @property
    def moments(self) -> Tensor:
        """What means over several codes are taken of: means of numbers, probabilities of levels; (B, moments)."""
        return torch.cat([self._moments_of(i) for i in range(len(self.layer.features))], 1)

    def point(self, moments: Tensor) -> Tensor:
        """Return the values that moments stand for: (B, moments) -> (B, D)."""
        parts, at = [], 0
        for column in self.layer.features:
            size = column.classes if column.likelihood == "categorical" else 1
            part = moments[:, at : at + size]
            if column.likelihood == "categorical":
                part = part.argmax(1, keepdim=True).to(moments)
            elif column.likelihood == "bernoulli":
                part = (part > 0.5).to(moments)
            parts.append(part)
            at += size
        return torch.cat(parts, 1)

    def draw(self, rng: torch.Generator) -> Tensor:
        """Return a draw of every value on the model's scale: (B, D)."""
        with torch.no_grad():
            return torch.stack([self._draw_of(i, rng) for i in range(len(self.layer.features))], 1)

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = torch.Size()) -> Tensor:  # noqa: B008
        """Draw values by torch's own generator; see `draw`."""
        n = math.prod(sample_shape)
        drawn = torch.stack([self.draw(torch.default_generator) for _ in range(n)])
        return drawn.reshape(*sample_shape, *drawn.shape[1:])

    # Log probabilities, group by group --------------------------------------------------------------------------------

    def _gathered(self, function: Any, value: Tensor) -> Tensor:
        layer = self.layer
        parts = [function(name)(name, value) for name in GROUPS if name in layer.groups]
        return torch.cat(parts, 1)[:, list(layer.order)]

    def _column(self, i: int, size: int = 1) -> Tensor:
        start = self.layer.starts[i]
        return self.h[:, start : start + size]

    def _members(self, group: str, value: Tensor, shift: int = 0) -> tuple[list[int], Tensor, Tensor, Tensor]:
        """Return the columns of a group, their values, outputs and scales."""
        members = list(self.layer.groups[group])
        outputs = self.h[:, [self.layer.starts[i] + shift for i in members]]
        return members, value[:, members], outputs, self.layer.scales[members].to(self.h)

    def _counts(self, members: list[int], value: Tensor) -> Tensor:
        """Return whole numbers: counts, and positions of levels in ordinal columns."""
        layer = self.layer
        return (value * layer.factor[members] + layer.offset[members]).round().clamp(min=0)

    def _log_prob_normal(self, group: str, value: Tensor) -> Tensor:
        _, x, loc, scale = self._members(group, value)
        return -(((x - loc) / scale) ** 2) / 2 - scale.log() - LOG_2PI / 2

    def _log_prob_student(self, group: str, value: Tensor) -> Tensor:
        members, x, loc, scale = self._members(group, value)
        df = self.layer.log_freedom[members].exp().clamp(0.5, 200.0).to(self.h)
        constant = torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2) - (df * math.pi).log() / 2 - scale.log()
        return constant - (df + 1) / 2 * torch.log1p(((x - loc) / scale) ** 2 / df)

    def _log_prob_spike(self, group: str, value: Tensor) -> Tensor:
        members, x, logit, scale = self._members(group, value)
        loc = self._members(group, value, 1)[2]
        codes = [self.layer.features[i].spike_code for i in members]
        spike = torch.stack([at_spike(x[:, j], code) for j, code in enumerate(codes)], 1)
        density = -(((x - loc) / scale) ** 2) / 2 - scale.log() - LOG_2PI / 2
        return torch.where(spike, F.logsigmoid(logit), F.logsigmoid(-logit) + density)

    def _log_prob_poisson(self, group: str, value: Tensor) -> Tensor:
        members, x, h, _ = self._members(group, value)
        count, rate = self._counts(members, x), h.clamp(max=LARGEST)
        return count * rate - rate.exp() - torch.lgamma(count + 1)

    def _log_prob_negative_binomial(self, group: str, value: Tensor) -> Tensor:
        members, x, h, _ = self._members(group, value)
        count, log_mean = self._counts(members, x), h.clamp(max=LARGEST)
        log_r = self.layer.log_scales[members].to(self.h).clamp(-10.0, 10.0)
        log_sum = torch.logaddexp(log_mean, log_r)
        r = log_r.exp()
        constant = torch.lgamma(count + r) - torch.lgamma(r) - torch.lgamma(count + 1)
        return constant + r * (log_r - log_sum) + count * (log_mean - log_sum)

    def _log_prob_bernoulli(self, group: str, value: Tensor) -> Tensor:
        _, x, h, _ = self._members(group, value)
        return x * h - F.softplus(h)

    def _log_prob_categorical(self, group: str, value: Tensor) -> Tensor:
        parts = []
        for i in self.layer.groups[group]:
            logits = F.log_softmax(self._column(i, self.layer.features[i].classes), 1)
            index = value[:, i : i + 1].round().long().clamp(0, logits.shape[1] - 1)
            parts.append(logits.gather(1, index))
        return torch.cat(parts, 1)

    def _log_prob_ordinal(self, group: str, value: Tensor) -> Tensor:
        parts = []
        for j, i in enumerate(self.layer.groups[group]):
            cuts, h = thresholds_of(self.layer.thresholds[j]).to(self.h), self._column(i)
            k = self._counts([i], value[:, [i]]).long()[:, 0].clamp(max=len(cuts))
            edges = F.pad(cuts, (1, 1))
            upper, lower = edges[k + 1][:, None] - h, edges[k][:, None] - h
            first, last = (k == 0)[:, None], (k == len(cuts))[:, None]
            # sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(l - u)): no difference of near-equal numbers.
            gap = torch.where(first | last, -torch.ones_like(h), (lower - upper).clamp(max=-1e-6))
            inside = torch.log(-torch.expm1(gap))
            inside = torch.where(first | last, 0.0, inside)
            parts.append(
                torch.where(last, 0.0, F.logsigmoid(upper)) + torch.where(first, 0.0, F.logsigmoid(-lower)) + inside
            )
        return torch.cat(parts, 1)

    # Moments and draws, column by column ------------------------------------------------------------------------------

    def _scale(self, i: int) -> Tensor:
        return self.layer.scales[i].to(self.h)

    def _moments_of(self, i: int) -> Tensor:
        column = self.layer.features[i]
        kind = str(column.likelihood)
        if kind == "categorical":
            return torch.softmax(self._column(i, column.classes), 1)
        if kind == "bernoulli":
            return torch.sigmoid(self._column(i))
        if kind in SPIKES:
            share, loc = torch.sigmoid(self._column(i)), self._column(i, 2)[:, 1:]
            return share * column.spike_code + (1 - share) * loc
        if kind in ("poisson", "negative_binomial"):
            return (self._column(i).clamp(max=LARGEST).exp() - column.offset) / column.factor
        if kind == "ordinal":
            above = torch.sigmoid(self._column(i) - self._cuts(i))
            return (above.sum(1, keepdim=True) - column.offset) / column.factor
        return self._column(i)

    def _cuts(self, i: int) -> Tensor:
        return thresholds_of(self.layer.thresholds[self.layer.groups["ordinal"].index(i)]).to(self.h)

    def _draw_of(self, i: int, rng: torch.Generator) -> Tensor:
        column, h = self.layer.features[i], self._column(i)[:, 0]
        kind = str(column.likelihood)

        def uniform(*shape: int) -> Tensor:
            return torch.rand(shape, generator=rng, device=h.device, dtype=h.dtype).clamp(1e-7, 1 - 1e-7)

        def normal() -> Tensor:
            return torch.randn(len(h), generator=rng, device=h.device, dtype=h.dtype)

        if kind == "categorical":
            noise = -(-uniform(len(h), column.classes).log()).log()
            return (self._column(i, column.classes) + noise).argmax(1).to(h)
        if kind == "bernoulli":
            return (uniform(len(h)) < torch.sigmoid(h)).to(h)
        if kind == "ordinal":
            latent = h + torch.logit(uniform(len(h)))
            return ((latent[:, None] > self._cuts(i)).sum(1).to(h) - column.offset) / column.factor
        if kind in ("poisson", "negative_binomial"):
            rate = h.clamp(max=LARGEST).exp()
            if kind == "negative_binomial":
                r = self.layer.log_scales[i].to(h).clamp(-10.0, 10.0).exp()
                rate = torch._standard_gamma(r.expand_as(rate).contiguous(), generator=rng) * rate / r
            return (torch.poisson(rate, generator=rng) - column.offset) / column.factor
        scale = self._scale(i)
        if kind in SPIKES:
            loc = self._column(i, 2)[:, 1]
            spike = uniform(len(h)) < torch.sigmoid(h)
            return torch.where(
                spike, torch.full_like(h, column.spike_code), self._above(column, loc + scale * normal())
            )
        if kind == "student":
            half = self.layer.log_freedom[i].exp().clamp(0.5, 200.0).to(h) / 2
            chi = torch._standard_gamma(half.expand_as(h).contiguous(), generator=rng) / half
            return h + scale * normal() / chi.clamp(min=1e-6).sqrt()
        return h + scale * normal()

    @staticmethod
    def _above(column: ColumnType, x: Tensor) -> Tensor:
        """Keep a drawn logarithm clear of the code of the value that has a probability of its own."""
        return x.clamp(min=column.spike_code + 0.6) if column.likelihood == "log_spike" else x
