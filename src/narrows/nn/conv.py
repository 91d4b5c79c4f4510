"""Convolutions over images of any size, odd and prime ones included, and over sequences."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from narrows.components import component
from narrows.errors import ConfigError
from narrows.nn.layers import ACTIVATIONS, Encoder, Layout, StackDecoder, StackEncoder, activation, initialise
from narrows.nn.network import Network
from narrows.params import param

CONV = (nn.Conv1d, nn.Conv2d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d)
POOL = {"max": (nn.MaxPool1d, nn.MaxPool2d), "average": (nn.AvgPool1d, nn.AvgPool2d)}


class _LoneValue(nn.Module):
    """Batch normalisation that takes a value alone in its batch by the running mean and variance."""

    training: bool

    def forward(self, input: Tensor) -> Tensor:
        """Return the input, normalised."""
        if self.training and input.numel() == input.shape[1]:
            mean, variance, weight, bias = self.running_mean, self.running_var, self.weight, self.bias
            return F.batch_norm(input, mean, variance, weight, bias, eps=self.eps)  # type: ignore[arg-type]
        return super().forward(input)


class Norm1d(_LoneValue, nn.BatchNorm1d):
    """Over the steps of sequences."""


class Norm2d(_LoneValue, nn.BatchNorm2d):
    """Over the pixels of images."""


NORM = (Norm1d, Norm2d)


class Transpose(nn.Module):
    """Swap the steps and the features of sequences: (B, T, D) <-> (B, D, T)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the swapped view."""
        return x.transpose(1, 2)


class ToSequence(nn.Module):
    """A last convolution whose output (B, D, T) is returned as (B, T, D)."""

    def __init__(self, output: nn.Module) -> None:
        super().__init__()
        self.output = output

    @property
    def bias(self) -> nn.Parameter:
        """One bias a feature."""
        bias = self.output.bias
        assert isinstance(bias, nn.Parameter)
        return bias

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D)."""
        return self.output(x).transpose(1, 2)


def _over_steps(mean: Tensor) -> Tensor:
    return mean.mean(0)


def _over_pixels(mean: Tensor) -> Tensor:
    return mean.mean((1, 2))


@component
class Conv(Network):
    """Convolutions over images and sequences: stages that halve the size (rounded up), a linear map, and the mirror.

    A stage is a convolution of stride 2, or one of stride 1 and a pooling. The mirror has transposed convolutions,
    whose output padding is chosen for each size, so that every shape comes back as it was.
    """

    dimensions: ClassVar[tuple[int, ...]] = (2, 3)

    hidden: tuple[int, ...] = param((32, 64), "Channels of the stages, from input to code.", low=1)
    activation: str = param("relu", "Between layers.", choices=tuple(ACTIVATIONS))
    output_activation: str = param("linear", "On the decoder's output.", choices=tuple(ACTIVATIONS))
    kernel: int = param(3, "Width of the convolutions, odd.", low=1)
    downsample: str = param("stride", "How a stage halves an image.", choices=("stride", "max", "average"))
    batch_norm: bool = param(False, "Normalise after each convolution.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel % 2 == 0:
            raise ConfigError(f"Conv: kernel must be odd, so that an image of any size comes back; got {self.kernel}.")

    def _sizes(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return the size before the first stage and after each."""
        sizes = [shape[:1] if len(shape) == 2 else shape[1:]]
        for _ in self.hidden:
            sizes.append(tuple(math.ceil(n / 2) for n in sizes[-1]))
        return sizes

    def map_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the size after the last stage."""
        return self._sizes(shape)[-1]

    def pair(self, layout: Layout) -> tuple[Encoder, StackDecoder]:
        """Return the stages and their mirror. Latents on a map of the last stage's size get no linear map."""
        sequence = len(layout.shape) == 2
        axis = layout.feature_axis
        channels_in, channels_out = layout.input_shape[axis], layout.output_shape[axis]
        sizes, hidden = self._sizes(layout.shape), tuple(self.hidden)
        kind = len(sizes[0]) - 1
        pad = self.kernel // 2
        stride = 2 if self.downsample == "stride" else 1
        on_map = layout.latents[1:] == sizes[-1]

        layers: list[nn.Module] = [Transpose()] if sequence else []
        for n_in, n_out in pairwise((channels_in, *hidden)):
            layers.append(CONV[kind](n_in, n_out, self.kernel, stride, pad))
            layers += [NORM[kind](n_out)] if self.batch_norm else []
            layers += activation(self.activation)
            layers += [POOL[self.downsample][kind](2, ceil_mode=True)] if stride == 1 else []
        last, flat = (channels_in, *hidden)[-1], (channels_in, *hidden)[-1] * math.prod(sizes[-1])
        if on_map:
            layers.append(CONV[kind](last, layout.heads * layout.latents[0], 1))
        else:
            layers += [nn.Flatten(), nn.Linear(flat, layout.n_out)]
        encoder = StackEncoder(layers, layout)

        width = (channels_out, *hidden)
        flat = width[-1] * math.prod(sizes[-1])
        if on_map:
            layers = [CONV[kind](layout.decoder_latents[0], width[-1], 1), *activation(self.activation)]
        else:
            layers = [nn.Flatten()] if len(layout.latents) > 1 else []
            layers += [nn.Linear(layout.n_in, flat), *activation(self.activation)]
            layers.append(nn.Unflatten(1, (width[-1], *sizes[-1])))
        for i in range(len(width) - 1, 0, -1):
            padding = tuple(1 - n % 2 for n in sizes[i - 1])  # even sizes lose nothing going down, odd ones round up
            up = TRANSPOSED[kind](width[i], width[i - 1], self.kernel, 2, pad, padding)  # type: ignore[arg-type]
            layers.append(up)
            if i > 1:
                layers += [NORM[kind](width[i - 1])] if self.batch_norm else []
                layers += activation(self.activation)
        # Without a stage the map is linear alone: a convolution of width 1 is then the output, for its bias.
        output = layers.pop() if len(width) > 1 else CONV[kind](channels_out, channels_out, 1)
        decoder = StackDecoder(
            layers, ToSequence(output) if sequence else output, layout, _over_steps if sequence else _over_pixels,
            self.output_activation,
        )  # fmt: skip
        for network in (encoder, decoder):
            initialise(network, self.activation)
        return encoder, decoder
