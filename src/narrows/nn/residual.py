"""PCA, and layers that learn what it leaves."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from narrows.errors import ConfigError
from narrows.nn.layers import Decoder, Layout, activation
from narrows.nn.mlp import mlp
from narrows.pca import Axes

__all__ = ["ResidualDecoder", "ResidualEncoder", "residual", "start_at_axes"]

CHANNELS = 16
"""Of the convolutions that go over the rebuilt image."""
FLAT = 1e-6
"""Axes with less than this share of the greatest variance are left to the layers."""


class _Linear(nn.Module):
    """A linear map that is given, not learnt."""

    weight: Tensor
    bias: Tensor

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(n_out, n_in))
        self.register_buffer("bias", torch.zeros(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """Return x W^T + b: (B, n_in) -> (B, n_out)."""
        return nn.functional.linear(x, self.weight, self.bias)


class ResidualEncoder(nn.Module):
    """The code along the principal axes, and what layers add to it."""

    def __init__(self, layers: nn.Module, layout: Layout) -> None:
        super().__init__()
        self.linear = _Linear(math.prod(layout.shape), layout.n_out)
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, n_out) for samples (B, *shape)."""
        return self.linear(x.flatten(1)) + self.layers(x)


class ResidualDecoder(nn.Module):
    """The point on the principal axes, what layers add to it, and, to images, what convolutions then add."""

    def __init__(self, layers: Decoder, layout: Layout) -> None:
        super().__init__()
        self.shape = layout.shape
        self.linear = _Linear(layout.latent_dim, math.prod(layout.shape))
        self.layers = layers
        self.picture = _convolutions(layout) if len(layout.shape) == 3 else None

    def forward(self, z: Tensor) -> Tensor:
        """Return (B, *shape) for codes (B, latent_dim)."""
        x = self.linear(z).reshape(-1, *self.shape) + self.layers(z)
        return x if self.picture is None else x + self.picture(x)


def residual(layout: Layout) -> tuple[nn.Module, nn.Module]:
    """Return fully connected layers of `hidden` units beside PCA's maps, and convolutions over images that are rebuilt.

    The maps are PCA's from the start (`start_at_axes`) and stay; all else adds nothing at first. So training begins at
    PCA, in a variational model at its probabilistic form, and what is learnt is the difference. A deep network learns
    such a difference more easily than the whole (He et al. 2016, doi:10.1109/CVPR.2016.90, sec. 3.1).

    Raises
    ------
    ConfigError
        The output has an activation, which PCA's has not.
    """
    if layout.output_activation != "linear":
        raise ConfigError(
            "network='residual' must go with output_activation='linear', as PCA is; got "
            f"{layout.output_activation!r}. Leave it out."
        )
    encoder, decoder = mlp(replace(layout, hidden=(512,) if layout.hidden is None else layout.hidden))
    assert isinstance(encoder, nn.Sequential)
    for layer in (encoder[-1], decoder.output):
        _silence(layer)
    return ResidualEncoder(encoder, layout), ResidualDecoder(decoder, layout)


def _convolutions(layout: Layout) -> nn.Module:
    """Return convolutions over an image of any size, at half of it, that give one of the same size: 0 at first."""
    channels, height, width = layout.shape
    bend = activation(layout.activation)
    wide = nn.Conv2d(channels, CHANNELS, 5, 2, 2)
    among = [nn.Conv2d(CHANNELS, CHANNELS, 3, 1, 1) for _ in range(2)]
    # Four wide for even sizes, and three for odd ones, it gives just that size; four cover all pixels alike.
    back = nn.ConvTranspose2d(CHANNELS, channels, (4 - height % 2, 4 - width % 2), 2, 1)
    for layer in (wide, *among):
        nn.init.kaiming_normal_(layer.weight)  # torch's own start would let little through so many layers
    _silence(back)
    layers: list[nn.Module] = [wide, *bend]
    for layer in among:
        layers += [layer, *bend]
    return nn.Sequential(*layers, back)


def _silence(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def start_at_axes(encoder: ResidualEncoder, decoder: ResidualDecoder, axes: Axes, noise: float) -> None:
    """Give the maps: z = u^T (x - mean) sqrt(v - s^2) / v and back, for axes u of variance v.

    Parameters
    ----------
    encoder, decoder
        Of `residual`; an encoder of two numbers per dimension returns the logarithm of the variance s^2 / v as well.
    axes
        Of the data, as many as the code has numbers, or fewer.
    noise
        s^2, the variance that the likelihood leaves to every value: the posterior of probabilistic PCA (Tipping &
        Bishop 1999, sec. 3.2). 0 gives PCA's own codes, with unit variance.
    """
    k = len(axes.variance)
    variance = torch.from_numpy(axes.variance)
    along = variance > max(noise, FLAT * float(variance.max()))
    length = torch.where(along, variance - noise, torch.zeros_like(variance)).sqrt()
    components = torch.from_numpy(axes.components)
    inward = components * (length / torch.where(along, variance, torch.ones_like(variance)))[:, None]
    mean = torch.from_numpy(axes.mean)
    with torch.no_grad():
        encoder.linear.weight[:k] = inward
        encoder.linear.bias[:k] = -inward @ mean
        if noise > 0:
            latent_dim = decoder.linear.weight.shape[1]
            encoder.linear.bias[latent_dim : latent_dim + k] = torch.where(along, noise / variance, 1.0).log()
        decoder.linear.weight[:, :k] = components.T * length
        decoder.linear.bias.copy_(mean)
