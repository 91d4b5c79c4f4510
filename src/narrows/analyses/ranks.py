"""Reconstructions from more and more dimensions of an ordered code."""

from __future__ import annotations

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject
from narrows.analyses.latents import decode
from narrows.data.arrays import Array, Arrays
from narrows.data.batches import chunk_size
from narrows.errors import ConfigError
from narrows.evaluation.errors import squared_errors
from narrows.evaluation.inference import codes
from narrows.params import model, param


@model
class Ranks(Analysis):
    """Reconstruct samples from more and more dimensions of an ordered code.

    Codes are ordered for PCA, and for other models with `code="ordered"`. Numbers: squared errors, means over all
    samples analysed, summed over a sample's values; for pixels also per pixel, in steps of 1/255.
    """

    index: tuple[int, ...] = param((0,), "The samples in the picture, such as 7 or 0,3,5.", low=0)
    ranks: tuple[int, ...] | None = param(
        None, "Numbers of dimensions; 1, 2, 4, 8, 64, 256 and all of them, up to latent_dim, if left out.", low=1
    )

    def run(self, subject: Subject) -> Result:
        """Run the analysis."""
        subject.check_images("Ranks")
        estimator, arrays = subject.model, subject.arrays
        size = estimator.latent_dim_
        if not estimator.code_.ordered:
            name = type(estimator).__name__
            raise ConfigError(f"Ranks: codes must be ordered; got those of {name}. Train with --code ordered.")
        ranks = self.ranks or tuple(k for k in (1, 2, 4, 8, 64, 256) if k < size) + (() if size > 256 else (size,))
        if max(ranks) > size:
            raise ConfigError(f"Ranks: ranks must be at most latent_dim = {size}; got {max(ranks)}.")
        chosen, pixels = subject.rows(self.index, "Ranks"), estimator.schema_.pixels
        images = [subject.values(chosen), *_reconstructions(subject, chosen, ranks)]
        names = [f"sample {i}" for i in self.index]
        heads = ["original", *(f"{k:,}" for k in ranks)]
        picture = figures.rows(np.stack(images, 1), names, heads, limits=(0.0, 1.0) if pixels else None)
        total, step = np.zeros(len(ranks)), chunk_size(estimator.sample_shape_)
        for start in range(0, len(arrays.x), step):
            part = arrays.rows(slice(start, start + step))
            x = subject.values(part)
            total += [squared_errors(x, x_hat, part.mask).sum() for x_hat in _reconstructions(subject, part, ranks)]
        errors = dict(zip(ranks, (total / len(arrays.x)).tolist(), strict=True))
        numbers = {f"squared error from {k}": error for k, error in errors.items()}
        if pixels:
            scale = 255**2 / estimator.n_features_in_
            numbers |= {f"squared error from {k}, per pixel of 0 to 255": error * scale for k, error in errors.items()}
        note = f"Means over {len(arrays.x):,} {subject.shown.name} samples."
        return Result(numbers, (subject.draw("ranks.png", picture),), note)


def _reconstructions(subject: Subject, arrays: Arrays, ranks: tuple[int, ...]) -> list[Array]:
    """Return reconstructions from the first k dimensions of the code, for each k: (N, *shape) each."""
    Z = codes(subject.model, arrays)
    return [decode(subject.model, np.where(np.arange(Z.shape[1]) < k, Z, 0)) for k in ranks]
