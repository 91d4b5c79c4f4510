"""Fully connected layers, for samples of any shape."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from narrows.components import component
from narrows.errors import ConfigError
from narrows.nn.layers import ACTIVATIONS, Encoder, Layout, StackDecoder, StackEncoder, activation, initialise
from narrows.nn.network import Network
from narrows.params import param


class TiedLinear(nn.Module):
    """The transposed weights of another linear layer, with a bias of its own."""

    def __init__(self, source: nn.Linear) -> None:
        super().__init__()
        self.source = (source,)  # in a tuple: the weights stay the source's, and are counted and saved once
        bound = 1 / math.sqrt(source.out_features)
        self.bias = nn.Parameter(torch.empty(source.in_features).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Return x W + b: (B, out) -> (B, in)."""
        return F.linear(x, self.source[0].weight.T, self.bias)


@component
class MLP(Network):
    """Fully connected layers: flatten, hidden layers, latents, and the mirror. Without hidden layers it is linear."""

    hidden: tuple[int, ...] = param((400,), "Units of the layers, from input to code.", low=1)
    activation: str = param("relu", "Between layers.", choices=tuple(ACTIVATIONS))
    output_activation: str = param("linear", "On the decoder's output.", choices=tuple(ACTIVATIONS))
    tied: bool = param(False, "Decode by the encoder's transposed weights.")

    @property
    def sees_mask(self) -> bool:  # type: ignore[override]
        """Whether the encoder takes more than the decoder returns, which the same weights cannot."""
        return not self.tied

    def pair(self, layout: Layout) -> tuple[Encoder, StackDecoder]:
        """Return flatten -> hidden layers -> n_out, and its mirror."""
        hidden = tuple(self.hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        affine: list[nn.Linear] = []
        sizes = (math.prod(layout.input_shape), *hidden)
        for n_in, n_out in pairwise(sizes):
            affine.append(nn.Linear(n_in, n_out))
            layers += [affine[-1], *activation(self.activation)]
        affine.append(nn.Linear(sizes[-1], layout.n_out))
        encoder = StackEncoder(nn.Sequential(*layers, affine[-1]), layout)

        if self.tied:
            if layout.heads > 1 or layout.outputs > 1 or layout.condition:
                raise ConfigError(
                    "MLP: tied must go with one value per latent and per output; got a distribution's parameters or a "
                    "condition. Leave tied out."
                )
            backward: list[nn.Module] = [TiedLinear(layer) for layer in reversed(affine)]
        else:
            sizes = (layout.n_in, *reversed(hidden), math.prod(layout.output_shape))
            backward = [nn.Linear(n_in, n_out) for n_in, n_out in pairwise(sizes)]
        layers = [nn.Flatten()] if len(layout.latents) > 1 else []
        for layer in backward[:-1]:
            layers += [layer, *activation(self.activation)]
        decoder = StackDecoder(layers, backward[-1], layout, (), self.output_activation)
        for network in (encoder, decoder):
            initialise(network, self.activation)
        return encoder, decoder
