"""LSTM encoder and decoder over sequences, and over images read row by row."""

from __future__ import annotations

from torch import Tensor, nn

from narrows.errors import ConfigError
from narrows.nn.layers import Decoder, Layout

__all__ = ["lstm"]


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


class LastStep(nn.Module):
    """The last step's output: (B, T, D) -> (B, D)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the last step."""
        return x[:, -1]


class Repeat(nn.Module):
    """The code at every step: (B, D) -> (B, T, D)."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, z: Tensor) -> Tensor:
        """Return a view that repeats z."""
        return z.unsqueeze(1).expand(-1, self.steps, -1)


class PerStep(nn.Linear):
    """One linear map for every step, and the rows put back into images: (B, T, n) -> (B, *shape)."""

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


def _over_steps(mean: Tensor) -> Tensor:
    return mean.mean(0)


def _over_rows(mean: Tensor) -> Tensor:
    return mean.mean(1).flatten()


def lstm(layout: Layout) -> tuple[nn.Module, Decoder]:
    """Return LSTM layers and the last step's state; and repeat -> LSTM layers -> one linear map per step.

    Where the encoder returns the code itself, its last layer is an LSTM of latent_dim units, whose state is the code.
    Where it returns a distribution's parameters, which must not be bounded, the last layer is linear.

    Raises
    ------
    ConfigError
        The samples are a table's rows.
    """
    if len(layout.shape) == 1:
        raise ConfigError(
            f"network='lstm' must have sequences or images; got samples of shape {layout.shape}. Use 'mlp'."
        )
    hidden = (100,) if layout.hidden is None else layout.hidden
    images = len(layout.shape) == 3
    steps, features = (layout.shape[1], layout.shape[0] * layout.shape[2]) if images else layout.shape
    deterministic = layout.n_out == layout.latent_dim
    stack = LSTMStack(features, (*hidden, layout.n_out) if deterministic else hidden)
    head = [] if deterministic else [nn.Linear((features, *hidden)[-1], layout.n_out)]
    encoder = nn.Sequential(Rows(), stack, LastStep(), *head)
    back = LSTMStack(layout.latent_dim, tuple(reversed(hidden)))
    output = PerStep((layout.latent_dim, *reversed(hidden))[-1], layout.shape)
    return encoder, Decoder([Repeat(steps), back], output, layout, _over_rows if images else _over_steps)
