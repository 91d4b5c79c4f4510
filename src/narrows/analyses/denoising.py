"""Corrupted samples and what the model reconstructs from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject
from narrows.components import resolve
from narrows.corruptions import Corruption
from narrows.data.arrays import Array, Arrays
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import reconstruct_encoded, values
from narrows.evaluation.errors import squared_errors
from narrows.params import model as analysis
from narrows.params import param

if TYPE_CHECKING:
    from PIL import Image

DEFAULT = "gaussian:0.3"
VERSIONS = ("input", "reconstruction", "noisy", "denoised")
"""Of each sample, in the order in which they are drawn."""


@analysis
class Denoise(Analysis):
    """Corrupt samples, reconstruct them, and compare.

    The picture shows, for the first samples or those of `index`: input, its reconstruction, noisy, denoised. Numbers:
    squared errors per sample against the clean input, summed over values, means over all samples analysed.
    """

    corruption: str | None = param(
        None,
        "gaussian:STD, or dropout, masking, uniform or salt_pepper:SHARE, or warp:STD; that of training, or "
        "gaussian:0.3, if left out.",
    )
    index: tuple[int, ...] | None = param(None, "Only these samples, such as 7 or 0,3,5.", low=0)
    seed: int = param(0, "The same seed gives the same noise.", low=0)

    def run(self, subject: Subject) -> Result:
        """Run the analysis."""
        chosen = self.corruption or corruption_of(subject.model)
        corruption: Corruption = resolve("corruption", chosen, "Denoise")
        arrays = subject.arrays if self.index is None else subject.rows(self.index, "Denoise")
        result = denoised(subject.model, arrays, corruption, self.seed)
        n = min(len(arrays.x), figures.room(subject.model.sample_shape_) if self.index is None else 20)
        picture = subject.draw("denoised.png", result.drawn(n))
        samples = f"{len(arrays.x):,} {subject.shown.name} sample{'s' if len(arrays.x) > 1 else ''}"
        return Result(result.errors, (picture,), f"Squared error per sample, {samples}, {corruption}.")


def corruption_of(model: Autoencoder) -> str | Corruption:
    """Return the corruption that a model was trained with, or the default."""
    chosen = model.get_params(deep=False).get("corruption")
    return DEFAULT if chosen in (None, "auto") else chosen


class Denoised(NamedTuple):
    """Samples, corrupted and cleaned: (N, *shape) each, on the model's scale."""

    input: Array
    reconstruction: Array
    """Of the clean input."""
    noisy: Array
    denoised: Array
    """Reconstructed from the noisy one."""
    errors: dict[str, float]
    """Squared errors per sample of the last three against the clean input, summed over values; means over samples."""
    corruption: Corruption
    """What was done to the input."""

    def drawn(self, n: int) -> Image.Image:
        """Return the first n samples in the four versions under each other."""
        return figures.compare({name: getattr(self, name)[:n] for name in VERSIONS})


def denoised(model: Autoencoder, arrays: Arrays, corruption: Corruption, seed: int) -> Denoised:
    """Corrupt samples, reconstruct them, and measure the errors; the same seed gives the same noise."""
    x = values(model, arrays).astype(np.float32)
    noisy = corruption(torch.from_numpy(x), torch.Generator().manual_seed(seed)).numpy()
    parts = (x, reconstruct_encoded(model, arrays), noisy, reconstruct_encoded(model, arrays._replace(x=noisy)))
    names = VERSIONS[1:]
    errors = {
        name: float(squared_errors(x, part, arrays.mask).mean()) for name, part in zip(names, parts[1:], strict=True)
    }
    return Denoised(*parts, errors, corruption)
