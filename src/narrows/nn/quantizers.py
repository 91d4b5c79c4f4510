"""Vector quantisation: codes are indices into a codebook (van den Oord et al. 2017, arXiv:1711.00937)."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from narrows.components import component
from narrows.module import Batch, CodeSpec
from narrows.nn.codes import Code, Coded, CodeLayer
from narrows.nn.network import Network
from narrows.params import param

TINY = 1e-5
"""Laplace smoothing of the counts by which a codebook's moving averages are divided (the same paper's appendix A.1)."""


@component
class VQ(Code):
    """Each latent vector of latent_dim numbers is replaced by the nearest of `size` vectors; the code is its index.

    Adds ||z - sg[e]||^2 times `commitment` to the objective, per sample; gradients pass straight through to the encoder
    (van den Oord et al. 2017, eq. 2 and 3). The codebook follows the encoder by moving averages (appendix A.1); vectors
    that are hardly used restart at latents of the batch (Dhariwal et al. 2020, arXiv:2005.00341, sec. 3.1). On a
    convolutional network the code is a map (h, w) of indices, on others it is `positions` indices.
    """

    maps: ClassVar[bool] = True

    size: int = param(512, "Vectors in the codebook.", low=2)
    positions: int = param(8, "Indices per sample, on networks whose latents do not lie on a map.", low=1)
    decay: float = param(0.99, "Decay of the codebook's moving averages.", low=0, high=1, high_open=True)
    commitment: float = param(0.25, "Weight of the distance of the latents from their vectors.", low=0)
    restart: float = param(0.02, "Restart vectors used less often than this share of an even use.", low=0, high=1)

    def latents(self, network: Network, shape: tuple[int, ...], latent_dim: int) -> tuple[int, ...]:
        """Return (latent_dim, h, w) on a map, else (latent_dim, positions)."""
        return (latent_dim, *(network.map_shape(shape) or (self.positions,)))

    def layer(self, latents: tuple[int, ...]) -> CodeLayer:
        """Return the codebook."""
        return QuantizedLayer(self, latents)


class QuantizedLayer(CodeLayer):
    """A codebook (size, latent_dim) as buffers: it is not trained by gradients."""

    codebook: Tensor
    counts: Tensor
    sums: Tensor
    started: Tensor

    def __init__(self, code: VQ, latents: tuple[int, ...]) -> None:
        super().__init__(CodeSpec(latents[1:], torch.int64, levels=code.size))
        self.settings = code
        self.register_buffer("codebook", torch.zeros(code.size, latents[0]))
        self.register_buffer("counts", torch.zeros(code.size))
        self.register_buffer("sums", torch.zeros(code.size, latents[0]))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))
        self._seen: tuple[Tensor, Tensor, Tensor] | None = None

    def encode(self, h: Tensor) -> Tensor:
        """Return the index of the nearest vector at every position: (B, latent_dim, *map) -> (B, *map)."""
        vectors = h.movedim(1, -1).flatten(0, -2).to(self.codebook.dtype)
        # ||v - e||^2 without ||v||^2, which is the same for all e.
        distance = self.codebook.square().sum(1) - 2 * vectors @ self.codebook.T
        return distance.argmin(1).view(h.shape[0], *h.shape[2:])

    def latents_of(self, codes: Tensor) -> Tensor:
        """Return the vectors: (B, *map) -> (B, latent_dim, *map)."""
        return F.embedding(codes, self.codebook).movedim(-1, 1)

    def forward(self, h: Tensor, batch: Batch) -> Coded:
        """Return the vectors with the gradient of the latents, the commitment, and the codebook's perplexity."""
        h = h.to(self.codebook.dtype)
        vectors = h.detach().movedim(1, -1).flatten(0, -2)
        if self.training and not self.started:
            self._start(vectors, batch)
        indices = self.encode(h)
        quantized = self.latents_of(indices)
        if self.training:
            picks = torch.randint(len(vectors), (self.settings.size,), generator=batch.rng, device=h.device)
            self._seen = (vectors, indices.flatten(), vectors[picks])
        commitment = self.settings.commitment * (h - quantized.detach()).square().flatten(1).sum(1)
        shares = torch.bincount(indices.flatten(), minlength=self.settings.size).to(h.dtype) / indices.numel()
        perplexity = torch.exp(-torch.xlogy(shares, shares).sum())
        return Coded(h + (quantized - h).detach(), {"commitment": commitment}, {"perplexity": perplexity})

    def _start(self, vectors: Tensor, batch: Batch) -> None:
        """Start the codebook at latents of the first batch, drawn with small noise where there are fewer."""
        picks = torch.randint(len(vectors), (self.settings.size,), generator=batch.rng, device=vectors.device)
        noise = batch.randn((self.settings.size, vectors.shape[1]), vectors.dtype)
        self.codebook.copy_(vectors[picks] + 0.01 * vectors.std() * noise)
        self.sums.copy_(self.codebook)
        self.counts.fill_(1.0)
        self.started.fill_(True)

    def after_step(self) -> None:
        """Move the codebook's averages towards the latents of the step's batch, and restart vectors hardly used."""
        if self._seen is None:
            return
        vectors, indices, candidates = self._seen
        self._seen = None
        decay, size = self.settings.decay, self.settings.size
        counts = torch.bincount(indices, minlength=size).to(self.counts.dtype)
        sums = torch.zeros_like(self.sums).index_add_(0, indices, vectors)
        self.counts.mul_(decay).add_(counts, alpha=1 - decay)
        self.sums.mul_(decay).add_(sums, alpha=1 - decay)
        unused = self.counts < self.settings.restart * self.counts.sum() / size
        self.sums.copy_(torch.where(unused[:, None], candidates, self.sums))
        self.counts.copy_(torch.where(unused, 1.0, self.counts))
        total = self.counts.sum()
        smooth = (self.counts + TINY) / (total + size * TINY) * total
        self.codebook.copy_(self.sums / smooth[:, None])
