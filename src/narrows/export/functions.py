"""What an exported model computes: encoder, decoder, reconstruct and score, from the data's units and back to them.

Each is a torch module from named tensors to named tensors, whatever file it is then written to. Scaling, the conversion
of pixels and the mask of missing values are parts of it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from narrows.data.schema import Schema
from narrows.export.columns import AGAIN
from narrows.export.filling import filling_by_row, fills_soundly
from narrows.export.typed import TypedScale
from narrows.module import Batch, LatentVariableModule, Module

if TYPE_CHECKING:
    from narrows.estimators.base import Autoencoder

Tensors = Mapping[str, Tensor]
FAR = 30
"""Deviations from 0 of the mean of a feature, from which on float32 resolves it to worse than 1e-6 of a deviation."""


def input_type(schema: Schema) -> torch.dtype:
    """Return the type in which samples enter: uint8 for pixels; numbers that float32 may not hold are float64."""
    if schema.pixels:
        return torch.uint8
    return torch.float32 if schema.dtype in ("float16", "float32") else torch.float64


def output_type(schema: Schema) -> torch.dtype:
    """Return the type in which samples leave, not rounded to that of X: float32 for pixels, from 0 to 255.

    Values far from 0 beside their spread are float64, of which float32 would lose digits.
    """
    if schema.offset is not None and schema.factor is not None and (abs(schema.offset) > FAR * schema.factor).any():
        return torch.float64
    return torch.float32 if schema.pixels else input_type(schema)


def takes_missing(model: Autoencoder) -> bool:
    """Return whether NaN counts as a missing value in what is exported.

    A density of hardly any noise solves a system that no graph solves to the same digits: see `filling`.
    """
    return model.takes_missing and not model.schema_.pixels and fills_soundly(model.module_)


def steps_of(x: Tensor, steps: int) -> Tensor:
    """Return so many steps of sequences (B, T, D); beyond T the last one again, which the lengths leave out."""
    return x.index_select(1, torch.arange(steps, device=x.device).clamp(max=x.shape[1] - 1))


class Scale(nn.Module):
    """The schema's scale, applied in double precision as `Schema.encode` does, and its inverse."""

    offset: Tensor | None
    factor: Tensor | None

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        wide = (-1, 1, 1) if schema.kind == "images" else (-1,)
        self.pixels = schema.pixels
        for name, values in (("offset", schema.offset), ("factor", schema.factor)):
            self.register_buffer(name, None if values is None else torch.from_numpy(values.copy()).reshape(wide))

    def forward(self, X: Tensor) -> Tensor:
        """Return x = (X - offset) / factor, or grey levels / 255."""
        if self.offset is None or self.factor is None:
            return X
        return (X.double() - self.offset) / self.factor

    def inverse(self, x: Tensor) -> Tensor:
        """Return X, not rounded to its type."""
        if self.pixels:
            return x * 255
        if self.offset is None or self.factor is None:
            return x
        return x.double() * self.factor + self.offset


class Function(nn.Module):
    """One of the functions of a model, from tensors by name to tensors by name."""

    takes_codes = False

    def __init__(self, model: Autoencoder) -> None:
        super().__init__()
        module = copy.deepcopy(model.module_).cpu().eval().requires_grad_(False)
        self.schema, self.scale = model.schema_, Scale(model.schema_)
        self.module: Module = filling_by_row(module).eval()
        self.typed = None if self.schema.types is None else TypedScale(self.schema.types)
        self.takes_missing = takes_missing(model)

    def batch(self, tensors: Tensors, *, padded: bool = False) -> Batch:
        """Return samples as a batch on the model's scale.

        `padded` says that sequences need as many steps as the decoder returns; the encoder reads those that are given.
        """
        if self.typed is not None:
            x, mask = self.typed(tensors)
            return self._on_scale(x, mask, tensors.get("y"))
        raw, lengths, y = tensors["x"], tensors.get("lengths"), tensors.get("y")
        if raw.dtype == torch.uint8:
            return Batch(raw.to(self.module.dtype) / 255, y=y)
        if padded and lengths is not None:
            raw = steps_of(raw, self.schema.sample_shape[0])
        seen = ~torch.isnan(raw) if self.takes_missing else None
        if lengths is not None and seen is not None:
            seen = seen & (torch.arange(raw.shape[1], device=raw.device) < lengths[:, None])[:, :, None]
        return self._on_scale(self.scale(raw), seen, y, lengths)

    def _on_scale(self, x: Tensor, mask: Tensor | None, y: Tensor | None, lengths: Tensor | None = None) -> Batch:
        x = x.to(self.module.dtype)
        jacobian = self.schema.log_jacobian_of(x, mask) if self.module.density else 0.0
        return Batch(x, mask, lengths, y, log_jacobian=jacobian)

    def units(self, x: Tensor, name: str) -> dict[str, Tensor]:
        """Return samples in the data's units by name; of typed columns numbers and levels."""
        if self.typed is None:
            return {name: self.scale.inverse(x).to(output_type(self.schema))}
        parts = self.typed.inverse(x)
        return parts if self.takes_codes else {AGAIN[part]: tensor for part, tensor in parts.items()}


class Encoder(Function):
    """x -> z, without noise, and in variational models the logarithm of the posterior's variance."""

    def forward(self, tensors: Tensors) -> dict[str, Tensor]:
        """Return z (B, *code shape), and log_variance (B, latent_dim) where there is one."""
        batch = self.batch(tensors)
        z = {"z": self.module.encode(batch)}
        if not self.module.probabilistic:
            return z
        posterior = cast(LatentVariableModule, self.module).posterior(batch)
        return {**z, "log_variance": 2 * posterior.stddev.log()}


class Decoder(Function):
    """z -> x, the mean over x."""

    takes_codes = True

    def forward(self, tensors: Tensors) -> dict[str, Tensor]:
        """Return x (B, *shape)."""
        z = tensors["z"]
        return self.units(self.module.decode(z, Batch(z, y=tensors.get("y"))), "x")


class Reconstruct(Function):
    """x -> x, by way of the code."""

    def forward(self, tensors: Tensors) -> dict[str, Tensor]:
        """Return reconstruction, of the shape of x."""
        batch = self.batch(tensors)
        x = self.module.decode(self.module.encode(batch), batch)
        steps = batch.x.shape[1]
        return self.units(x if batch.lengths is None else steps_of(x, steps), "reconstruction")


class Score(Function):
    """x -> how normal it is, in nats of the data as given; higher is more normal."""

    def forward(self, tensors: Tensors) -> dict[str, Tensor]:
        """Return score (B,)."""
        return {"score": self.module.score(self.batch(tensors, padded=True))}


FUNCTIONS: dict[str, type[Function]] = {
    "encoder": Encoder, "decoder": Decoder, "reconstruct": Reconstruct, "score": Score,
}  # fmt: skip
"""By the names of their files."""
