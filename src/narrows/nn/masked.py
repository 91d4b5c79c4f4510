"""What enters the encoder of a table with missing values: values, with a guess at those missing, and the mask."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from narrows.ppca import Gaussian

LEAST = 1e-4
"""The least noise of the Gaussian, relative to the largest variance: what single precision can solve."""


class MaskedInput(nn.Module):
    """Values and mask (B, D) to (B, 2 D): missing values at their mean given the others, and 1 for each one missing.

    The mean is that of a Gaussian that is given, not learned. Zeros instead would move the code of a row towards the
    mean by as much as its holes; PCA's maps of a row so filled are the mean of its code given what is observed.
    """

    mean: Tensor
    loadings: Tensor
    noise: Tensor

    def __init__(self, n: int, rank: int) -> None:
        super().__init__()
        self.linear, self.size = n, 2 * n
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("loadings", torch.zeros(n, rank))
        self.register_buffer("noise", torch.ones(()))

    def start(self, model: Gaussian) -> None:
        """Take the Gaussian."""
        variance = model.loadings.square().sum(0).max() + model.noise
        self.mean.copy_(model.mean)
        self.loadings.copy_(model.loadings)
        self.noise.copy_(model.noise.clamp(min=LEAST * float(variance)))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return the features (B, 2 D)."""
        if mask is None:
            return torch.cat([x, torch.zeros_like(x)], 1)
        W = self.loadings * mask[:, :, None]
        products = W.mT @ W + self.noise * torch.eye(W.shape[2], dtype=W.dtype, device=W.device)
        left = torch.where(mask, x - self.mean, 0.0)
        z = torch.cholesky_solve(W.mT @ left[:, :, None], torch.linalg.cholesky(products))[:, :, 0]
        filled = torch.where(mask, x, self.mean + z @ self.loadings.T)
        return torch.cat([filled, (~mask).to(x.dtype)], 1)
