"""The training samples that are nearest to others."""

from __future__ import annotations

import numpy as np

from narrows.analyses.analysis import ModelOnData
from narrows.data.arrays import Array, Arrays
from narrows.evaluation.errors import squared_errors

ROWS = 4096
"""Training samples that are compared at once."""


class Neighbours:
    """The training samples of a model, among which the nearest are looked for, exactly, by comparing with all."""

    def __init__(self, on: ModelOnData) -> None:
        self.model, self.arrays = on.model, on.train

    def of(self, x: Array) -> tuple[Array, Array]:
        """Return the row of the nearest training sample, and its distance, for each x (n, *shape): (n,) twice.

        Distances are Euclidean, on the model's scale; values that a training sample lacks do not count.
        """
        flat = x.reshape(len(x), -1).astype(np.float32)
        squares, rows = np.full(len(x), np.inf), np.zeros(len(x), np.int64)
        for start in range(0, len(self.arrays.x), ROWS):
            part = self.arrays.rows(slice(start, start + ROWS))
            near = self._squares(flat, part)
            best = near.argmin(1)
            found = near[np.arange(len(x)), best]
            rows = np.where(found < squares, start + best, rows)
            squares = np.minimum(squares, found)
        return rows, self._distances(x, rows)

    def _squares(self, flat: Array, part: Arrays) -> Array:
        """Return squared distances, without the squares of x where these are the same for all: (n, m)."""
        schema, n = self.model.schema_, len(part.x)
        if schema.pixels and part.x.dtype == np.uint8:
            t = part.x.reshape(n, -1) / np.float32(255)
        else:
            t = schema.values(part).reshape(n, -1).astype(np.float32)
        squares = np.square(t).sum(1) - 2 * flat @ t.T
        if part.mask is None:
            return squares
        return squares + np.square(flat) @ part.mask.reshape(n, -1).T.astype(np.float32)

    def _distances(self, x: Array, rows: Array) -> Array:
        arrays = self.arrays.rows(rows)
        return np.sqrt(squared_errors(x, self.model.schema_.values(arrays), arrays.mask))
