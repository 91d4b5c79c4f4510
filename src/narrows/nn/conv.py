"""Convolutions over images of any size, odd and prime ones included, and over sequences."""

from __future__ import annotations

import math
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from narrows.errors import ConfigError
from narrows.nn.layers import Decoder, Layout, activation, initialise

__all__ = ["conv"]

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


def conv(layout: Layout) -> tuple[nn.Module, Decoder]:
    """Return stages that halve the image (sizes round up), then a linear map; and their mirror.

    A stage is a convolution of stride 2, or one of stride 1 and a pooling. The mirror has transposed convolutions,
    whose output padding is chosen for each size, so that every shape comes back as it was.

    Raises
    ------
    ConfigError
        The samples are a table's rows, or the kernel is even.
    """
    if len(layout.shape) == 1:
        raise ConfigError(
            f"network='conv' must have sequences or images; got samples of shape {layout.shape}. Use 'mlp'."
        )
    if layout.kernel % 2 == 0:
        raise ConfigError(f"kernel must be odd, so that an image of any size comes back; got {layout.kernel}.")
    sequence = len(layout.shape) == 2
    channels, size = (layout.shape[1], layout.shape[:1]) if sequence else (layout.shape[0], layout.shape[1:])
    kind = len(size) - 1
    pad = layout.kernel // 2
    stride = 2 if layout.downsample == "stride" else 1
    width = (channels, *((32, 64) if layout.hidden is None else layout.hidden))

    sizes = [size]
    layers: list[nn.Module] = [Transpose()] if sequence else []
    for n_in, n_out in pairwise(width):
        layers.append(CONV[kind](n_in, n_out, layout.kernel, stride, pad))
        layers += [NORM[kind](n_out)] if layout.batch_norm else []
        layers += activation(layout.activation)
        layers += [POOL[layout.downsample][kind](2, ceil_mode=True)] if stride == 1 else []
        sizes.append(tuple(math.ceil(n / 2) for n in sizes[-1]))
    flat = width[-1] * math.prod(sizes[-1])
    encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, layout.n_out))

    layers = [
        nn.Linear(layout.latent_dim, flat),
        *activation(layout.activation),
        nn.Unflatten(1, (width[-1], *sizes[-1])),
    ]
    for i in range(len(width) - 1, 0, -1):
        padding = tuple(1 - n % 2 for n in sizes[i - 1])  # even sizes lose nothing on the way down, odd ones round up
        layers.append(TRANSPOSED[kind](width[i], width[i - 1], layout.kernel, 2, pad, padding))  # type: ignore[arg-type]
        if i > 1:
            layers += [NORM[kind](width[i - 1])] if layout.batch_norm else []
            layers += activation(layout.activation)
    # Without a stage the map is linear alone: a convolution of width 1 is then the output, for its bias.
    output = layers.pop() if len(width) > 1 else CONV[kind](channels, channels, 1)
    decoder = Decoder(
        layers, ToSequence(output) if sequence else output, layout, _over_steps if sequence else _over_pixels
    )
    for network in (encoder, decoder):
        initialise(network, layout.activation)
    return encoder, decoder
