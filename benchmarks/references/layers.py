"""Layers and networks of the courses, with their initial weights."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

# --- layers -----------------------------------------------------------------------------------------------------------


class GaussianNoise(nn.Module):
    """Adds noise in training only and does not clip, like Keras's layer of this name."""

    def __init__(self, deviation: float):
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Tensor) -> Tensor:
        return x + self.deviation * torch.randn_like(x) if self.training else x


class Repeat(nn.Module):
    """(B, D) -> (B, steps, D), Keras's RepeatVector."""

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        return x.unsqueeze(1).expand(-1, self.steps, -1)


class LSTM(nn.Module):
    """A layer that returns all its outputs (B, T, H), or the last one (B, H)."""

    def __init__(self, n_in: int, n_out: int, *, every: bool):
        super().__init__()
        self.lstm, self.every = nn.LSTM(n_in, n_out, batch_first=True), every

    def forward(self, x: Tensor) -> Tensor:
        outputs, _ = self.lstm(x)
        return outputs if self.every else outputs[:, -1]


class VAE(nn.Module):
    """The encoder gives means and log variances; returns the reconstruction and KL(q || N(0, 1)) of each image."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        z = mean + (log_var / 2).exp() * torch.randn_like(mean)
        return self.decoder(z), (mean.square() + log_var.exp() - 1 - log_var).sum(1) / 2


def glorot(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)


def lecun(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        nn.init.zeros_(layer.bias)


def dense(sizes: list[int], activation: type[nn.Module], *last: nn.Module) -> nn.Sequential:
    """Linear layers with the activation between them and `last` after them."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation()]
    network = nn.Sequential(*layers[:-1], *last)
    network.apply(lecun if activation is nn.SELU else glorot)
    if activation is nn.SELU:
        network[len(layers) - 2].apply(glorot)  # no SELU after the output
    return network


def stacked(*noise: nn.Module) -> nn.Sequential:
    return nn.Sequential(*noise, *dense([784, 100, 30, 100, 784], nn.SELU, nn.Sigmoid()))


def deep(*noise: nn.Module) -> nn.Sequential:
    return nn.Sequential(*noise, *dense([784, 256, 128, 32, 128, 256, 784], nn.Sigmoid))


def conv() -> nn.Sequential:
    # 28 -> 14 -> 7 -> 3 and back; Keras's "same" is padding=1, output_padding=1 here, its "valid" neither
    network = nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        *(nn.Conv2d(1, 16, 3, padding=1), nn.SELU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.SELU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.SELU(), nn.MaxPool2d(2)),
        *(nn.ConvTranspose2d(64, 32, 3, stride=2), nn.SELU()),
        *(nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1), nn.SELU()),
        output := nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1),
        *(nn.Sigmoid(), nn.Flatten()),
    ).apply(lecun)
    glorot(output)
    return network


def lstm() -> nn.Sequential:
    return nn.Sequential(
        nn.Unflatten(1, (28, 28)),
        *(LSTM(28, 100, every=True), LSTM(100, 30, every=False)),
        *(Repeat(28), LSTM(30, 100, every=True)),
        *(dense([100, 28], nn.Identity), nn.Sigmoid(), nn.Flatten()),
    )
