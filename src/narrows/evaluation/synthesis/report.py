"""All measures of drawn rows, beside the same of training rows, independent columns and a Gaussian copula."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from narrows.data.arrays import Array, subset
from narrows.errors import ConfigError, DataError, did_you_mean
from narrows.evaluation.synthesis.baselines import GaussianCopula, independent_rows
from narrows.evaluation.synthesis.columns import Column, columns_of, taken
from narrows.evaluation.synthesis.distances import Pair, column_distance, pair_distances
from narrows.evaluation.synthesis.privacy import closest_distances, share_nearer, share_of_copies
from narrows.evaluation.synthesis.utility import Prediction, predictions
from narrows.evaluation.synthesis.validity import Validity, validity

TRAINING = "training rows"
"""What perfect rows would have: real ones, which are no new ones."""
BASELINES = ("independent columns", "Gaussian copula")
"""What rows are that know the columns alone, and the columns and their correlations alone."""
NEAR, KNOWN = 1000, 50_000
"""Rows whose closest training row is looked for, and training rows among which, at most."""
TARGETS = 10
"""Columns that are predicted at most, where no label is named."""
PAIRS = 500
"""Pairs of columns at most."""


class Drawn(NamedTuple):
    """How the rows of one source compare with held-out rows."""

    columns: dict[str, float]
    """Distance of every column; see `column_distance`."""
    pairs: list[Pair]
    """Distance of pairs of columns; see `pair_distances`."""
    predictions: list[Prediction]
    """How well gradient boosting that learned of these rows predicts held-out ones."""
    nearer: float
    """Chance that a row lies nearer to its closest training row than a held-out row does; 0.5 for new rows."""
    copies: float
    """Share of rows that equal a training row."""
    validity: Validity
    """Whether the rows could be rows of the table."""

    @property
    def column_distance(self) -> float:
        """Mean over columns."""
        return float(np.mean(list(self.columns.values())))

    @property
    def pair_distance(self) -> float:
        """Mean over pairs; nan for one column."""
        return float(np.mean([pair.distance for pair in self.pairs])) if self.pairs else float("nan")

    def prediction(self, measure: str) -> float:
        """Return the mean over targets of "AUC" or "R2"; nan where there is none."""
        values = [each.value for each in self.predictions if each.measure == measure]
        return float(np.mean(values)) if values else float("nan")

    def measures(self) -> dict[str, float]:
        """Return the measures by name, in the order of tables; those that there are."""
        values = {
            "column distance": self.column_distance, "pair distance": self.pair_distance,
            "AUC of prediction": self.prediction("AUC"), "R2 of prediction": self.prediction("R2"),
            "nearer than held-out rows": self.nearer, "copies": self.copies, "valid rows": self.validity.valid,
            "rows within ranges": self.validity.in_range, "missing, largest difference": self.validity.missing,
        }  # fmt: skip
        return {name: value for name, value in values.items() if np.isfinite(value)}


class Synthesis(NamedTuple):
    """Drawn rows, training rows and the baselines beside held-out rows."""

    sources: dict[str, Drawn]
    """By name: "drawn", "training rows", and those of `BASELINES`."""
    rows: int
    """Rows of each source."""
    held_out: int
    """Held-out rows."""
    copies_held_out: float
    """Share of held-out rows that equal a training row."""

    def worst_columns(self, n: int) -> list[str]:
        """Return the n columns whose drawn values are farthest from the held-out ones."""
        distances = self.sources["drawn"].columns
        return sorted(distances, key=lambda name: -distances[name])[:n]

    def record(self) -> dict[str, Any]:
        """Return everything as plain values, as JSON holds them."""
        sources = {
            name: {
                **drawn.measures(), "columns": drawn.columns, "pairs": [pair._asdict() for pair in drawn.pairs],
                "predictions": [each._asdict() for each in drawn.predictions], "not valid": drawn.validity.wrong,
            }
            for name, drawn in self.sources.items()
        }  # fmt: skip
        return {
            "rows": self.rows, "held_out": self.held_out, "copies_held_out": self.copies_held_out, "sources": sources
        }  # fmt: skip


def baseline_rows(train: Any, n: int, *, categories: Sequence[str] = (), seed: int = 0) -> dict[str, Any]:
    """Return n rows of each baseline, tables of the same kind and types as the training rows: by the names `BASELINES`.

    Independent columns: every value is that of a training row of its own, drawn at random. Gaussian copula: see
    `GaussianCopula`.
    """
    columns = columns_of(train, categories=categories, owner="baseline_rows")
    draws = (independent_rows(columns, n, seed), GaussianCopula(columns).rows(n, seed))
    return {name: taken(train, rows) for name, rows in zip(BASELINES, draws, strict=True)}


def measure_synthesis(
    real: Any, drawn: Any, train: Any, *, label: str | None = None, categories: Sequence[str] = (),
    names: Sequence[str] | None = None, limit: int | None = 10_000, seed: int = 0,
) -> Synthesis:  # fmt: skip
    """Return how near drawn rows are to held-out real ones, beside training rows, independent columns and a copula.

    Parameters
    ----------
    real, drawn, train
        Held-out, drawn and training rows: data frames of pandas, polars or pyarrow, or arrays (N, D) of numbers.
    label
        The column that a gradient boosting learns to predict from the others; None for columns one by one, 10 at most,
        drawn with the seed.
    categories
        Names of columns of numbers that stand for categories.
    names
        What the columns of arrays are called; None for value_1, value_2, ...
    limit
        Rows of each kind at most, drawn with the seed; closest training rows are looked for of 1,000 of them, among
        50,000. None for all, but for these.
    seed
        Of the choice of rows, of the baselines and of the boosting.

    Raises
    ------
    ConfigError
        `label` or a name in `categories` is no column.
    DataError
        The tables have not the same columns, or one of them has less than two rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> result = measure_synthesis(X[::2], X[1::2], X[1::2])
    >>> result.sources["drawn"].copies
    1.0
    """
    columns = columns_of(train, real, drawn, categories=categories, names=names, owner="measure_synthesis")
    names = [column.name for column in columns]
    if label is not None and label not in names:
        raise ConfigError(
            f"measure_synthesis: label must be a column; got {label!r}.{did_you_mean(label, names)} "
            f"There are {', '.join(names[:20])}."
        )
    sizes = [len(values) for values in columns[0].values]
    if min(sizes) < 2:
        raise DataError(
            f"measure_synthesis: tables must have two rows at least; got {sizes[0]} training, {sizes[1]} held-out and "
            f"{sizes[2]} drawn rows."
        )
    n = min(sizes[0], sizes[2], limit or sizes[0])
    rng = np.random.SeedSequence(seed).generate_state(4)
    independent, copula = (independent_rows(columns, n, int(rng[0])), GaussianCopula(columns).rows(n, int(rng[1])))
    held = subset(sizes[1], limit, int(rng[2]))
    chosen = {"drawn": subset(sizes[2], n, int(rng[3])), TRAINING: subset(sizes[0], n, int(rng[3]))}
    # Every source as the third table, beside training rows and held-out rows.
    sources = {
        "drawn": [column.rows(slice(None), held, chosen["drawn"]) for column in columns],
        TRAINING: [_third(column, held, chosen[TRAINING]) for column in columns],
        BASELINES[0]: [_third(column, held, independent[:, j]) for j, column in enumerate(columns)],
        BASELINES[1]: [_third(column, held, copula[:, j]) for j, column in enumerate(columns)],
    }  # fmt: skip
    targets = [label] if label is not None else [names[i] for i in subset(len(names), TARGETS, seed)]
    near = _distances_of_held_out(sources["drawn"], seed)
    measured = {name: _measured(each, targets, near, limit, seed) for name, each in sources.items()}
    return Synthesis(measured, n, len(held), share_of_copies(sources["drawn"], 1, 0))


def _third(column: Column, held: Array, rows: Array) -> Column:
    """Return a column of training rows, held-out rows, and training rows at positions."""
    train, real, _ = column.values
    first, second, _ = column.types
    return column._replace(values=(train, real[held], train[rows]), types=(first, second, first))


def _measured(columns: list[Column], targets: list[str], near: Array, limit: int | None, seed: int) -> Drawn:
    n = len(columns[0].values[2])
    closest = closest_distances(_closest(columns, 2, subset(n, NEAR, seed), seed), 2, 0)
    return Drawn(
        {column.name: column_distance(column, 1, 2) for column in columns},
        pair_distances(columns, 1, 2, limit=PAIRS, seed=seed),
        predictions(columns, 2, 1, targets, limit=limit, seed=seed),
        share_nearer(closest, near),
        share_of_copies(columns, 2, 0),
        validity(columns, 2, 0),
    )


def _distances_of_held_out(columns: list[Column], seed: int) -> Array:
    rows = subset(len(columns[0].values[1]), NEAR, seed)
    return closest_distances(_closest(columns, 1, rows, seed), 1, 0)


def _closest(columns: list[Column], table: int, rows: Array, seed: int) -> list[Column]:
    """Return columns with some rows of a table, and of the training rows."""
    known = subset(len(columns[0].values[0]), KNOWN, seed)
    kept: list[Any] = [known, slice(None), slice(None)]
    kept[table] = rows
    return [column.rows(*kept) for column in columns]
