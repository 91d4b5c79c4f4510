"""Labels: of samples, as one reads them, and as a condition of the model."""

from __future__ import annotations

from typing import Any

import numpy as np

from narrows.data import Dataset
from narrows.data.arrays import Array, Arrays
from narrows.errors import ConfigError
from narrows.estimators.base import Autoencoder
from narrows.numbers import number


class Labels:
    """The labels of a model and its data.

    Attributes
    ----------
    conditions
        Names of the classes that a model with a condition takes, in its order; None without a condition, or where
        that is numbers.
    size
        How many numbers the condition is, where it is numbers; else 0.
    """

    def __init__(self, model: Autoencoder, dataset: Dataset) -> None:
        self.schema, self.dataset = model.schema_, dataset
        levels = self.schema.levels if self.schema.label_size else None
        self.levels: list[Any] | None = None if levels is None else list(levels)
        self.conditions = None if self.levels is None else [self._name(level) for level in self.levels]
        self.size = self.schema.label_size if self.levels is None else 0

    def of(self, y: Any, n: int) -> Any:
        """Return n labels for the model, of a class's position or name, or of numbers; None without a condition.

        Where y is None they are the first class, or the mean of the training labels.
        Raises: ConfigError where y is none of these.
        """
        if self.levels is not None:
            return [self.levels[self._position(y)]] * n
        if not self.size:
            return None
        if y is None:
            labels = self.dataset.train_labels
            mean = np.zeros(self.size) if labels is None else labels.reshape(len(labels), -1).mean(0)
            return np.tile(mean, (n, 1))
        try:
            values = np.asarray(y, np.float64).reshape(-1)
        except (TypeError, ValueError):
            values = np.empty(0)
        if len(values) != self.size or not np.isfinite(values).all():
            raise ConfigError(f"y must be {self.size} finite numbers; got {str(y)[:40]!r}.")
        return np.tile(values, (n, 1))

    def of_sample(self, arrays: Arrays, n: int) -> Any:
        """Return the label of the first sample n times; None without a condition."""
        if arrays.y is None:
            return None
        first = arrays.y[0]
        return [self.levels[int(first)]] * n if self.levels is not None else np.tile(np.atleast_1d(first), (n, 1))

    def names(self, labels: Array | None, rows: Array) -> list[str | None]:
        """Return labels of a split as one reads them."""
        if labels is None:
            return [None] * len(rows)
        return [self._name(label) for label in labels[rows].tolist()]

    def _position(self, y: Any) -> int:
        assert self.conditions is not None
        if y is None:
            return 0
        if isinstance(y, str) and y in self.conditions:
            return self.conditions.index(y)
        if isinstance(y, int) and not isinstance(y, bool) and 0 <= y < len(self.conditions):
            return y
        shown = ", ".join(self.conditions[:12])
        raise ConfigError(f"y must be one of the classes {shown}, or its position; got {str(y)[:40]!r}.")

    def _name(self, label: Any) -> str:
        names = self.dataset.label_names
        if names is not None and isinstance(label, int) and 0 <= label < len(names):
            return names[label]
        return number(label) if isinstance(label, float) else str(label)
