"""Where the scales, dispersions and thresholds of typed columns start: at what explains the residuals best."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from narrows.data.types import SPIKES, ColumnType
from narrows.data.types_schema import at_spike

if TYPE_CHECKING:
    from narrows.probability.typed import ColumnLayer

LEAST = 0.05
"""Of a scale at the start, as a share of the column's deviation: what is fitted closely may be by chance."""
LOGISTIC = math.sqrt(3) / math.pi
"""Scale of a logistic distribution of deviation 1."""
QUARTILE = 0.7407
"""Upper quartile of Student's distribution with 4 degrees of freedom."""
DISPERSION = (1e-2, 1e3)


def started(layer: ColumnLayer, x: Tensor, mask: Tensor | None, h: Tensor, spare: float) -> None:
    """Set the parameters of a layer by values x (N, D) and the outputs h (N, outputs); see `ColumnLayer.start_at`."""
    ordinal = 0
    for i, column in enumerate(layer.features):
        observed = slice(None) if mask is None else mask[:, i]
        values, outputs = x[observed, i].double(), h.split(layer.sizes, 1)[i][observed].double()
        kind = str(column.likelihood)
        if len(values) > 1:
            if kind == "negative_binomial":
                layer.log_scales[i] = math.log(_dispersion(column, values, outputs[:, 0]))
            elif kind not in ("poisson", "categorical", "bernoulli"):
                if layer.learned:
                    scale = max(_scale(column, values, outputs) / math.sqrt(1 - min(spare, 0.5)), LEAST)
                    layer.log_scales[i] = math.log(max(scale - float(layer.floor[i]), LEAST / 10))
                if kind == "ordinal":
                    _set_thresholds(layer, ordinal, column, outputs[:, 0], float(layer.scales[i]))
        ordinal += kind == "ordinal"


def _scale(column: ColumnType, values: Tensor, outputs: Tensor) -> float:
    """Return the scale of the residuals: of a column with a spike, those of the other values."""
    if column.likelihood in SPIKES:
        others = ~at_spike(values, column.spike_code)
        values, outputs = values[others], outputs[others, 1:]
        if len(values) < 2:
            return 1.0
    left = values - outputs[:, 0]
    if column.likelihood == "student":
        return float(left.abs().median()) / QUARTILE
    deviation = float(left.square().mean().sqrt())
    return deviation * LOGISTIC if column.likelihood == "ordinal" else deviation


def _dispersion(column: ColumnType, values: Tensor, log_mean: Tensor) -> float:
    """Return r of a variance of m + m^2 / r that is that of the residuals."""
    count, mean = values * column.factor + column.offset, log_mean.exp()
    beyond = float(((count - mean).square() - mean).sum())
    low, high = DISPERSION
    return min(max(float(mean.square().sum()) / beyond, low), high) if beyond > 0 else high


def _set_thresholds(layer: ColumnLayer, position: int, column: ColumnType, h: Tensor, scale: float) -> None:
    """Set the thresholds at which every level has its frequency, as a mean over the rows; by halving intervals."""
    below = torch.from_numpy(column.class_shares.cumsum()[:-1].clip(1e-4, 1 - 1e-4)).to(h)
    low = torch.full_like(below, float(h.min()) - 12 * scale)
    high = torch.full_like(below, float(h.max()) + 12 * scale)
    for _ in range(40):
        middle = (low + high) / 2
        under = torch.stack([torch.sigmoid((cut - h) / scale).mean() for cut in middle]) < below
        low, high = torch.where(under, middle, low), torch.where(under, high, middle)
    steps = (high - low.roll(1))[1:].clamp(min=1e-3) if len(below) > 1 else low[:0]
    layer.steps[position, : len(below)] = torch.cat([low[:1], steps.expm1().log()]).float()
