"""Fully connected layers, for samples of any shape."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from narrows.nn.layers import Decoder, Layout, activation, initialise

__all__ = ["TiedLinear", "mlp"]


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


def mlp(layout: Layout) -> tuple[nn.Module, Decoder]:
    """Return flatten -> hidden layers -> n_out, and its mirror; with no hidden layers the map is PCA's, linear."""
    sizes = (math.prod(layout.shape), *((400,) if layout.hidden is None else layout.hidden))
    layers: list[nn.Module] = [nn.Flatten()]
    affine: list[nn.Linear] = []
    for n_in, n_out in pairwise(sizes):
        affine.append(nn.Linear(n_in, n_out))
        layers += [affine[-1], *activation(layout.activation)]
    affine.append(nn.Linear(sizes[-1], layout.n_out))
    encoder = nn.Sequential(*layers, affine[-1])

    if layout.tied:
        backward: list[nn.Module] = [TiedLinear(layer) for layer in reversed(affine)]
    else:
        backward = [nn.Linear(n_in, n_out) for n_in, n_out in pairwise((layout.latent_dim, *reversed(sizes)))]
    layers = []
    for layer in backward[:-1]:
        layers += [layer, *activation(layout.activation)]
    decoder = Decoder(layers, backward[-1], layout, torch.flatten)
    for network in (encoder, decoder):
        initialise(network, layout.activation)
    return encoder, decoder
