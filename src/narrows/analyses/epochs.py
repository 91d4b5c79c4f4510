"""Reconstructions of the same samples during training."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject
from narrows.data.arrays import Array
from narrows.errors import ConfigError
from narrows.params import model, param


@model
class Epochs(Analysis):
    """Draw how the same samples were reconstructed during training.

    From the frames of the run, and the loss of those epochs, on validation data if any.
    """

    number: int = param(12, "Epochs at most, evenly spaced.", low=1, high=60)

    def run(self, subject: Subject) -> Result:
        """Run the analysis."""
        run = subject.run
        every = run.frames.epochs
        if not every:
            raise ConfigError(f"Epochs: the run must have frames of its epochs; {run.name} has none. Train it again.")
        chosen = [every[round(i)] for i in np.linspace(0, len(every) - 1, min(self.number, len(every)))]
        original, shown = run.frames.originals["x"], {epoch: run.frames.read(epoch) for epoch in chosen}
        if figures.is_image(subject.model.sample_shape_):
            page = figures.compare({"original": _image(original), **_rows(shown)})
        else:
            page = figures.sheet({
                f"epoch {epoch:,}": figures.compare(
                    {"original": original, "reconstruction": frame["reconstruction"]}, frame.get("samples")
                )
                for epoch, frame in shown.items()
            })  # fmt: skip
        split = "validation" if any(record.get("validation") for record in run.history) else "train"
        numbers = {f"loss, epoch {r['epoch']}": _loss(r, split) for r in run.history if r["epoch"] in shown}
        note = f"Loss on {'training' if split == 'train' else split} samples, per sample."
        return Result(numbers, (subject.draw("epochs.png", page),), note)


def _rows(shown: Mapping[int, Mapping[str, Array]]) -> dict[str, Array]:
    """Return the images of frames, a row for each epoch: reconstructions, and below all of them new samples."""
    names = {"reconstruction": "epoch {:,}", "samples": "samples, epoch {:,}"}
    return {
        name.format(epoch): _image(frame[key]) for key, name in names.items() for epoch, frame in shown.items()
        if key in frame
    }  # fmt: skip


def _image(X: Array) -> Array:
    """Return images of a frame with an axis of channels."""
    return X[:, None] if X.ndim == 3 else X


def _loss(record: Mapping[str, Mapping[str, float | None] | None], split: str) -> float:
    loss = (record[split] or {}).get("loss")
    return math.nan if loss is None else loss
