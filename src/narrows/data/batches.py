"""Samples as tensors, batch by batch: from memory or from a memory map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from narrows.data.arrays import Array, Arrays, on_disk
from narrows.data.order import Division
from narrows.data.schema import Schema
from narrows.module import Batch

VALUES, ROWS = 2**22, 4096
"""Values of samples, and rows, that pass through a module at once outside training: 16 MB in float32."""


def chunk_size(shape: tuple[int, ...], values: int = VALUES) -> int:
    """Return how many samples of a shape pass through a module at once outside training."""
    return max(1, min(values // max(1, int(np.prod(shape))), ROWS))


@dataclass
class Batches:
    """Rows of `Arrays` as batches on a device; pixels and memory maps are brought to the model's scale batch by batch.

    What lies in memory is moved to the device once, as it is; a memory map stays on disk.
    """

    arrays: Arrays
    schema: Schema
    device: torch.device
    dtype: torch.dtype = torch.float32
    density: bool = False
    """Whether the model's likelihood is a density, whose value the scale changes: `Batch.log_jacobian`."""
    index: Tensor | None = None
    """The rows of the arrays that count, and their order; None for all."""
    _tensors: dict[str, Tensor] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for name, array in zip(Arrays._fields, self.arrays, strict=True):
            if array is not None and not on_disk(array):
                self._tensors[name] = _tensor(array).to(self.device)

    def __len__(self) -> int:
        return len(self.arrays.x if self.index is None else self.index)

    def rows(self, index: Array) -> Batches:
        """Return some of the rows; what is on the device is shared."""
        if on_disk(self.arrays.x):
            return self._chosen(len(index), index.__getitem__, " chosen")
        part = copy(self)
        part.index = torch.from_numpy(index).to(self.device)
        return part

    def divided(self, k: int, seed: int) -> tuple[Batches, Batches]:
        """Return the rows on disk without k that are held out, and those; see `narrows.data.order.Division`."""
        n = len(self)
        division = Division(n, k, seed)
        kept = self._chosen(n - k, division.kept, f" without {k} by {seed}")
        return kept, self._chosen(k, division.held, f", {k} by {seed}")

    def _chosen(self, n: int, rows_at: Callable[[Any], Array], name: str) -> Batches:
        arrays = self.arrays.chosen(n, rows_at, name)
        return Batches(arrays, self.schema, self.device, self.dtype, self.density)

    def take(self, index: Tensor, *, progress: float = 1.0, rng: torch.Generator | None = None) -> Batch:
        """Return the rows at `index` (B,) as a batch."""
        if self.index is not None:
            index = self.index[index]
        if "x" in self._tensors:
            parts = {name: tensor.index_select(0, index) for name, tensor in self._tensors.items()}
            return self._batch(parts, progress, rng)
        return self._read(index.cpu().numpy(), progress, rng)

    def whole(self, *, progress: float = 1.0, rng: torch.Generator | None = None) -> Batch:
        """Return all rows as one batch."""
        if self.index is not None:
            return self.take(torch.arange(len(self), device=self.device), progress=progress, rng=rng)
        if "x" in self._tensors:
            return self._batch(self._tensors, progress, rng)
        return self._read(slice(None), progress, rng)

    def chunks(self, size: int, rng: torch.Generator | None = None) -> Iterator[Batch]:
        """Yield all rows in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self.between(start, min(start + size, len(self)), rng)

    def between(self, start: int, stop: int, rng: torch.Generator | None = None) -> Batch:
        """Return neighbouring rows as a batch."""
        if (start, stop) == (0, len(self)):  # to slice takes a while where there is one sample
            return self.whole(rng=rng)
        rows = slice(start, stop)
        if self.index is not None:
            return self.take(torch.arange(start, stop, device=self.device), rng=rng)
        if "x" in self._tensors:
            return self._batch({name: tensor[rows] for name, tensor in self._tensors.items()}, 1.0, rng)
        return self._read(rows, 1.0, rng)

    def _read(self, rows: Any, progress: float, rng: torch.Generator | None) -> Batch:
        """Read rows from the disk."""
        part = self.arrays.rows(rows)
        return self.batch(part._replace(x=np.array(part.x)), progress, rng)

    def batch(self, part: Arrays, progress: float, rng: torch.Generator | None) -> Batch:
        """Return rows as they are stored, in memory of their own, as a batch."""
        x, mask = self.schema.scaled(part.x, np.dtype(str(self.dtype).removeprefix("torch.")))
        if mask is None and self.schema.missing:  # a batch without holes is one as in memory, where all have a mask
            mask = np.ones(x.shape, bool)
        arrays = part._replace(x=x, mask=mask if part.mask is None else part.mask)
        named = zip(Arrays._fields, arrays, strict=True)
        return self._batch({n: self._moved(_tensor(a)) for n, a in named if a is not None}, progress, rng)

    def _moved(self, tensor: Tensor) -> Tensor:
        """Return a tensor on the device; to CUDA it is on its way while the processor goes on."""
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def _batch(self, parts: dict[str, Tensor], progress: float, rng: torch.Generator | None) -> Batch:
        raw, mask, lengths = parts["x"], parts.get("mask"), parts.get("lengths")
        x = raw.to(self.dtype)
        if raw.dtype == torch.uint8:
            x = x.div_(255)
        jacobian = self.schema.log_jacobian_of(x, mask) if self.density else 0.0
        return Batch(x, mask, lengths, parts.get("y"), progress, rng or torch.Generator().manual_seed(0), jacobian)


def _tensor(array: Array) -> Tensor:
    # torch warns of read-only arrays and refuses negative strides: those are copied.
    usable = array.flags.writeable and (not array.ndim or min(array.strides, default=0) >= 0)
    return torch.from_numpy(array if usable else array.copy())
