"""What an analysis works on and what it returns: a run with its model and data; values and pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from narrows import figures
from narrows.data import Dataset, Split
from narrows.data.arrays import Array, Arrays
from narrows.errors import ConfigError
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import codes, encoded, values
from narrows.evaluation.errors import Baseline, pca_baseline
from narrows.params import fields, validate
from narrows.runs import Run

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Result:
    """What an analysis returns."""

    numbers: Mapping[str, float] = field(default_factory=dict)
    """Measures by name, each with its unit where it has one; the goals of a recipe may name them."""
    pictures: tuple[Path, ...] = ()
    """The files that were written."""
    note: str = ""
    """One sentence on what the numbers are of."""


class ModelOnData(ABC):
    """A fitted model, and the samples of a split that it is applied to."""

    dataset: Dataset
    """The data of the model, or others of the same shape."""
    split: str | None
    """The name of the split, such as "test"; None for the one that models are evaluated on."""

    @property
    @abstractmethod
    def model(self) -> Autoencoder:
        """The fitted estimator."""

    @property
    def shown(self) -> Split:
        """The split's name in words, its samples (N, *shape), and their labels (N,) or None.

        Raises: ConfigError where the data have no such split.
        """
        return self.dataset.evaluation_split if self.split is None else self.dataset.split(self.split)

    @cached_property
    def arrays(self) -> Arrays:
        """The samples to analyse, as the model takes them."""
        return encoded(self.model, self.shown.X, self.shown.y)

    @cached_property
    def train(self) -> Arrays:
        """The training samples, as the model takes them."""
        return encoded(self.model, self.dataset.train, self.dataset.train_labels)

    @cached_property
    def codes(self) -> Array:
        """The codes of the samples to analyse: (N, latent_dim), double precision."""
        return codes(self.model, self.arrays)

    @property
    def baseline(self) -> Baseline:
        """PCA of the same rank."""
        return pca_baseline(self.model, self.train)

    def values(self, arrays: Arrays) -> Array:
        """Return samples on the model's scale, pixels in [0, 1]: (N, *shape), double precision."""
        return values(self.model, arrays)

    def check_rows(self, index: Iterable[int], analysis: str, name: str = "index") -> list[int]:
        """Return positions of the split. Raises: ConfigError where the split has fewer samples."""
        positions, n = list(index), len(self.arrays.x)
        if not positions or max(positions) >= n or min(positions) < 0:
            got = max(positions, key=lambda row: (row >= n, -row)) if positions else "none"
            raise ConfigError(
                f"{analysis}: {name} must be below {n}, the number of {self.shown.name} samples; got {got}."
            )
        return positions

    def rows(self, index: Iterable[int], analysis: str, name: str = "index") -> Arrays:
        """Return the samples at positions of the split. Raises: ConfigError where the split has fewer samples."""
        return self.arrays.rows(self.check_rows(index, analysis, name))

    def check_continuous(self, analysis: str) -> None:
        """Raise ConfigError where codes are indices, not vectors of real numbers."""
        if not self.model.code_.continuous:
            raise ConfigError(
                f"{analysis}: codes must be vectors of real numbers; got those of code={str(self.model.code)!r}, which "
                "are indices. Train with code='continuous'."
            )


@dataclass(frozen=True)
class Subject(ModelOnData):
    """A run, its model, and the samples to analyse.

    Parameters
    ----------
    run
        Pictures are written into its folder.
    dataset
        The data of the run, or others of the same shape.
    split
        "train", "validation" or "test": the split to analyse; None for the one that the run is evaluated on.
    out
        Where to write the picture; None for the run's folder.
    """

    run: Run
    dataset: Dataset
    split: str | None = None
    out: Path | None = None

    @cached_property
    def model(self) -> Autoencoder:
        """The fitted estimator."""
        return self.run.load()

    def check_images(self, analysis: str) -> None:
        """Raise ConfigError where samples are not drawn as pixels: tables, and sequences of few channels."""
        shape = self.model.sample_shape_
        if not figures.is_image(shape):
            kind = "a table" if len(shape) == 1 else "sequences"
            raise ConfigError(
                f"{analysis}: data must be images, or sequences of more than 6 channels; got {kind} of shape {shape}. "
                "`narrows reconstruct` and `narrows sample` draw those."
            )

    def draw(self, name: str, picture: Image.Image) -> Path:
        """Write a picture into the run's folder, or where the user asked for it."""
        return self.run.draw(name, picture, self.out)


class Analysis(ABC):
    """An analysis of a run; its fields, made by `param`, are the flags of its command and its keys in a recipe.

    An analysis that draws random numbers has a field `seed`.
    """

    positional: ClassVar[tuple[str, ...]] = ()
    """Fields that the command line takes without a flag, after the run."""
    takes_types: ClassVar[bool] = False
    """Whether it is one of codes alone, so that samples may be rows of text, times and other columns."""

    def __call__(self, subject: Subject) -> Result:
        """Run the analysis. Raises: ConfigError where a field is out of bounds, or does not fit the run."""
        validate(self)
        if subject.model.schema_.types is not None and not self.takes_types:
            raise ConfigError(
                f"{type(self).__name__}: data must be numbers or images; got a table of typed columns. Use `narrows "
                "encode`, `score`, `reconstruct` and `sample` with it."
            )
        return self.run(subject)

    @abstractmethod
    def run(self, subject: Subject) -> Result:
        """Run the analysis; the fields have been checked."""

    def __repr__(self) -> str:
        given: list[Any] = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self)]
        return f"{type(self).__name__}({', '.join(given)})"
