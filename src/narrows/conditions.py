"""The condition axis: how labels enter encoder and decoder (Sohn et al. 2015)."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from narrows.components import Axis, Component, component
from narrows.errors import ConfigError


class Condition(Component):
    """How labels enter a model: as values joined to the features of the input, and to the latents."""

    axis: ClassVar[str] = "condition"

    def size(self, label_size: int) -> int:
        """Return how many values are joined, for labels of `label_size` classes or numbers."""
        raise NotImplementedError(f"{type(self).__name__} must define `size`.")

    def values(self, y: Tensor, n: int, like: Tensor) -> Tensor:
        """Return the values (B, n) for labels, of the type of `like`."""
        raise NotImplementedError(f"{type(self).__name__} must define `values`.")


@component
class Concat(Condition):
    """A class as ones and zeros, numbers as they are; repeated over the steps of sequences and the pixels of images."""

    def size(self, label_size: int) -> int:
        """Return one value per class, or the numbers of a label. Raises: ConfigError where there are no labels."""
        if label_size < 1:
            raise ConfigError(
                "Concat: y must be given to fit a model with condition='concat'; got none. Pass fit(X, y)."
            )
        return label_size

    def values(self, y: Tensor, n: int, like: Tensor) -> Tensor:
        """Return the values."""
        return (F.one_hot(y, n) if y.dim() == 1 else y).to(like.dtype)


CONDITIONS = Axis("condition", {"concat": Concat})


def join(x: Tensor, values: Tensor, axis: int) -> Tensor:
    """Return x (B, ...) with values (B, n) repeated over all other axes and joined along one of x's axes."""
    shape = [x.shape[0], *(1 for _ in x.shape[1:])]
    shape[axis] = values.shape[1]
    wide = list(x.shape)
    wide[axis] = values.shape[1]
    return torch.cat([x, values.reshape(shape).expand(wide)], dim=axis)
