"""What networks share: their layout, activations, and decoders whose output starts at the data's mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "linear": nn.Identity,
}

EDGE = 0.02
"""How near to the ends of its range an output may begin: there the slopes of the inverse functions grow without end."""


def _same(x: Tensor) -> Tensor:
    return x


def _logit(x: Tensor) -> Tensor:
    return torch.logit(x, eps=EDGE)


def _atanh(x: Tensor) -> Tensor:
    return torch.atanh(x.clamp(EDGE - 1, 1 - EDGE))


INVERSES: dict[str, Callable[[Tensor], Tensor]] = {"linear": _same, "relu": _same, "sigmoid": _logit, "tanh": _atanh}
"""Inverse functions of the activations that have one over the range of their values."""


@dataclass(frozen=True)
class Layout:
    """What a network is built for."""

    shape: tuple[int, ...]
    """Of one sample: (D,), (T, D) or (C, H, W)."""
    latents: tuple[int, ...]
    """That enter the decoder: (latent_dim,), or (latent_dim, h, w) on a map."""
    heads: int = 1
    """How many values the encoder returns for each latent: 2 for a mean and a log-variance."""
    outputs: int = 1
    """How many values the decoder returns for each value of a sample: a likelihood's parameters."""
    condition: int = 0
    """Values of a condition that are joined to the features of the encoder's input, and to the decoder's latents."""
    link: Callable[[Tensor], Tensor] | None = None
    """From a mean over x to the decoder output that gives it; None where that is the mean itself."""
    inputs: int | None = None
    """Features that enter the encoder, where there are more than those of a sample, which come first."""
    values: int | None = None
    """Values that leave the decoder, where they are not `outputs` per feature: those that `link` gives."""

    @property
    def feature_axis(self) -> int:
        """The axis of a sample along which features lie: channels of images, the last one otherwise."""
        return 0 if len(self.shape) == 3 else len(self.shape) - 1

    def _features(self, change: Callable[[int], int]) -> tuple[int, ...]:
        axis = self.feature_axis
        return tuple(change(size) if i == axis else size for i, size in enumerate(self.shape))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of what enters the encoder: a sample, and the condition joined to its features."""
        return self._features(lambda size: (self.inputs or size) + self.condition)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of what leaves the decoder's last layer: `outputs` values a feature."""
        return self._features(lambda size: self.values or size * self.outputs)

    @property
    def decoder_latents(self) -> tuple[int, ...]:
        """Of what enters the decoder: the latents, and the condition joined to them."""
        return (self.latents[0] + self.condition, *self.latents[1:])

    @property
    def n_in(self) -> int:
        """How many values enter the decoder."""
        return math.prod(self.decoder_latents)

    @property
    def n_out(self) -> int:
        """How many values leave the encoder."""
        return self.heads * math.prod(self.latents)


def activation(name: str) -> list[nn.Module]:
    """Return the activation as a list of layers: none where it is linear."""
    return [] if name == "linear" else [ACTIVATIONS[name]()]


class Encoder(nn.Module):
    """Samples (B, *input shape) to (B, heads * latent_dim, *map)."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout

    def features(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Return (B, heads * latents), or with the map's axes; x itself stays as it is."""
        raise NotImplementedError(f"{type(self).__name__} must define `features`.")

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return (B, heads * latent_dim, *map); `lengths` (B,) are the steps of padded sequences."""
        latents = self.layout.latents
        h = self.features(x, lengths)
        return h if len(latents) == 1 else h.reshape(h.shape[0], -1, *latents[1:])


class Decoder(nn.Module):
    """Latents (B, latent_dim, *map) to (B, *shape), or (B, outputs, *shape) where there are several per value."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout

    def values(self, z: Tensor) -> Tensor:
        """Return (B, *output shape)."""
        raise NotImplementedError(f"{type(self).__name__} must define `values`.")

    def forward(self, z: Tensor) -> Tensor:
        """Return the likelihood's parameters for every value."""
        x, layout = self.values(z), self.layout
        if layout.outputs == 1:
            return x
        axis = layout.feature_axis + 1
        return x.unflatten(axis, (layout.outputs, -1)).movedim(axis, 1)

    def start_at(self, mean: Tensor, link: Callable[[Tensor], Tensor]) -> None:
        """Start where the output is `link` of a mean over x (*shape) for every sample; by default nowhere."""
        return


class StackEncoder(Encoder):
    """One module, such as layers one after another."""

    def __init__(self, body: nn.Module, layout: Layout) -> None:
        super().__init__(layout)
        self.body = body

    def features(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Return (B, heads * latents)."""
        return self.body(x)


class StackDecoder(Decoder):
    """Layers, and the last affine one, whose bias can start where the output is the data's mean.

    `shared` are the axes of a sample along which one bias serves all values; `last` is the output's activation.
    """

    def __init__(
        self, body: Iterable[nn.Module], output: nn.Module, layout: Layout, shared: tuple[int, ...],
        last: str = "linear",
    ) -> None:  # fmt: skip
        super().__init__(layout)
        self.body = nn.Sequential(*body)
        self.output, self.shared = output, shared
        self.last = nn.Sequential(*activation(last))

    def values(self, z: Tensor) -> Tensor:
        """Return (B, *output shape)."""
        return self.last(self.output(self.body(z)).reshape(-1, *self.layout.output_shape))

    def start_at(self, mean: Tensor, link: Callable[[Tensor], Tensor]) -> None:
        """Start the bias there; `link` gives (*shape), or (outputs, *shape)."""
        bias, layout = self.output.bias, self.layout
        assert isinstance(bias, nn.Parameter)
        output = link(mean.mean(self.shared) if self.shared else mean)
        if layout.outputs > 1:
            axis = layout.feature_axis if output.dim() > len(layout.shape) else 0
            output = output.movedim(0, axis).flatten(axis, axis + 1)
        with torch.no_grad():
            bias.copy_(output.flatten())


def initialise(module: nn.Module, name: str) -> None:
    """Initialise weights for an activation: LeCun normal for selu (Klambauer et al. 2017), torch's own elsewhere."""
    if name != "selu":
        return
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
