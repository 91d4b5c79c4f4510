"""The code axis: what becomes of the encoder's output before it is a code."""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from narrows.components import Component, component
from narrows.module import Batch, CodeSpec
from narrows.nn.layers import ACTIVATIONS
from narrows.nn.network import Network
from narrows.params import param

WHOLE = 0.2
"""Share of the samples whose ordered code stays whole in training: without it the longest code suffers most."""


class Coded(NamedTuple):
    """What a code layer makes of the encoder's output in training."""

    z: Tensor
    """(B, *latents), for the decoder."""
    terms: dict[str, Tensor]
    """Terms for the objective, (B,) each."""
    batch_metrics: dict[str, Tensor]
    """Values of the batch to log."""


class Code(Component):
    """How the encoder's output becomes a code."""

    axis: ClassVar[str] = "code"
    activation: str = "linear"
    maps: ClassVar[bool] = False
    """Whether codes lie on the network's map, where it has one."""

    def latents(self, network: Network, shape: tuple[int, ...], latent_dim: int) -> tuple[int, ...]:
        """Return the shape of what networks exchange, for samples of a shape: (latent_dim,), or with a map's axes."""
        return (latent_dim,)

    def layer(self, latents: tuple[int, ...]) -> CodeLayer:
        """Return the layer between encoder and decoder."""
        return CodeLayer(CodeSpec(latents), self.activation)


class CodeLayer(nn.Module):
    """Between encoder and decoder; this one applies an activation and nothing else."""

    def __init__(self, spec: CodeSpec, activation: str = "linear") -> None:
        super().__init__()
        self.spec = spec
        self.activation = ACTIVATIONS[activation]()

    def forward(self, h: Tensor, batch: Batch) -> Coded:
        """Return the latents in training or evaluation of the loss: (B, *latents)."""
        return Coded(self.activation(h), {}, {})

    def encode(self, h: Tensor) -> Tensor:
        """Return the codes: (B, *latents) -> (B, *spec.shape)."""
        return self.activation(h)

    def latents_of(self, codes: Tensor) -> Tensor:
        """Return the latents that codes stand for: (B, *spec.shape) -> (B, *latents)."""
        return codes

    def keep(self, batch: Batch) -> Tensor | None:
        """Return which latents remain in training, (B, latent_dim) of 1 and 0; None where all do."""
        return None

    def after_step(self) -> None:
        """Do what follows an optimiser's step; by default nothing."""
        return


class OrderedLayer(CodeLayer):
    """Nested dropout: only the first k latents remain in training, k drawn for every sample."""

    def __init__(self, spec: CodeSpec, activation: str = "linear") -> None:
        super().__init__(spec._replace(ordered=True), activation)

    def keep(self, batch: Batch) -> Tensor | None:
        """Return the mask (B, latent_dim).

        A share of the samples keep all, since the whole code is what is used most; for the others k is drawn
        log-uniformly, so that every doubling of the code's length is trained alike.
        """
        if not self.training:
            return None
        (latent_dim,) = self.spec.shape
        u = torch.rand(2, len(batch.x), 1, generator=batch.rng, device=batch.x.device)
        k = torch.exp(u[0] * math.log(latent_dim + 1)).floor()
        kept = (torch.arange(latent_dim, device=batch.x.device) < k) | (u[1] < WHOLE)
        return kept.to(batch.x.dtype)

    def forward(self, h: Tensor, batch: Batch) -> Coded:
        """Return the latents, all but the first k set to 0 in training."""
        z, kept = self.activation(h), self.keep(batch)
        return Coded(z if kept is None else z * kept, {}, {})


@component
class Continuous(Code):
    """Real numbers: latent_dim of them."""

    activation: str = param("linear", "On the code.", choices=tuple(ACTIVATIONS))


@component
class Ordered(Code):
    """Real numbers whose first k are a code by themselves, by nested dropout (Rippel et al. 2014, sec. 3)."""

    activation: str = param("linear", "On the code.", choices=tuple(ACTIVATIONS))

    def layer(self, latents: tuple[int, ...]) -> CodeLayer:
        """Return the layer."""
        return OrderedLayer(CodeSpec(latents), self.activation)
