"""When to multiply in bfloat16. Weights, optimiser, losses, scores and every evaluation stay in float32.

Codes and reconstructions do too, but where a user forces bfloat16.
"""

from __future__ import annotations

import torch
from torch import nn

PRECISIONS = ("auto", "fp32", "bf16")

MANY = 2**24
"""Multiplications of a batch by a weight matrix from which bfloat16 gains more than its conversions cost (measured on
AVX-512, from batches of 16 to 5,000 and matrices of 16,000 to 2,000,000 entries)."""
LARGE = 2**14
"""Entries of a matrix in a recurrent layer from which it gains: what is converted once multiplies every step."""


def autocast(module: nn.Module, precision: str, device: torch.device, rows: int = 0) -> torch.autocast:
    """Return the context for products: bfloat16 products where asked for, or, by "auto", where they gain.

    "auto" takes bfloat16 where the processor multiplies it natively, batches of so many rows and the largest matrix
    are large enough, and nothing is convolved (slower in bfloat16 on CPU). It depends on the machine's kind, the
    module's shape and the batches' alone, never on a timing, so that the same seed gives the same weights.
    """
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=lowered(module, precision, device, rows))


def lowered(module: nn.Module, precision: str, device: torch.device, rows: int) -> bool:
    """Tell whether `autocast` means bfloat16."""
    return precision == "bf16" or (precision == "auto" and _native(device) and _gains(module, device, rows))


def _native(device: torch.device) -> bool:
    if device.type == "cpu":
        try:
            return bool(torch.cpu.get_capabilities()["avx512_bf16"])
        except (AttributeError, KeyError):  # an older torch, or another kind of processor
            return False
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def _gains(module: nn.Module, device: torch.device, rows: int) -> bool:
    layers = list(module.modules())
    if device.type == "cpu" and any(isinstance(layer, nn.Conv1d | nn.Conv2d) for layer in layers):
        return False
    largest = max((p.numel() for p in module.parameters() if p.dim() == 2), default=0)
    return largest * rows >= MANY or (largest >= LARGE and any(isinstance(layer, nn.RNNBase) for layer in layers))
