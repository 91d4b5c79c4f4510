"""The systems of the courses in plain PyTorch: network (`layers`), loss, optimiser and budget as a course writes them.

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

import torch
from layers import VAE, GaussianNoise, conv, deep, dense, lstm, stacked
from torch import Tensor, nn
from torch.nn import functional as F

Measure = Callable[[nn.Module, Tensor], dict[str, Tensor]]


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
