"""LSTM encoder and decoder over sequences, and over images read row by row."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from narrows.components import component
from narrows.nn.layers import ACTIVATIONS, Encoder, Layout, StackDecoder
from narrows.nn.network import Network
from narrows.params import param


class LSTMStack(nn.Module):
    """LSTM layers of any sizes, one after another: (B, T, D) -> (B, T, sizes[-1])."""

    def __init__(self, n_in: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.LSTM(a, b, batch_first=True) for a, b in zip((n_in, *sizes), sizes, strict=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return every step's output of the last layer."""
        for layer in self.layers:
            x, _ = layer(x)
        return x


class Rows(nn.Module):
    """Images as sequences of their rows, all channels of a row together: (B, C, H, W) -> (B, H, C * W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return sequences; those that are sequences already stay."""
        return x if x.dim() == 3 else x.transpose(1, 2).flatten(2)


class Repeat(nn.Module):
    """The code at every step: (B, D) -> (B, T, D)."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, z: Tensor) -> Tensor:
        """Return a view that repeats z."""
        return z.unsqueeze(1).expand(-1, self.steps, -1)


class PerStep(nn.Linear):
    """One linear map for every step, and the rows put back into images: (B, T, n) -> (B, *output shape)."""

    def __init__(self, n_in: int, shape: tuple[int, ...]) -> None:
        features = shape[1] if len(shape) == 2 else shape[0] * shape[2]
        super().__init__(n_in, features)
        self.shape = shape

    def forward(self, input: Tensor) -> Tensor:
        """Return samples."""
        steps = super().forward(input)
        if len(self.shape) == 2:
            return steps
        channels, _, width = self.shape
        return steps.unflatten(2, (channels, width)).transpose(1, 2)


class RecurrentEncoder(Encoder):
    """LSTM layers, whose output at the last step of a sequence is the code, or what a linear map makes the latents of.

    The layers read from the first step on, so that what pads a sequence after its end changes nothing before.
    """

    def __init__(self, rows: nn.Module, stack: LSTMStack, head: nn.Module, layout: Layout) -> None:
        super().__init__(layout)
        self.rows, self.stack, self.head = rows, stack, head

    def features(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Return (B, heads * latents)."""
        steps = self.stack(self.rows(x))
        if lengths is None:
            return self.head(steps[:, -1])
        return self.head(steps[torch.arange(steps.shape[0], device=steps.device), lengths.clamp(min=1) - 1])


@component
class Recurrent(Network):
    """LSTM layers over sequences, and over images row by row; sequences may differ in length.

    Where the encoder returns the code itself, its last layer is an LSTM of latent_dim units, whose state is the code.
    Where it returns a distribution's parameters, which must not be bounded, the last layer is linear.
    """

    dimensions: ClassVar[tuple[int, ...]] = (2, 3)
    ragged: ClassVar[bool] = True

    hidden: tuple[int, ...] = param((100,), "Units of the layers, from input to code.", low=1)
    output_activation: str = param("linear", "On the decoder's output.", choices=tuple(ACTIVATIONS))

    def pair(self, layout: Layout) -> tuple[Encoder, StackDecoder]:
        """Return LSTM layers and the last step's state; and repeat -> LSTM layers -> one linear map per step."""
        hidden = tuple(self.hidden)
        images = len(layout.shape) == 3
        wide = layout.input_shape
        features = wide[0] * wide[2] if images else wide[1]
        steps = layout.shape[1] if images else layout.shape[0]
        deterministic = layout.heads == 1
        stack = LSTMStack(features, (*hidden, layout.n_out) if deterministic else hidden)
        head = nn.Identity() if deterministic else nn.Linear((features, *hidden)[-1], layout.n_out)
        encoder = RecurrentEncoder(Rows(), stack, head, layout)
        back = LSTMStack(layout.n_in, tuple(reversed(hidden)))
        output = PerStep((layout.n_in, *reversed(hidden))[-1], layout.output_shape)
        body = [*([nn.Flatten()] if len(layout.latents) > 1 else []), Repeat(steps), back]
        return encoder, StackDecoder(body, output, layout, (1,) if images else (0,), self.output_activation)
