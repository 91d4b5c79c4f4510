"""Corrupt samples, clean them, and compare."""

from __future__ import annotations

import torch

from narrows import figures
from narrows.analyses.analysis import Outcome, Step, Subject
from narrows.corruptions import corruption as corruption_of
from narrows.errors import ConfigError
from narrows.params import model, param

__all__ = ["Denoise"]


@model
class Denoise(Step):
    """Corrupt samples, clean them, and compare.

    The picture shows, for the first samples or those of `index`: input, its reconstruction, noisy, cleaned. Numbers:
    squared errors per sample against the clean input, summed over values, means over all samples looked at.
    """

    corruption: str | None = param(
        None,
        "gaussian:STD, or dropout, masking, uniform or salt_pepper:SHARE, or warp:STD; of the run's training, or "
        "gaussian:0.3.",
    )
    index: tuple[int, ...] | None = param(None, "Only these samples, such as 7 or 0,3,5.", low=0)
    seed: int = param(0, "The same seed gives the same noise.", low=0)

    def run(self, subject: Subject) -> Outcome:
        """Do it."""
        trained = subject.run.record["fields"].get("corruption")
        spec = self.corruption or (trained if isinstance(trained, str) else None) or "gaussian:0.3"
        corrupt = corruption_of(spec)
        assert corrupt is not None  # a name was given
        part, chosen, _ = subject.shown
        if self.index is not None:
            if max(self.index) >= len(chosen):
                raise ConfigError(
                    f"Denoise: index must be below {len(chosen)}, the number of {part} samples; got {max(self.index)}."
                )
            chosen = chosen[list(self.index)]
        X = subject.scaled(chosen)
        noisy = corrupt(torch.from_numpy(X), torch.Generator().manual_seed(self.seed)).numpy()
        cleaned, rebuilt = subject.model.reconstruct(noisy), subject.model.reconstruct(X)
        n = min(len(X), figures.room(X.shape[1:]) if self.index is None else 20)
        rows = {"input": X[:n], "reconstruction": rebuilt[:n], "noisy": noisy[:n], "cleaned": cleaned[:n]}
        picture = subject.draw("denoised.png", figures.compare(rows))
        numbers = {
            "noisy": subject.error(X, noisy),
            "cleaned": subject.error(X, cleaned),
            "reconstruction of the clean": subject.error(X, rebuilt),
        }
        many = f"{len(X):,} {part} sample{'s' if len(X) > 1 else ''}"
        return Outcome(numbers, (picture,), f"Squared error per sample, {many}, {spec}.")
