"""What a denoising autoencoder removes: noise on the input, in training only; the loss is against the clean input.

A corruption is written as a short string, `"gaussian:0.2"`, or as an object, `Gaussian(0.2)`; any callable
`(x, rng) -> x` of one's own that draws from `rng` alone does as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from narrows.errors import ConfigError, did_you_mean

__all__ = ["CORRUPTIONS", "Corruption", "Dropout", "Gaussian", "Masking", "SaltPepper", "Uniform", "Warp", "corruption"]

Corruption = Callable[[Tensor, Generator], Tensor]
"""x (B, *shape) and the source of noise -> corrupted x of the same shape; x itself stays as it is."""


def _chosen(x: Tensor, share: float, rng: Generator) -> Tensor:
    return torch.rand(x.shape, generator=rng, device=x.device, dtype=x.dtype) < share


@dataclass(frozen=True)
class _Share:
    p: float
    """Share of the values that are hit, in [0, 1)."""

    def __post_init__(self) -> None:
        if not 0 <= self.p < 1:
            raise ConfigError(
                f"{type(self).__name__}: p must be >= 0 and < 1; got {self.p!r}. It is a share of values."
            )


@dataclass(frozen=True)
class Gaussian:
    """Add normal noise of deviation `std` (Vincent et al. 2010, sec. 3.3)."""

    std: float

    def __post_init__(self) -> None:
        if not 0 <= self.std < float("inf"):
            raise ConfigError(f"Gaussian: std must be >= 0 and finite; got {self.std!r}. It is a standard deviation.")

    def __call__(self, x: Tensor, rng: Generator) -> Tensor:
        """Return x + std * noise."""
        return x + self.std * torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)


@dataclass(frozen=True)
class Dropout(_Share):
    """Set a share `p` of the values to zero and scale the others by 1 / (1 - p), which keeps the mean."""

    def __call__(self, x: Tensor, rng: Generator) -> Tensor:
        """Return x with dropout."""
        return x.masked_fill(_chosen(x, self.p, rng), 0.0) / (1 - self.p)


@dataclass(frozen=True)
class Masking(_Share):
    """Set a share `p` of the values to zero (Vincent et al. 2010, sec. 3.3)."""

    def __call__(self, x: Tensor, rng: Generator) -> Tensor:
        """Return x with values blanked."""
        return x.masked_fill(_chosen(x, self.p, rng), 0.0)


@dataclass(frozen=True)
class Uniform(_Share):
    """Add U(0, 1) to a share `p` of the values and cut at 1."""

    def __call__(self, x: Tensor, rng: Generator) -> Tensor:
        """Return x with uniform noise on some values."""
        noise = torch.rand(x.shape, generator=rng, device=x.device, dtype=x.dtype)
        return torch.where(_chosen(x, self.p, rng), (x + noise).clamp(max=1.0), x)


@dataclass(frozen=True)
class SaltPepper(_Share):
    """Set a share `p` of the values to 0 or 1, each half of the time (Vincent et al. 2010, sec. 3.3)."""

    def __call__(self, x: Tensor, rng: Generator) -> Tensor:
        """Return x with values forced to black or white."""
        u = torch.rand(x.shape, generator=rng, device=x.device, dtype=x.dtype)
        return x.masked_fill(u < self.p / 2, 0.0).masked_fill((u >= self.p / 2) & (u < self.p), 1.0)


@dataclass(frozen=True)
class Warp:
    """Stretch, shear, turn and shift every image at random (Simard et al. 2003, sec. 2); images (N, C, H, W) only.

    A point at (u, v), from -1 to 1 across, is taken from A (u, v) + b, with A = I + `amount` * noise and
    b = `SHIFT` * `amount` * noise. What is rebuilt is the image as it was, so that codes of the same shape in another
    place or at another slant move together.
    """

    amount: float

    def __post_init__(self) -> None:
        if not 0 <= self.amount < 1:
            raise ConfigError(f"Warp: amount must be >= 0 and < 1; got {self.amount!r}. It is a standard deviation.")

    def __call__(self, x: Tensor, rng: Generator) -> Tensor:
        """Return x warped, between pixels by the four around; beyond the border lies the border's colour."""
        if x.dim() != 4:
            raise ConfigError(
                f"Warp: x must be images (N, C, H, W); got shape {tuple(x.shape)}. Choose another corruption."
            )
        if self.amount == 0:
            return x
        noise = self.amount * torch.randn(len(x), 2, 3, generator=rng, device=x.device, dtype=x.dtype)
        maps = noise * noise.new_tensor([1.0, 1.0, SHIFT]) + torch.eye(2, 3, device=x.device, dtype=x.dtype)
        grid = F.affine_grid(maps, list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


SHIFT = 0.4
"""Deviation of a shift against that of a stretch; half the side of an image is 1."""


CORRUPTIONS: dict[str, Callable[[float], Corruption]] = {
    "gaussian": Gaussian,
    "dropout": Dropout,
    "masking": Masking,
    "uniform": Uniform,
    "salt_pepper": SaltPepper,
    "warp": Warp,
}


def corruption(spec: str | Corruption | None) -> Corruption | None:
    """Return the corruption that `spec` names, as in `"masking:0.25"`; objects and None pass through.

    Raises
    ------
    ConfigError
        The name is unknown, the number is missing or it is out of bounds.

    Examples
    --------
    >>> corruption("gaussian:0.2")
    Gaussian(std=0.2)
    """
    if not isinstance(spec, str):
        return spec
    name, _, amount = spec.partition(":")
    if name not in CORRUPTIONS:
        known = ", ".join(repr(f"{known}:AMOUNT") for known in CORRUPTIONS)
        raise ConfigError(f"corruption must be one of {known}; got {spec!r}.{did_you_mean(name, CORRUPTIONS)}")
    try:
        number = float(amount)
    except ValueError:
        raise ConfigError(
            f"corruption {name!r} must carry its amount; got {spec!r}. Write {name + ':0.2'!r}."
        ) from None
    return CORRUPTIONS[name](number)
