"""Pictures of a run that need no code: samples of one class, and training as it went."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Outcome, Step, Subject
from narrows.data import Dataset
from narrows.errors import ConfigError, did_you_mean
from narrows.estimators.base import Array
from narrows.params import model, param

__all__ = ["Epochs", "Gallery", "class_of"]

MOST_FREQUENT = "most frequent"
"""The class with the most samples, by any name."""


@model
class Gallery(Step):
    """Draw samples as they are, of one class or all.

    Faces of one person, for example: --label "George W Bush".
    """

    label: str | None = param(None, "Name or number of a class, or 'most frequent'; all if left out.")
    number: int = param(40, "At most so many.", low=1, high=1000)
    columns: int | None = param(None, "How many side by side; about a square if left out.", low=1)

    def run(self, subject: Subject) -> Outcome:
        """Do it."""
        part, X, labels = subject.shown
        what = f"{part} samples"
        if self.label is not None:
            code, name = class_of(subject.dataset, labels, self.label, "Gallery: label")
            assert labels is not None  # class_of has found one
            X, what = X[labels == code], f"{part} samples of {name}"
        picture = figures.gallery(X[: self.number], columns=self.columns)
        said = f"{min(len(X), self.number):,} of {len(X):,} {what}."
        return Outcome({"samples": len(X)}, (subject.draw("gallery.png", picture),), said)


def class_of(dataset: Dataset, labels: Array | None, name: str, what: str) -> tuple[int, str]:
    """Return the number of a class and its name, by either; letters may be small, and _ stands for a space.

    "most frequent" is the class of which there are most.

    Raises
    ------
    ConfigError
        There are no classes, none of that name, or no sample of it among `labels`.
    """
    if labels is None or labels.dtype.kind == "f":
        raise ConfigError(f"{what} must go with data that have classes; got {name!r} for {dataset.name!r}, without.")
    classes, counts = np.unique(labels, return_counts=True)
    there = [int(c) for c in classes]
    called = {c: str(c) if dataset.label_names is None else dataset.label_names[c] for c in there}
    ways = {str(c): c for c in there} | {_plain(text): c for c, text in called.items()}
    code = there[int(counts.argmax())] if name == MOST_FREQUENT else ways.get(_plain(name))
    if code is None:
        known = list(called.values())
        few = f"one of {', '.join(known)}" if len(there) <= 12 else f"one of {len(there):,} classes there"
        raise ConfigError(f"{what} must be {few}; got {name!r}.{did_you_mean(name, known)}")
    return code, called[code]


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


@model
class Epochs(Step):
    """Draw how the same samples were rebuilt as training went on.

    From the pictures that training left in samples/, and the loss of those epochs, on validation data where there are.
    """

    number: int = param(12, "At most so many epochs; those between are left out evenly.", low=1, high=60)

    def run(self, subject: Subject) -> Outcome:
        """Do it."""
        from PIL import Image

        run = subject.run
        paths = {int(path.stem.removeprefix("epoch_")): path for path in run.samples}
        if not paths:
            raise ConfigError(f"Epochs: the run must have pictures in samples/; {run.name} has none. Train it anew.")
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
        held = any(record.get("validation") for record in run.history)
        numbers = {
            f"loss, epoch {record['epoch']}": _loss(record, held)
            for record in run.history if record["epoch"] in pictures
        }  # fmt: skip
        said = f"Loss on {'validation' if held else 'training'} samples, per sample."
        return Outcome(numbers, (subject.draw("epochs.png", page),), said)


def _loss(record: Mapping[str, Mapping[str, float | None] | None], held: bool) -> float:
    found = (record["validation" if held else "train"] or {}).get("loss")
    return math.nan if found is None else found
