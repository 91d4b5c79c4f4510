"""The networks in plain PyTorch; each returns its loss per image, in nats, for images (N, 784) in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class VAE(nn.Module):
    """Cross-entropy on logits, one map for both heads."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor) -> Tensor:
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        z = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        entropy = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum() / 2
        return (entropy + divergence) / len(x)

    def error(self, x: Tensor) -> Tensor:
        return self(x)


class AE(nn.Module):
    """Half the squared error, and the KL divergence of every unit's mean activity from 0.1 where the code is sparse."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, sparsity: float = 0.0) -> None:
        super().__init__()
        self.encoder, self.decoder, self.sparsity = encoder, decoder, sparsity

    def forward(self, x: Tensor) -> Tensor:
        z = self.encoder(x)
        loss = F.mse_loss(self.decoder(z), x, reduction="sum") / (2 * len(x))
        if self.sparsity:
            activity, t = z.mean(0).clamp(1e-7, 1 - 1e-7), 0.1
            loss = loss + self.sparsity * (t * (t / activity).log() + (1 - t) * ((1 - t) / (1 - activity)).log()).sum()
        return loss

    def error(self, x: Tensor) -> Tensor:
        """Squared error per image."""
        return F.mse_loss(self.decoder(self.encoder(x)), x, reduction="sum") / len(x)


class Classic(nn.Module):
    """The VAE as it is written first: two heads, a sigmoid, binary cross-entropy summed over the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(784, 400)
        self.mean, self.log_variance = nn.Linear(400, 20), nn.Linear(400, 20)
        self.back, self.output = nn.Linear(20, 400), nn.Linear(400, 784)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = x.view(-1, 784)
        hidden = F.relu(self.hidden(x))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return torch.sigmoid(self.output(F.relu(self.back(z)))), mean, log_variance

    @staticmethod
    def loss(output: Tensor, x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        entropy = F.binary_cross_entropy(output, x.view(-1, 784), reduction="sum")
        return entropy - 0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())


class Recurrent(nn.Module):
    """LSTM layers over images read row by row; the state after the last row, or every step's output."""

    def __init__(self, sizes: tuple[int, ...], last: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.LSTM(a, b, batch_first=True) for a, b in pairwise(sizes))
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        x = x.view(-1, 28, 28) if self.last else x.unsqueeze(1).expand(-1, 28, -1)
        for layer in self.layers:
            x, _ = layer(x)
        return x[:, -1] if self.last else x


def mlp_vae(features: int = 784, latent: int = 20) -> nn.Module:
    encoder = nn.Sequential(nn.Linear(features, 400), nn.ReLU(), nn.Linear(400, 2 * latent))
    return VAE(encoder, nn.Sequential(nn.Linear(latent, 400), nn.ReLU(), nn.Linear(400, features)))


def conv_vae() -> nn.Module:
    encoder = nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(3136, 32),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Linear(16, 3136), nn.ReLU(), nn.Unflatten(1, (64, 7, 7)),
        nn.ConvTranspose2d(64, 32, 3, 2, 1, 1), nn.ReLU(), nn.ConvTranspose2d(32, 1, 3, 2, 1, 1), nn.Flatten(),
    )  # fmt: skip
    return VAE(encoder, decoder)


def lstm() -> nn.Module:
    decoder = nn.Sequential(Recurrent((30, 100), last=False), nn.Linear(100, 28), nn.Flatten())
    return AE(Recurrent((28, 100, 30), last=True), decoder)


def deep() -> nn.Module:
    down = [784, 256, 128, 32]
    encoder = [layer for a, b in pairwise(down) for layer in (nn.Linear(a, b), nn.Sigmoid())]
    up = down[::-1]
    decoder = [layer for a, b in pairwise(up) for layer in (nn.Linear(a, b), nn.Sigmoid())]
    return AE(nn.Sequential(*encoder), nn.Sequential(*decoder))


def sparse() -> nn.Module:
    decoder = nn.Sequential(nn.Linear(1000, 784), nn.Sigmoid())
    return AE(nn.Sequential(nn.Linear(784, 1000), nn.Sigmoid()), decoder, sparsity=0.5)


def detector() -> nn.Module:
    """784-400-20-400-784 with ReLU, on the code as well, as pyod builds it."""
    encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 20), nn.ReLU())
    return AE(encoder, nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784)))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "vae": mlp_vae, "conv": conv_vae, "lstm": lstm, "deep": deep, "sparse": sparse, "detector": detector,
}  # fmt: skip


@torch.no_grad()
def error(model: nn.Module, x: Tensor) -> float:
    """Mean of the model's error over all images, a thousand at a time."""
    return sum(model.error(piece).item() * len(piece) for piece in x.split(1000)) / len(x)
