"""Reconstructions of the same samples during training."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject
from narrows.errors import ConfigError
from narrows.params import model, param


@model
class Epochs(Analysis):
    """Draw how the same samples were reconstructed during training.

    From the pictures that training wrote to samples/, and the loss of those epochs, on validation data if any.
    """

    number: int = param(12, "Epochs at most, evenly spaced.", low=1, high=60)

    def run(self, subject: Subject) -> Result:
        """Run the analysis."""
        from PIL import Image

        run = subject.run
        paths = {int(path.stem.removeprefix("epoch_")): path for path in run.samples}
        if not paths:
            raise ConfigError(f"Epochs: the run must have pictures in samples/; {run.name} has none. Train it again.")
        every = list(paths)
        chosen = [every[round(i)] for i in np.linspace(0, len(every) - 1, min(self.number, len(every)))]
        pictures = {}
        for epoch in chosen:
            with Image.open(paths[epoch]) as picture:
                pictures[epoch] = picture.convert("RGB")
        if figures.is_image(subject.model.sample_shape_):
            page = figures.by_epoch(pictures, subject.model.sample_shape_)
        else:
            page = figures.sheet({f"epoch {epoch:,}": picture for epoch, picture in pictures.items()})
        split = "validation" if any(record.get("validation") for record in run.history) else "train"
        numbers = {f"loss, epoch {r['epoch']}": _loss(r, split) for r in run.history if r["epoch"] in pictures}
        note = f"Loss on {'training' if split == 'train' else split} samples, per sample."
        return Result(numbers, (subject.draw("epochs.png", page),), note)


def _loss(record: Mapping[str, Mapping[str, float | None] | None], split: str) -> float:
    loss = (record[split] or {}).get("loss")
    return math.nan if loss is None else loss
