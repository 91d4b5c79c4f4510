"""p(x | z) of a row of typed columns: log probabilities, means and draws, group by group of likelihoods."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, constraints

from narrows.data.types import SPIKES, ColumnType
from narrows.data.types_schema import at_spike

if TYPE_CHECKING:
    from narrows.probability.typed import ColumnLayer

JOINED = {"gaussian": "normal", "log_normal": "normal", "log_spike": "spike"}
"""Likelihoods that are one distribution on the model's scale."""
LARGEST = 15.0
"""Of the logarithm of a rate."""
LOG_2PI = math.log(2 * math.pi)


def thresholds_of(parameters: Tensor) -> Tensor:
    """Return rising thresholds (..., levels - 1)."""
    first = parameters[..., :1]
    return torch.cat([first, first + F.softplus(parameters[..., 1:]).cumsum(-1)], -1)


class _Values(constraints.Constraint):
    """Values of columns, each of its own support."""

    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        return torch.isfinite(value)


GROUPS = (
    "normal", "student", "spike", "poisson", "negative_binomial", "bernoulli", "categorical", "ordinal"
)  # fmt: skip
"""Likelihoods that are computed together, and their order."""


class ColumnDistribution(Distribution):
    """p(x | z) of a row of typed columns, independent over them."""

    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = _Values()

    def __init__(self, h: Tensor, layer: ColumnLayer) -> None:
        self.h, self.layer = h, layer
        self._outputs = h.split(layer.sizes, 1)  # one piece of work backwards, where a slice each would be many
        super().__init__(torch.Size([*h.shape[:-1], len(layer.features)]), validate_args=False)

    @cached_property
    def _scales(self) -> Tensor:
        return self.layer.scales  # computed once for all groups, backwards too

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log density or log probability of every value on the model's scale: (B, D) -> (B, D)."""
        return self._gathered(lambda group: getattr(self, f"_log_prob_{group}"), value)

    @property
    def mean(self) -> Tensor:
        """The mean of numbers on the model's scale, the likeliest level of categories: (B, D)."""
        return self.point(self.moments)

    @property
    def features(self) -> Tensor:
        """The mean over the linear features of x, as `nn.typed.TypedInput` has them: (B, linear)."""
        parts = []
        for i, column in enumerate(self.layer.features):
            if column.likelihood in SPIKES:
                share = torch.sigmoid(self._column(i))
                parts += [share, (1 - share) * self._column(i, 2)[:, 1:]]
            else:
                parts.append(self._moments_of(i)[:, : column.linear])
        return torch.cat(parts, 1)

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
        return torch.cat(parts, 1).index_select(1, layer.order)

    def _column(self, i: int, size: int = 1) -> Tensor:
        outputs = self._outputs[i]
        return outputs if outputs.shape[1] == size else outputs[:, :size]

    def _logits(self, i: int) -> Tensor:
        """Return the logits of a category's levels: (B, classes)."""
        return self.layer.levels[str(i)](self._outputs[i]) if str(i) in self.layer.levels else self._outputs[i]

    def _members(self, group: str, value: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the columns of a group, their values, outputs and scales."""
        members = self.layer.members(group)
        outputs = torch.cat([self._outputs[i] for i in self.layer.groups[group]], 1)
        scales = self._scales.index_select(0, members).to(self.h)
        return members, value.index_select(1, members), outputs, scales

    def _counts(self, members: Tensor, value: Tensor) -> Tensor:
        """Return whole numbers: counts, and positions of levels in ordinal columns."""
        layer = self.layer
        return (value * layer.factor[members] + layer.offset[members]).round().clamp(min=0)

    def _log_prob_normal(self, group: str, value: Tensor) -> Tensor:
        _, x, loc, scale = self._members(group, value)
        return -(((x - loc) / scale) ** 2) / 2 - scale.log() - LOG_2PI / 2

    def _log_prob_student(self, group: str, value: Tensor) -> Tensor:
        members, x, loc, scale = self._members(group, value)
        df = self.layer.log_freedom.index_select(0, members).exp().clamp(0.5, 200.0).to(self.h)
        constant = torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2) - (df * math.pi).log() / 2 - scale.log()
        return constant - (df + 1) / 2 * torch.log1p(((x - loc) / scale) ** 2 / df)

    def _log_prob_spike(self, group: str, value: Tensor) -> Tensor:
        _, x, outputs, scale = self._members(group, value)
        logit, loc = outputs[:, ::2], outputs[:, 1::2]
        spike = at_spike(x, x.new_tensor([self.layer.features[i].spike_code for i in self.layer.groups[group]]))
        density = -(((x - loc) / scale) ** 2) / 2 - scale.log() - LOG_2PI / 2
        return torch.where(spike, F.logsigmoid(logit), F.logsigmoid(-logit) + density)

    def _log_prob_poisson(self, group: str, value: Tensor) -> Tensor:
        members, x, h, _ = self._members(group, value)
        count, rate = self._counts(members, x), h.clamp(max=LARGEST)
        return count * rate - rate.exp() - torch.lgamma(count + 1)

    def _log_prob_negative_binomial(self, group: str, value: Tensor) -> Tensor:
        members, x, h, _ = self._members(group, value)
        count, log_mean = self._counts(members, x), h.clamp(max=LARGEST)
        log_r = self.layer.log_scales.index_select(0, members).to(self.h).clamp(-10.0, 10.0)
        log_sum = torch.logaddexp(log_mean, log_r)
        r = log_r.exp()
        constant = torch.lgamma(count + r) - torch.lgamma(r) - torch.lgamma(count + 1)
        return constant + r * (log_r - log_sum) + count * (log_mean - log_sum)

    def _log_prob_bernoulli(self, group: str, value: Tensor) -> Tensor:
        _, x, h, _ = self._members(group, value)
        return x * h - F.softplus(h)

    def _log_prob_categorical(self, group: str, value: Tensor) -> Tensor:
        index = value.index_select(1, self.layer.members(group)).round().long()
        parts, at = [], 0
        for classes, members in self.layer.alike:
            logits = [self._logits(i) for i in members]
            together = torch.cat(logits, 1).unflatten(1, (-1, classes)) if len(logits) > 1 else logits[0][:, None]
            k = index[:, at : at + len(members), None].clamp(0, classes - 1)
            parts.append(F.log_softmax(together, 2).gather(2, k)[:, :, 0])
            at += len(members)
        return torch.cat(parts, 1)

    def _log_prob_ordinal(self, group: str, value: Tensor) -> Tensor:
        layer = self.layer
        members, x, h, scale = self._members(group, value)
        edges = F.pad(thresholds_of(layer.steps).to(h), (1, 1))
        k = self._counts(members, x).long().minimum(layer.last)
        at = k + torch.arange(0, edges.numel(), edges.shape[1], device=k.device)
        upper, lower = (edges.flatten()[at + 1] - h) / scale, (edges.flatten()[at] - h) / scale
        first, last = k == 0, k == layer.last
        # sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(l - u)): no difference of near-equal numbers.
        gap = torch.where(first | last, -torch.ones_like(h), (lower - upper).clamp(max=-1e-6))
        inside = torch.where(first | last, 0.0, torch.log(-torch.expm1(gap)))
        below, above = F.logsigmoid(upper), F.logsigmoid(-lower)
        return torch.where(last, 0.0, below) + torch.where(first, 0.0, above) + inside

    # Moments and draws, column by column ------------------------------------------------------------------------------

    def _scale(self, i: int) -> Tensor:
        return self._scales[i].to(self.h)

    def _moments_of(self, i: int) -> Tensor:
        column = self.layer.features[i]
        kind = str(column.likelihood)
        if kind == "categorical":
            return torch.softmax(self._logits(i), 1)
        if kind == "bernoulli":
            return torch.sigmoid(self._column(i))
        if kind in SPIKES:
            share, loc = torch.sigmoid(self._column(i)), self._column(i, 2)[:, 1:]
            return share * column.spike_code + (1 - share) * loc
        if kind in ("poisson", "negative_binomial"):
            return (self._column(i).clamp(max=LARGEST).exp() - column.offset) / column.factor
        if kind == "ordinal":
            above = torch.sigmoid((self._column(i) - self._cuts(i)) / self._scale(i))
            return (above.sum(1, keepdim=True) - column.offset) / column.factor
        return self._column(i)

    def _cuts(self, i: int) -> Tensor:
        layer = self.layer
        row = layer.steps[layer.groups["ordinal"].index(i)]
        return thresholds_of(row[: layer.features[i].classes - 1]).to(self.h)

    def _draw_of(self, i: int, rng: torch.Generator) -> Tensor:
        column, h = self.layer.features[i], self._column(i)[:, 0]
        kind = str(column.likelihood)

        def uniform(*shape: int) -> Tensor:
            return torch.rand(shape, generator=rng, device=h.device, dtype=h.dtype).clamp(1e-7, 1 - 1e-7)

        def normal() -> Tensor:
            return torch.randn(len(h), generator=rng, device=h.device, dtype=h.dtype)

        if kind == "categorical":
            noise = -(-uniform(len(h), column.classes).log()).log()
            return (self._logits(i) + noise).argmax(1).to(h)
        if kind == "bernoulli":
            return (uniform(len(h)) < torch.sigmoid(h)).to(h)
        if kind == "ordinal":
            latent = h + self._scale(i) * torch.logit(uniform(len(h)))
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
