"""Samples in memory or in a memory map, taken batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["Rows", "subset"]


class Rows:
    """An array (N, *shape) whose rows become tensors; uint8 counts as pixels, and is scaled by 1/255 row by row.

    What lies in memory is moved to the device once, as it is; a memory map stays on disk.
    """

    def __init__(self, X: np.ndarray[Any, Any], device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self.array = X
        self.device = device
        self.dtype = dtype
        self.tensor: Tensor | None = None
        # torch warns of read-only arrays and refuses negative strides: those are read through numpy, or copied once.
        if not (isinstance(X, np.memmap) or isinstance(X.base, np.memmap)):
            owned = X if X.flags.writeable and min(X.strides) >= 0 else X.copy()
            self.tensor = torch.from_numpy(owned).to(device)

    def __len__(self) -> int:
        return len(self.array)

    def take(self, index: Tensor) -> Tensor:
        """Return the rows at `index` (B,): (B, *shape) floating point on the device."""
        if self.tensor is not None:
            return self._scaled(self.tensor.index_select(0, index))
        return self._scaled(torch.from_numpy(np.asarray(self.array[index.numpy()])).to(self.device))

    def chunks(self, size: int) -> Iterator[Tensor]:
        """Yield all rows in order, `size` at a time."""
        if self.tensor is not None and size >= len(self):  # to slice takes a while where there is one sample
            yield self._scaled(self.tensor)
            return
        for start in range(0, len(self), size):
            if self.tensor is not None:
                yield self._scaled(self.tensor[start : start + size])
            else:
                yield self._scaled(torch.from_numpy(np.array(self.array[start : start + size])).to(self.device))

    def _scaled(self, x: Tensor) -> Tensor:
        wide = x.to(self.dtype)
        return wide.div_(255) if x.dtype == torch.uint8 else wide


def subset(n: int, limit: int | None, seed: int) -> np.ndarray[Any, Any]:
    """Return the positions of at most `limit` of n rows, drawn with a seed and in ascending order."""
    if limit is None or n <= limit:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, limit, replace=False))
