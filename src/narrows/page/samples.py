"""A model together with its data: the splits, their codes, errors and scores, each computed once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from narrows.analyses.analysis import ModelOnData
from narrows.data import Dataset
from narrows.data.arrays import Array, Arrays
from narrows.data.batches import chunk_size
from narrows.estimators.base import Autoencoder
from narrows.estimators.inference import codes, encoded, map_batches
from narrows.evaluation.errors import squared_error

STEP = 2048
"""About how many samples are encoded before others may use the model again."""


class Measures(NamedTuple):
    """What is known of every sample of a split."""

    error: Array
    """(N,): squared errors of the reconstructions, as in evaluation."""
    score: Array
    """(N,): the model's scores, in nats, higher is more normal."""


@dataclass(frozen=True)
class ModelOnSplit(ModelOnData):
    """A fitted model, and a split of its data; codes and measures are kept once they are computed.

    Both can be computed in steps (`encode`, `evaluate`), between which others may use the model.
    """

    fitted: Autoencoder
    dataset: Dataset
    split: str | None = None
    _codes: list[Array] = field(default_factory=list)
    _measures: list[Measures] = field(default_factory=list)

    @property
    def model(self) -> Autoencoder:
        """The fitted estimator."""
        return self.fitted

    @cached_property
    def arrays(self) -> Arrays:
        """The samples, as the model takes them."""
        return encoded(self.model, self.shown.X, self.conditions(self.shown.y))

    @cached_property
    def train(self) -> Arrays:
        """The training samples, as the model takes them."""
        return encoded(self.model, self.dataset.train, self.conditions(self.dataset.train_labels))

    def conditions(self, labels: Array | None) -> Any:
        """Return labels as the model was given them: names where its classes are names."""
        names, levels = self.dataset.label_names, self.model.schema_.levels
        if labels is None or names is None or not levels or not isinstance(levels[0], str):
            return labels
        return np.array(names)[labels.astype(np.int64)]

    @cached_property
    def codes(self) -> Array:
        """The codes of all samples: (N, latent_dim), double precision; indices as numbers."""
        for _ in self.encode():
            pass
        return np.concatenate(self._codes)

    @cached_property
    def measures(self) -> Measures:
        """Errors and scores of all samples."""
        for _ in self.evaluate():
            pass
        return Measures(*(np.concatenate(parts) for parts in zip(*self._measures, strict=True)))

    def encode(self) -> Iterator[float]:
        """Compute the codes; yield after every step which share of them there is."""
        while (rows := self._next(sum(map(len, self._codes)))) is not None:
            self._codes.append(codes(self.model, self.arrays.rows(rows)))
            yield rows.stop / len(self.arrays.x)

    def evaluate(self) -> Iterator[float]:
        """Compute errors and scores; yield after every step which share of them there is."""
        while (rows := self._next(sum(len(part.error) for part in self._measures))) is not None:
            part = self.arrays.rows(rows)
            score = map_batches(self.model, self.model.module_.score, part, exact=True)
            self._measures.append(Measures(squared_error(self.model, part), score))
            yield rows.stop / len(self.arrays.x)

    def _next(self, start: int) -> slice | None:
        """Return the rows of the next step, whole chunks, so that steps change no bit; None where all are computed.

        Of two who ask at once each computes what is next.
        """
        chunk, n = chunk_size(self.model.sample_shape_), len(self.arrays.x)
        return None if start >= n else slice(start, min(start + chunk * max(1, STEP // chunk), n))
