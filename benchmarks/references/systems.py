"""The systems of the courses in plain PyTorch: network, loss, optimiser and budget as a course writes them.

What they have in common, unless a system says otherwise:

- Pixels are floats in [0, 1] (uint8 / 255). Every layer but the last has the activation, the code's included.
- Losses are means over pixels and images, as Keras has it: the sum over an image's pixels divided by 784.
- Adam is at its defaults (learning rate 1e-3, betas 0.9 and 0.999), SGD is without momentum; neither has weight decay.
- Dense layers start Glorot-uniform with zero biases (Keras's default), those before SELU LeCun-normal.
- Mini-batches are drawn anew each epoch, the last one may be smaller. No early stopping: the last weights are measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Measure = Callable[[nn.Module, Tensor], dict[str, Tensor]]


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


# --- losses, as minimised: one number for a batch ---------------------------------------------------------------------


def squared(model: nn.Module, x: Tensor) -> Tensor:
    return F.mse_loss(model(x), x)


def binary(model: nn.Module, x: Tensor) -> Tensor:
    return F.binary_cross_entropy(model(x), x)


def divergence(activity: Tensor, target: float = 0.032) -> Tensor:
    """KL of a coin with the target's chance from one with the unit's mean activity, summed over units."""
    off = (1 - target) * ((1 - target) / (1 - activity)).log()
    return (target * (target / activity).log() + off).sum()


def sparse(model: nn.Sequential, x: Tensor) -> Tensor:
    code = model[:2](x)
    return (model[2:](code) - x).square().sum(1).mean() + 0.2 * divergence(code.mean(0))


def squared_and_kl(model: VAE, x: Tensor) -> Tensor:
    x_hat, kl = model(x)
    return ((x_hat - x).square().sum(1) + kl).mean()


def binary_and_kl(model: VAE, x: Tensor) -> Tensor:
    x_hat, kl = model(x)
    return (F.binary_cross_entropy(x_hat, x, reduction="none").sum(1) + kl).mean()


# --- measures: one value per image, summed over its pixels; the loop averages them over the part ----------------------


def errors(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    return {"squared_error": (model(x) - x).square().sum(1)}


def pixels(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """For outputs in [0, 1]. rounded_accuracy: share of the pixels that are equal after rounding."""
    x_hat = model(x)
    return {
        "cross_entropy": F.binary_cross_entropy(x_hat, x, reduction="none").sum(1),
        "squared_error": (x_hat - x).square().sum(1),
        "rounded_accuracy": (x_hat.round() == x.round()).float().mean(1),
    }


def noisy(measure: Measure) -> Measure:
    """The same from clean inputs and, as *_noisy, from inputs with the noise of training; always against the clean."""

    def both(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
        clean = measure(model, x)
        model[0].train()
        cleaned = measure(model, x)
        model[0].eval()
        return clean | {f"{name}_noisy": values for name, values in cleaned.items()}

    return both


def sparsity(model: nn.Sequential, x: Tensor) -> dict[str, Tensor]:
    """activity: mean over images and units of the code."""
    return errors(model, x) | {"activity": model[:2](x).mean(1)}


def vae_squared(model: VAE, x: Tensor) -> dict[str, Tensor]:
    """squared_error and loss with one draw of the code, as in training; *_mean: from the posterior's mean."""
    x_hat, kl = model(x)
    error = (x_hat - x).square().sum(1)
    at_mean = model.decoder(model.encoder(x).chunk(2, dim=1)[0])
    return {"loss": error + kl, "squared_error": error, "kl": kl, "squared_error_mean": (at_mean - x).square().sum(1)}


def vae_binary(model: VAE, x: Tensor) -> dict[str, Tensor]:
    """loss (the negative ELBO) and cross_entropy with one draw of the code; squared_error_mean: from the mean."""
    x_hat, kl = model(x)
    entropy = F.binary_cross_entropy(x_hat, x, reduction="none").sum(1)
    at_mean = model.decoder(model.encoder(x).chunk(2, dim=1)[0])
    return {
        "loss": entropy + kl,
        "cross_entropy": entropy,
        "kl": kl,
        "squared_error_mean": (at_mean - x).square().sum(1),
    }


# --- the table --------------------------------------------------------------------------------------------------------


ADAM = partial(torch.optim.Adam, fused=True)  # fused: the same rule in fewer passes over memory


@dataclass(frozen=True, kw_only=True)
class System:
    """One network and its budget."""

    build: Callable[[], nn.Module]
    loss: Callable[[nn.Module, Tensor], Tensor]
    measure: Measure
    optimiser: Callable[..., torch.optim.Optimizer] = ADAM
    lr: float = 1e-3
    batch: int = 32
    """Keras's default."""
    epochs: int
    rows: int = 60_000
    """Train on the first so many training images."""
    validation: int = 0
    """The last so many training images, for the course's validation curve."""
    data: str = "mnist"


COURSE = {"rows": 55_000, "validation": 5_000}
FIRST = {"rows": 5_000, "batch": 5_000}  # one step an epoch
STACKED = {**COURSE, "loss": binary, "optimiser": torch.optim.SGD, "lr": 1.5}

SYSTEMS = {
    # 784-64-16-64-784
    "digits-small": System(
        build=lambda: dense([784, 64, 16, 64, 784], nn.ReLU, nn.Sigmoid()), loss=squared, measure=errors, epochs=10
    ),
    # The output is a sigmoid too, the error is squared
    "digits-sigmoid": System(
        **COURSE,
        build=lambda: dense([784, 256, 128, 256, 784], nn.Sigmoid, nn.Sigmoid()),
        loss=squared, measure=errors, batch=128, epochs=10,
    ),
    # 784-256-128-256-784 with a sigmoid output, as above, on all training images
    "digits-wide": System(
        build=lambda: dense([784, 256, 128, 256, 784], nn.Sigmoid, nn.Sigmoid()),
        loss=squared, measure=errors, batch=128, epochs=100,
    ),
    # Linear output
    "digits-deep": System(**FIRST, build=deep, loss=squared, measure=errors, epochs=1001),
    # As digits-deep, with new noise at each step
    "digits-denoise": System(
        **FIRST, build=lambda: deep(GaussianNoise(1.0)), loss=squared, measure=noisy(errors), epochs=1001
    ),
    # Sigmoid code, linear output. The loss is the squared error summed over an image's pixels, averaged over images,
    # plus 0.2 times the KL summed over units, of each unit's mean activity over the batch (all 5,000 images). With the
    # error as a mean over pixels the KL would outweigh it, and the activity be 0.032 long before the end
    "digits-sparse": System(
        **FIRST, build=lambda: dense([784, 1000, 784], nn.Sigmoid), loss=sparse, measure=sparsity, epochs=1001
    ),
    # SGD at 1.5 on the mean over pixels: 1.5 / 784 on the sum
    "digits-stacked": System(**STACKED, build=stacked, measure=pixels, epochs=20),
    "fashion-stacked": System(**STACKED, build=stacked, measure=pixels, epochs=20, data="fashion-mnist"),
    "digits-gaussian": System(
        **STACKED, build=lambda: stacked(GaussianNoise(0.2)), measure=noisy(pixels), epochs=10
    ),
    # As in Keras, what is kept is scaled by 1 / (1 - 0.5)
    "digits-dropout": System(**STACKED, build=lambda: stacked(nn.Dropout(0.5)), measure=noisy(pixels), epochs=10),
    # SGD at 1.0 on the mean over pixels
    "digits-conv": System(**{**STACKED, "lr": 1.0}, build=conv, measure=pixels, epochs=5),
    # SGD at 0.1 on the mean over values; the LSTM layers start as torch has them, uniform in +-1 / sqrt(units)
    "digits-lstm": System(**{**STACKED, "lr": 0.1}, build=lstm, measure=pixels, epochs=10),
    # Sums, not means: squared error over pixels plus KL over dimensions, both with weight 1, then the mean over images
    "digits-vae-plane": System(
        build=lambda: VAE(dense([784, 512, 4], nn.ReLU), dense([2, 512, 784], nn.ReLU, nn.Sigmoid())),
        loss=squared_and_kl, measure=vae_squared, epochs=10,
    ),
    # Sums as well: the negative ELBO in nats, grey values as chances, one draw of the code per image and step
    "digits-vae-elu": System(
        **FIRST,
        build=lambda: VAE(dense([784, 256, 256, 64], nn.ELU), dense([32, 256, 256, 784], nn.ELU, nn.Sigmoid())),
        loss=binary_and_kl, measure=vae_binary, epochs=2001,
    ),
}  # fmt: skip
