"""Corrupted samples and what the model reconstructs from them."""

from __future__ import annotations

import numpy as np
import torch

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject, mean_error
from narrows.components import resolve
from narrows.corruptions import Corruption
from narrows.estimators.inference import reconstruct_encoded
from narrows.evaluation.errors import squared_errors
from narrows.params import model, param

DEFAULT = "gaussian:0.3"


@model
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
        trained = subject.model.get_params(deep=False).get("corruption")
        corruption: Corruption = resolve("corruption", self.corruption or trained or DEFAULT, "Denoise")
        arrays = subject.arrays if self.index is None else subject.rows(self.index, "Denoise")
        x = subject.values(arrays).astype(np.float32)
        noisy = corruption(torch.from_numpy(x), torch.Generator().manual_seed(self.seed)).numpy()
        denoised = reconstruct_encoded(subject.model, arrays._replace(x=noisy))
        reconstruction = reconstruct_encoded(subject.model, arrays)
        n = min(len(x), figures.room(x.shape[1:]) if self.index is None else 20)
        rows = {"input": x, "reconstruction": reconstruction, "noisy": noisy, "denoised": denoised}
        picture = subject.draw("denoised.png", figures.compare({name: row[:n] for name, row in rows.items()}))
        numbers = {
            name: mean_error(squared_errors(x, row, arrays.mask)) for name, row in rows.items() if name != "input"
        }
        samples = f"{len(x):,} {subject.shown.name} sample{'s' if len(x) > 1 else ''}"
        return Result(numbers, (picture,), f"Squared error per sample, {samples}, {corruption}.")
