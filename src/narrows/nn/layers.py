"""What networks share: how they are laid out, activations, and the decoder whose output starts at the data's mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["ACTIVATIONS", "Decoder", "Layout", "activation", "initialise"]

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


@dataclass(frozen=True)
class Layout:
    """What a network is built from."""

    shape: tuple[int, ...]
    """Of one sample."""
    latent_dim: int
    """Numbers that enter the decoder."""
    n_out: int
    """Numbers that leave the encoder: latent_dim, or a multiple for a distribution's parameters."""
    hidden: tuple[int, ...] | None = None
    """Sizes from input to code: units (mlp, lstm) or channels (conv); None for the network's own."""
    activation: str = "relu"
    """Between layers."""
    output_activation: str = "linear"
    """On the decoder's output."""
    kernel: int = 3
    """Width of convolutions, odd."""
    downsample: str = "stride"
    """How a convolutional stage halves the image: stride, max or average."""
    batch_norm: bool = False
    """Normalise after each convolution."""
    tied: bool = False
    """Decode by the transposed weights of the encoder (mlp)."""


def activation(name: str) -> list[nn.Module]:
    """Return the activation as a list of layers: none where it is linear."""
    return [] if name == "linear" else [ACTIVATIONS[name]()]


class Decoder(nn.Module):
    """Layers, and the last affine one, whose bias can start where the output is the data's mean.

    `shared` averages a mean over x (*shape) to the shape of that bias.
    """

    def __init__(
        self, body: Iterable[nn.Module], output: nn.Module, layout: Layout, shared: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.output = output
        self.shape = layout.shape
        self.last = nn.Sequential(*activation(layout.output_activation))
        self.shared = shared

    def forward(self, z: Tensor) -> Tensor:
        """Return (B, *shape) for codes (B, latent_dim)."""
        return self.last(self.output(self.body(z)).reshape(-1, *self.shape))

    def start_at(self, mean: Tensor, link: Callable[[Tensor], Tensor]) -> None:
        """Start the output's bias at `link` of the mean over x (*shape)."""
        bias = self.output.bias
        assert isinstance(bias, nn.Parameter)
        with torch.no_grad():
            bias.copy_(link(self.shared(mean)))


def initialise(module: nn.Module, name: str) -> None:
    """Initialise weights for an activation: LeCun normal for selu (Klambauer et al. 2017), torch's own elsewhere."""
    if name != "selu":
        return
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
