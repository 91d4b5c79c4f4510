"""PCA, and layers that learn what it leaves."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from narrows.components import component
from narrows.nn.layers import ACTIVATIONS, INVERSES, Decoder, Encoder, Layout, StackEncoder, activation
from narrows.nn.mlp import MLP
from narrows.nn.network import Network, Start
from narrows.params import param

CHANNELS = 16
"""Of the convolutions that go over the reconstructed image."""
FLAT = 1e-10
"""Axes with less than this share of the greatest variance are left to the layers."""


class _Linear(nn.Module):
    """A linear map that is given, not learned."""

    weight: Tensor
    bias: Tensor

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(n_out, n_in))
        self.register_buffer("bias", torch.zeros(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """Return x W^T + b: (B, n_in) -> (B, n_out)."""
        return nn.functional.linear(x, self.weight, self.bias)


class ResidualEncoder(Encoder):
    """The code along the principal axes, and what layers add to it."""

    def __init__(self, layers: Encoder, layout: Layout) -> None:
        super().__init__(layout)
        self.linear = _Linear(math.prod(layout.input_shape), layout.n_out)
        self.layers = layers

    def features(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Return (B, heads * latents)."""
        return self.linear(x.flatten(1)) + self.layers.features(x, lengths)


class ResidualDecoder(Decoder):
    """The point on the principal axes, what layers add to it, and, to images, what convolutions then add."""

    def __init__(self, layers: Decoder, picture: nn.Module | None, layout: Layout, last: str) -> None:
        super().__init__(layout)
        self.linear = _Linear(layout.n_in, math.prod(layout.shape))
        self.layers = layers
        self.picture = picture
        self.inverse, self.last = INVERSES[last], ACTIVATIONS[last]()

    def values(self, z: Tensor) -> Tensor:
        """Return (B, *output shape)."""
        layout = self.layout
        x = self.linear(z.flatten(1)).reshape(-1, *layout.shape)
        x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x  # links and inverses need all digits at 0, 1
        if layout.link is not None:
            x = layout.link(x)
        elif layout.outputs > 1:  # the first one is the mean
            x = torch.stack([x, *[torch.zeros_like(x)] * (layout.outputs - 1)])
        if layout.outputs > 1:  # (outputs, B, *shape)
            axis = layout.feature_axis + 1
            x = x.movedim(0, axis).flatten(axis, axis + 1)
        x = self.inverse(x) + self.layers.values(z)
        return self.last(x if self.picture is None else x + self.picture(x))


@component
class Residual(Network):
    """PCA's maps, fully connected layers beside them, and convolutions over images that are reconstructed.

    The maps are PCA's from the start and stay; all else adds nothing at first. So training begins at PCA, in a
    variational model at its probabilistic form, and what is learned is the difference. A deep network learns such a
    difference more easily than the whole (He et al. 2016, doi:10.1109/CVPR.2016.90, sec. 3.1). Where a likelihood or
    an activation bounds the output, the maps give its mean, cut to the range, and the layers add to what gives it.
    """

    begins_at_pca: ClassVar[bool] = True

    hidden: tuple[int, ...] = param((512,), "Units of the layers, from input to code.", low=1)
    activation: str = param("relu", "Between layers.", choices=tuple(ACTIVATIONS))
    output_activation: str = param("linear", "On the decoder's output.", choices=tuple(INVERSES))

    def pair(self, layout: Layout) -> tuple[Encoder, Decoder]:
        """Return the maps, all zero, with layers whose last one is zero."""
        encoder, decoder = MLP(hidden=self.hidden, activation=self.activation).pair(layout)
        assert isinstance(encoder, StackEncoder)
        assert isinstance(encoder.body, nn.Sequential)
        for layer in (encoder.body[-1], decoder.output):
            _silence(layer)
        picture = _convolutions(layout.output_shape, self.activation) if len(layout.shape) == 3 else None
        return (ResidualEncoder(encoder, layout), ResidualDecoder(decoder, picture, layout, self.output_activation))

    def start(self, encoder: Encoder, decoder: Decoder, start: Start) -> None:
        """Give the maps, and a learned scale of the likelihood where PCA leaves it.

        z = u^T (x - mean) sqrt(v - s^2) / v and back, for axes u of variance v, where s^2 is the variance that the
        likelihood leaves to every value: the posterior of probabilistic PCA (Tipping & Bishop 1999, sec. 3.2). An
        encoder of two values per latent returns the logarithm of the variance s^2 / v as well. A deterministic one has
        s = 0: PCA's own codes, with unit variance.
        """
        assert isinstance(encoder, ResidualEncoder)
        assert isinstance(decoder, ResidualDecoder)
        layout = encoder.layout
        axes = start.axes(math.prod(layout.latents))
        # The mean over all other directions, those in which few samples do not vary at all included.
        left = max(axes.total - float(axes.variance.sum()), 0.0) / max(1, len(axes.mean) - len(axes.variance))
        kept_variance = start.set_scale(math.sqrt(left))
        noise = kept_variance if layout.heads == 2 else 0.0
        k = len(axes.variance)
        variance = torch.from_numpy(axes.variance)
        along = variance > max(noise, FLAT * float(variance.max()))
        length = torch.where(along, variance - noise, torch.zeros_like(variance)).sqrt()
        components = torch.from_numpy(axes.components)
        inward = components * (length / torch.where(along, variance, torch.ones_like(variance)))[:, None]
        mean = torch.from_numpy(axes.mean)
        axis, features = layout.feature_axis, layout.shape[layout.feature_axis]
        with torch.no_grad():
            maps = encoder.linear.weight[:k].view(k, *layout.input_shape)  # the condition's weights stay 0
            maps.narrow(axis + 1, 0, features).copy_(inward.reshape(k, *layout.shape))
            encoder.linear.bias[:k] = -inward @ mean
            if noise > 0:
                latent_dim = math.prod(layout.latents)
                encoder.linear.bias[latent_dim : latent_dim + k] = torch.where(along, noise / variance, 1.0).log()
            decoder.linear.weight[:, :k] = components.T * length
            decoder.linear.bias.copy_(mean)


def _convolutions(shape: tuple[int, ...], name: str) -> nn.Module:
    """Return convolutions over an image of any size, at half of it, that give one of the same size: 0 at first."""
    channels, height, width = shape
    bend = activation(name)
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
