"""A fitted model with its data, and what is known of both before a view asks anything."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from narrows import figures
from narrows.analyses.expression import LARGEST
from narrows.analyses.latents import Distribution, display_limits, distribution_of
from narrows.data import Dataset
from narrows.data.arrays import Array
from narrows.errors import ConfigError, DataError
from narrows.estimators.base import Autoencoder
from narrows.page.display import Display
from narrows.page.drawing import Drawings
from narrows.page.labels import Labels
from narrows.page.neighbours import Neighbours
from narrows.page.samples import ModelOnSplit

FAR = 10
"""Deviations of the codes from their centre, beyond which codes are not decoded but cut."""
INDICES = "Its codes are indices of a codebook, between which there is nothing to decode."
"""Why some views are absent."""
TYPED = (
    "Levels of text and times cannot be added, or disturbed by noise, as numbers are. Codes and Generate show such "
    "rows; on the command line: narrows impute, reconstruct, anomalies, and evaluate --synthesis."
)
"""Likewise, of tables of typed columns."""
MOST_ROWS = 1024
"""Samples that one call shows."""


class Fitted:
    """A fitted model with its data, or without where they are gone.

    Parameters
    ----------
    model
        A fitted estimator.
    dataset
        Its data; None where there are none.
    name
        Of the run.
    gone
        Why there are no data, in a sentence.
    """

    def __init__(
        self, model: Autoencoder, dataset: Dataset | None, *, name: str = "model", gone: str = "There are no data."
    ) -> None:
        self.model, self.name = model, name
        self.gone = gone if dataset is None else ""
        empty = np.zeros((0, *model.sample_shape_), np.float32)
        self.dataset = Dataset(name, empty) if dataset is None else dataset
        self.labels = Labels(model, self.dataset)
        self._splits: dict[str, ModelOnSplit] = {}
        self._limits: dict[str, tuple[float, float]] = {}

    @property
    def split_names(self) -> tuple[str, ...]:
        """The splits that there are."""
        return () if self.gone else self.dataset.split_names

    @property
    def default_split(self) -> str:
        """The split that models are evaluated on."""
        return next((name for name in ("test", "validation") if name in self.split_names), "train")

    def on(self, split: str | None = None) -> ModelOnSplit:
        """Return the model with a split of its data. Raises: DataError where these are gone; ConfigError for others."""
        if self.gone:
            raise DataError(self.gone)
        name = self.default_split if split is None else split
        if name not in self.split_names:
            raise ConfigError(f"split must be one of {', '.join(self.split_names)}; got {str(name)[:40]!r}.")
        return self._splits.setdefault(name, ModelOnSplit(self.model, self.dataset, name))

    @property
    def without_rows(self) -> ModelOnSplit:
        """The model for what needs no samples where it kept codes of its own; with the default split if it can be."""
        return ModelOnSplit(self.model, self.dataset) if self.gone else self.on()

    def limits(self, split: str | None = None) -> tuple[float, float]:
        """Return the values of images that are shown as black and white, those of the commands for a split."""
        name = split or self.default_split
        if name not in self._limits:
            self._limits[name] = self._learned_limits() if self.gone else display_limits(self.on(name))
        return self._limits[name]

    def _learned_limits(self) -> tuple[float, float]:
        """Return the limits of images where there are none to look at: those of what the schema learned."""
        schema = self.model.schema_
        if schema.pixels or schema.limits is None:
            return 0.0, 1.0
        ends = np.array(schema.limits)
        if schema.factor is not None and schema.offset is not None:
            ends = (ends[:, None] - schema.offset) / schema.factor
        return figures.limits_of(ends)

    @cached_property
    def display(self) -> Display:
        """How samples are shown."""
        return Display(self.model, self.limits())

    @cached_property
    def distribution(self) -> Distribution:
        """Centre and spread of the codes."""
        return distribution_of(self.without_rows)

    @cached_property
    def code_limits(self) -> tuple[float, float]:
        """The least and the greatest value of a code that is decoded."""
        kept = self.model.codes_
        ends = self.distribution.centre + FAR * np.outer([-1, 1], self.distribution.deviation)
        seen = ends if kept is None or not len(kept) else np.concatenate([ends, [kept.min(0), kept.max(0)]])
        return float(seen.min()), float(seen.max())

    @cached_property
    def neighbours(self) -> Neighbours:
        """The training samples, to look for the nearest."""
        return Neighbours(self.on("train"))

    @cached_property
    def drawings(self) -> Drawings:
        """What brings drawings to the form of the data."""
        return Drawings(self.without_rows, self.limits(), self.gone)

    def check_continuous(self) -> None:
        """Raise ConfigError where codes are indices."""
        if not self.model.code_.continuous:
            raise ConfigError(f"{self.name}: codes must be vectors of real numbers. {INDICES}")

    def codes_of(self, z: Array, most: int, owner: str) -> Array:
        """Return codes (n, latent_dim), cut to `code_limits`. Raises: ConfigError where they are none, or too many."""
        size = self.model.latent_dim_
        codes = np.asarray(z, np.float64)
        codes = codes.reshape(-1, size) if codes.size and codes.size % size == 0 else np.empty(0)
        if not 1 <= len(codes) <= most or not np.isfinite(codes).all():
            raise ConfigError(f"{owner}: z must be 1 to {most} finite codes of {size} numbers; got shape {z.shape}.")
        return np.clip(codes, *self.code_limits)

    def rows_of(self, split: str | None, rows: Sequence[int], owner: str) -> tuple[ModelOnSplit, list[int]]:
        """Return a split and positions in it."""
        on = self.on(split)
        if not 1 <= len(rows) <= MOST_ROWS:
            raise ConfigError(f"{owner}: rows must be 1 to {MOST_ROWS} positions; got {len(rows)}.")
        return on, on.check_rows([int(row) for row in rows], owner, "rows")

    def weights_of(self, weights: Any, rows: Sequence[int], owner: str) -> Array:
        """Return a weight for each row. Raises: ConfigError where there are more, fewer, or too large ones."""
        each = np.asarray(weights, np.float64).reshape(-1)
        if len(each) != len(rows) or not (np.abs(each) <= LARGEST).all():  # nan is not either
            raise ConfigError(f"{owner}: weights must be {len(rows)} numbers of at most {LARGEST:g}; got {len(each)}.")
        return each

    def label_of(self, on: ModelOnSplit, rows: Sequence[int], y: Any, n: int = 1) -> Any:
        """Return the labels to decode n codes with: y, or those of the sample that they come from."""
        if y is not None or not len(rows):
            return self.labels.of(y, n)
        return self.labels.of_sample(on.arrays.rows(on.check_rows(rows, "decode")), n)
