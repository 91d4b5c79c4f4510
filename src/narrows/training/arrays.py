"""Tensors of every type as numpy's arrays."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from narrows.errors import ConfigError


def as_array(tensor: Tensor) -> np.ndarray:
    """Return a tensor as an array, which shares its memory where it can; bfloat16, which numpy lacks, as float32.

    Raises ConfigError where the tensor is of a type that numpy lacks, and that fits no other.
    """
    try:
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy(force=True)
    except TypeError as error:
        raise ConfigError(
            f"network: its tensors must be of a type that numpy has, or bfloat16; got {tensor.dtype}. Convert it: "
            "module.float()."
        ) from error


def dtype_of(tensor: Tensor) -> np.dtype:
    """Return the type that `as_array` gives such a tensor."""
    return as_array(torch.empty(0, dtype=tensor.dtype)).dtype
