"""Tables of typed columns within a graph: from numbers and positions of levels to the model's scale, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from narrows.data.types import LOGARITHMIC, ColumnType
from narrows.export.columns import LEVELS, NUMBERS, Columns


class TypedScale(nn.Module):
    """What `ColumnType` does to encode and to decode, for all columns at once, in double precision."""

    offset: Tensor
    factor: Tensor
    log: Tensor
    spike: Tensor
    spike_code: Tensor
    low: Tensor
    high: Tensor
    codes: Tensor
    first_code: Tensor
    none: Tensor
    positions: Tensor
    first_position: Tensor
    last: Tensor
    order: Tensor
    inverse_order: Tensor

    def __init__(self, types: Sequence[ColumnType]) -> None:
        super().__init__()
        columns = Columns(types)
        self.numbers, self.levels = len(columns.numbers), len(columns.levels)
        every = [*columns.numbers, *columns.levels]
        self._keep("offset", np.array([column.offset for column in every]))
        self._keep("factor", np.array([column.factor for column in every]))
        logs = [column.likelihood in LOGARITHMIC for column in columns.numbers]
        spikes = [column.spike if column.likelihood == "log_spike" else None for column in columns.numbers]
        self._keep("log", np.array(logs, bool))
        self._keep("spike", np.array([np.nan if spike is None else spike for spike in spikes], np.float64))
        self._keep("spike_code", np.array([column.spike_code for column in columns.numbers], np.float64))
        limits = [c.log_limits if log else (0.0, 0.0) for c, log in zip(columns.numbers, logs, strict=True)]
        self._keep("low", np.array([low for low, _ in limits], np.float64))
        self._keep("high", np.array([high for _, high in limits], np.float64))
        codes = [column.level_codes for column in columns.levels]
        positions = [column.code_levels for column in columns.levels]
        self._keep("codes", np.concatenate([*codes, np.empty(0)]).astype(np.int64))
        self._keep("first_code", _starts(codes))
        self._keep("none", np.array([len(code) - 1 for code in codes], np.int64))
        self._keep("positions", np.concatenate([*positions, np.empty(0)]).astype(np.int64))
        self._keep("first_position", _starts(positions))
        self._keep("last", np.array([column.classes - 1 for column in columns.levels], np.int64))
        self._keep("order", np.array(columns.order, np.int64))
        self._keep("inverse_order", np.argsort(columns.order).astype(np.int64))

    def _keep(self, name: str, values: np.ndarray) -> None:
        self.register_buffer(name, torch.from_numpy(values))

    def forward(self, tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return x in double precision, 0 where a value is missing, and the mask of what is observed: (B, D) each."""
        parts, seen = [], []
        n = self.numbers
        if n:
            v = tensors[NUMBERS]
            at_spike = v == self.spike
            positive = v > 0
            logs = torch.where(positive, v, 1.0).log()
            x = (torch.where(self.log, logs, v) - self.offset[:n]) / self.factor[:n]
            parts.append(torch.where(at_spike, self.spike_code, x))
            seen.append(~torch.isnan(v) & (~self.log | positive | at_spike))
        if self.levels:
            given = tensors[LEVELS]
            known = (given >= 0) & (given < self.none)
            code = self.codes[torch.where(known, given, self.none) + self.first_code]
            parts.append((code.double() - self.offset[n:]) / self.factor[n:])
            seen.append(code >= 0)
        mask = torch.cat(seen, 1).index_select(1, self.order)
        x = torch.cat(parts, 1).index_select(1, self.order)
        return torch.where(mask, x, 0.0), mask

    def inverse(self, x: Tensor) -> dict[str, Tensor]:
        """Return numbers, not rounded, and positions of levels."""
        n = self.numbers
        v = x.double().index_select(1, self.inverse_order)
        units, tensors = v * self.factor + self.offset, {}
        if n:
            logs = torch.minimum(torch.maximum(units[:, :n], self.low), self.high).exp()
            at_spike = ~torch.isnan(self.spike) & (v[:, :n] < self.spike_code + 0.5)
            logs = torch.where(at_spike, self.spike, logs)
            tensors[NUMBERS] = torch.where(self.log, logs, units[:, :n])
        if self.levels:
            code = torch.minimum(units[:, n:].round().long().clamp(min=0), self.last)
            tensors[LEVELS] = self.positions[code + self.first_position]
        return tensors


def _starts(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return where each part begins when they are put one after the other."""
    return np.cumsum([0, *(len(part) for part in parts)])[:-1].astype(np.int64)
