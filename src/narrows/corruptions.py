"""What a denoising autoencoder removes: noise on the input, in training only; the loss is against the clean input.

A corruption is a component: a short string, `"gaussian:0.2"`, or an object, `Gaussian(std=0.2)`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from narrows.components import Axis, Component, component
from narrows.errors import ConfigError
from narrows.params import param

SHIFT = 0.4
"""Deviation of a shift relative to that of a stretch; half the side of an image is 1."""


class Corruption(Component):
    """A random change of the input in training."""

    axis: ClassVar[str] = "corruption"
    takes_types: ClassVar[bool] = False
    """Whether it hides values rather than change them, so that columns may be categories, dates and the like."""

    @abstractmethod
    def __call__(self, x: Tensor, rng: Generator) -> Tensor:
        """Return samples (B, *shape) corrupted, with noise from `rng` alone; x itself stays as it is."""

    def corrupted(self, x: Tensor, mask: Tensor | None, rng: Generator) -> tuple[Tensor, Tensor | None]:
        """Return samples corrupted, and which of their values the encoder sees."""
        return self(x, rng), mask


def _chosen(x: Tensor, share: float, rng: Generator) -> Tensor:
    return torch.rand(x.shape, generator=rng, device=x.device, dtype=x.dtype) < share


@component
class Gaussian(Corruption):
    """Add normal noise of deviation `std` (Vincent et al. 2010, sec. 3.3)."""

    std: float = param(0.2, "Standard deviation of the noise.", low=0)

    def __call__(self, x: Tensor, rng: Generator) -> Tensor:
        """Return x + std * noise."""
        return x + self.std * torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)


@component
class Dropout(Corruption):
    """Set a share `p` of the values to zero and scale the others by 1 / (1 - p), which keeps the mean."""

    p: float = param(0.25, "Share of the values that are hit.", low=0, high=1, high_open=True)

    def __call__(self, x: Tensor, rng: Generator) -> Tensor:
        """Return x with dropout."""
        return x.masked_fill(_chosen(x, self.p, rng), 0.0) / (1 - self.p)


@component
class Masking(Corruption):
    """Set a share `p` of the values to zero (Vincent et al. 2010, sec. 3.3)."""

    p: float = param(0.25, "Share of the values that are hit.", low=0, high=1, high_open=True)

    def __call__(self, x: Tensor, rng: Generator) -> Tensor:
        """Return x with values blanked."""
        return x.masked_fill(_chosen(x, self.p, rng), 0.0)


@component
class Uniform(Corruption):
    """Add U(0, 1) to a share `p` of the values and cut at 1."""

    p: float = param(0.25, "Share of the values that are hit.", low=0, high=1, high_open=True)

    def __call__(self, x: Tensor, rng: Generator) -> Tensor:
        """Return x with uniform noise on some values."""
        noise = torch.rand(x.shape, generator=rng, device=x.device, dtype=x.dtype)
        return torch.where(_chosen(x, self.p, rng), (x + noise).clamp(max=1.0), x)


@component
class SaltPepper(Corruption):
    """Set a share `p` of the values to 0 or 1, each half of the time (Vincent et al. 2010, sec. 3.3)."""

    p: float = param(0.25, "Share of the values that are hit.", low=0, high=1, high_open=True)

    def __call__(self, x: Tensor, rng: Generator) -> Tensor:
        """Return x with values forced to black or white."""
        u = torch.rand(x.shape, generator=rng, device=x.device, dtype=x.dtype)
        return x.masked_fill(u < self.p / 2, 0.0).masked_fill((u >= self.p / 2) & (u < self.p), 1.0)


@component
class Warp(Corruption):
    """Stretch, shear, turn and shift every image at random (Simard et al. 2003, sec. 2); images (N, C, H, W) only.

    A point at (u, v), from -1 to 1 across, is taken from A (u, v) + b, with A = I + `amount` * noise and
    b = `SHIFT` * `amount` * noise. The target is the image as it was, so that the codes of the same shape in another
    place or at another slant move together.
    """

    amount: float = param(0.1, "Standard deviation of the map's entries.", low=0, high=1, high_open=True)

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


@component
class CopyMask(Corruption):
    """Hide from a share `p` of the rows what another row lacks, so that holes come as they do in the data.

    The loss asks for what was hidden: the model learns to fill such holes. Without missing values it does nothing.
    """

    takes_types: ClassVar[bool] = True

    p: float = param(0.5, "Share of the rows that are hit.", low=0, high=1)

    def __call__(self, x: Tensor, rng: Generator) -> Tensor:
        """Return x itself: what is hidden depends on the mask, see `corrupted`."""
        return x

    def corrupted(self, x: Tensor, mask: Tensor | None, rng: Generator) -> tuple[Tensor, Tensor | None]:
        """Return samples, and the mask less what another row of the batch lacks; a row's last value stays."""
        if mask is None:
            return x, None
        other = mask[torch.randint(len(mask), (len(mask),), generator=rng, device=mask.device)]
        hit = torch.rand(len(mask), generator=rng, device=mask.device) < self.p
        rows = (-1, *[1] * (mask.dim() - 1))
        left = mask & (other | ~hit.reshape(rows))
        return x, torch.where(left.flatten(1).any(1).reshape(rows), left, mask)


@component
class Own(Corruption):
    """A user's function of x and a generator."""

    function: Any = None

    def __call__(self, x: Tensor, rng: Generator) -> Tensor:
        """Return what the function does."""
        corrupted: Tensor = self.function(x, rng)
        return corrupted


CORRUPTIONS = Axis(
    "corruption",
    {
        "gaussian": Gaussian,
        "dropout": Dropout,
        "masking": Masking,
        "uniform": Uniform,
        "salt_pepper": SaltPepper,
        "warp": Warp,
        "copy_mask": CopyMask,
    },
)
