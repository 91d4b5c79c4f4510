"""Missing values filled in row by row, which is a fixed graph, where the models themselves go by patterns of rows.

Of a Gaussian N(mean, W W^T + noise I) and a row with observed values o, M_o = W_o^T W_o + noise I is factored for every
row; see `narrows.ppca`. Where no value of a batch is missing, the graph leaves all of that out.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from narrows.estimators.pca import PCAModule
from narrows.module import Batch, Module
from narrows.nn.masked import MaskedInput

SOUND = 1e-8
"""The least noise of a Gaussian, relative to its largest variance, by which a row is filled in to 1e-6."""


def fills_soundly(module: Module) -> bool:
    """Return whether missing values that a module fills in by its own density come out of a graph as they should."""
    if not isinstance(module, PCAModule):
        return not module.exact_score
    gaussian = module.gaussian
    return bool(gaussian.noise > SOUND * module.variance.max())


def filling_by_row(module: Module) -> Module:
    """Return a module whose parts that fill in missing values do so row by row; it may be changed."""
    if isinstance(module, PCAModule):
        return CompletingPCA(module)
    for name, part in list(module.named_modules()):
        if isinstance(part, MaskedInput):
            module.set_submodule(name, CompletingInput(part))
    return module


class CompletingInput(nn.Module):
    """`MaskedInput`, row by row."""

    def __init__(self, of: MaskedInput) -> None:
        super().__init__()
        self.linear, self.size = of.linear, of.size
        for name in ("mean", "loadings", "noise"):
            self.register_buffer(name, of.get_buffer(name))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return the features (B, 2 D)."""
        if mask is None:
            return torch.cat([x, torch.zeros_like(x)], 1)
        parts = map(self.get_buffer, ("mean", "loadings", "noise"))
        whole = where_missing(_filled, _as_given, x, mask, *parts)
        return torch.cat([whole, (~mask).to(x.dtype)], 1)


class CompletingPCA(PCAModule):
    """`PCAModule`, row by row."""

    def __init__(self, of: PCAModule) -> None:
        super().__init__(of.shape, len(of.components), of.whiten)
        self.load_state_dict(of.state_dict())
        gaussian = of.gaussian
        for name in ("mean", "loadings", "noise"):
            self.register_buffer(f"density_{name}", getattr(gaussian, name).detach().clone())

    def _parts(self, batch: Batch) -> tuple[Tensor, ...]:
        mask = cast(Tensor, batch.mask).flatten(1)
        parts = ("density_mean", "density_loadings", "density_noise")
        return (batch.x.flatten(1), mask, *map(self.get_buffer, parts))

    def complete(self, batch: Batch, noise: Tensor | None = None) -> Tensor:
        """Return x with the conditional mean of what is missing."""
        if batch.mask is None or noise is not None:
            return super().complete(batch, noise)
        return where_missing(_filled, _as_given, *self._parts(batch)).reshape(batch.x.shape)

    def score(self, batch: Batch) -> Tensor:
        """Return the log density of what is observed."""
        if batch.mask is None:
            return super().score(batch)
        whole = super().score(replace(batch, mask=None))
        some = where_missing(_log_prob, _nothing, *self._parts(batch)) + batch.log_jacobian
        return torch.where(batch.mask.flatten(1).all(1), whole, some)


def where_missing(filled, whole, x: Tensor, mask: Tensor, *parts: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
    """Return `filled` of the parts where a value of the batch is missing, and `whole` where none is."""
    if torch.compiler.is_exporting():
        result: Tensor = torch.cond(mask.all(), whole, filled, (x, mask, *parts))
        return result
    return cast(Tensor, filled(x, mask, *parts))


def _given(
    x: Tensor, mask: Tensor, mean: Tensor, loadings: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what is observed less the mean, the latents' mean times the loadings, the latents and the factors."""
    d, k = loadings.shape
    products = (loadings.reshape(d, k, 1) * loadings.reshape(d, 1, k)).reshape(d, k * k)
    square = (mask.to(x.dtype) @ products).reshape(-1, k, k) + noise * torch.eye(k, dtype=x.dtype)
    factors = torch.linalg.cholesky_ex(square)[0]
    left = torch.where(mask, x - mean, 0.0)
    latents = torch.cholesky_solve((left @ loadings)[:, :, None], factors)[:, :, 0]
    return left, nn.functional.linear(latents, loadings), latents, factors


def _filled(x: Tensor, mask: Tensor, mean: Tensor, loadings: Tensor, noise: Tensor) -> Tensor:
    _, along, _, _ = _given(x, mask, mean, loadings, noise)
    return torch.where(mask, x, mean + along)


def _as_given(x: Tensor, mask: Tensor, mean: Tensor, loadings: Tensor, noise: Tensor) -> Tensor:
    return x.clone()


def _log_prob(x: Tensor, mask: Tensor, mean: Tensor, loadings: Tensor, noise: Tensor) -> Tensor:
    left, along, latents, factors = _given(x, mask, mean, loadings, noise)
    distance = torch.where(mask, left - along, 0.0).square().sum(1) / noise + latents.square().sum(1)
    n, k = mask.to(x.dtype).sum(1), loadings.shape[1]
    diagonal = torch.diagonal(factors, dim1=1, dim2=2)
    determinant = 2 * diagonal.log().sum(1) + (n - k) * noise.log()
    return -(n * math.log(2 * math.pi) + determinant + distance) / 2


def _nothing(x: Tensor, mask: Tensor, mean: Tensor, loadings: Tensor, noise: Tensor) -> Tensor:
    return x.sum(1) * 0.0
