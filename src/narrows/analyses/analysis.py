"""What a step works on and what it finds: a run with its model and data, and numbers and pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from narrows.data import Dataset, Split
from narrows.estimators.base import Array, Autoencoder
from narrows.params import validate
from narrows.runs.folder import Run

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Outcome", "Step", "Subject"]


@dataclass(frozen=True)
class Outcome:
    """What a step found."""

    numbers: Mapping[str, float] = field(default_factory=dict)
    """By name, each with its unit where it has one; a recipe's goals may ask for them."""
    pictures: tuple[Path, ...] = ()
    """Where they were written."""
    said: str = ""
    """One sentence, where the numbers need one."""


@dataclass(frozen=True)
class Subject:
    """A run, its model, and the samples to show.

    Parameters
    ----------
    run
        Pictures go into its folder.
    dataset
        The run's own data, or others of the same shape.
    part
        "train", "validation" or "test": the part to show; None: the one that the run was judged by.
    out
        Where to write the step's first picture; None: in the run's folder.
    """

    run: Run
    dataset: Dataset
    part: str | None = None
    out: Path | None = None

    @cached_property
    def model(self) -> Autoencoder:
        """The fitted estimator."""
        return self.run.load()

    @property
    def shown(self) -> Split:
        """The split's name in words, its samples (N, *shape), and their labels (N,) or None.

        Raises
        ------
        ConfigError
            The data have no such split.
        """
        return self.dataset.evaluation_split if self.part is None else self.dataset.split(self.part)

    @property
    def samples(self) -> Array:
        """The samples to show, (N, *shape), as they are stored."""
        return self.shown[1]

    @property
    def labels(self) -> Array | None:
        """Their labels, (N,), or None."""
        return self.shown[2]

    def scaled(self, X: Array) -> Array:
        """Return samples on the model's scale: pixels in [0, 1]."""
        return X / np.float32(255) if X.dtype == np.uint8 else np.asarray(X, np.float32)

    def error(self, X: Array, X_hat: Array) -> float:
        """Return the mean squared error per sample, summed over its values."""
        return float(np.square(self.scaled(X) - X_hat, dtype=np.float64).sum() / len(X))

    def draw(self, name: str, picture: Image.Image) -> Path:
        """Write a picture into the run's folder, or where the user asked for it."""
        return self.run.draw(name, picture, self.out)


class Step(ABC):
    """Something to do with a run; its fields, made by `param`, are the flags of its command and its keys in a recipe.

    A step that draws at random has a field `seed`.
    """

    positional: ClassVar[tuple[str, ...]] = ()
    """Fields that the command line takes without a flag, after the run."""

    def __call__(self, subject: Subject) -> Outcome:
        """Check the fields, and do it.

        Raises
        ------
        ConfigError
            A field is out of bounds, or does not fit the run.
        """
        validate(self)
        return self.run(subject)

    @abstractmethod
    def run(self, subject: Subject) -> Outcome:
        """Do it; the fields have been checked."""

    def __repr__(self) -> str:
        from narrows.params import fields

        given: list[Any] = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self)]
        return f"{type(self).__name__}({', '.join(given)})"
