"""Tables for `imputation.py`, and the three ways in which their values are removed."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import sklearn.datasets
from numpy.typing import NDArray

Array = NDArray[np.float64]
SLOPE = 2.0
"""Of the logistic curves of MAR and MNAR: how strongly a value one deviation higher is removed more often."""
COMPLETE = 0.3
"""Share of the columns that MAR leaves complete; one at least."""


class MissingDataError(Exception):
    """A data set is not on this machine."""


def _file(name: str, leave_out: tuple[str, ...] = ()) -> Array:
    path = Path(os.environ.get("NARROWS_DATA", ""), "tables", name)
    if "NARROWS_DATA" not in os.environ or not path.exists():
        raise MissingDataError(f"NARROWS_DATA has no tables/{name}")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([[float(value) for column, value in row.items() if column not in leave_out] for row in rows])


TABLES: dict[str, Callable[[], Array]] = {
    "banknote": lambda: _file("banknote_authentication.csv", ("forged",)),
    "winequality-red": lambda: _file("winequality-red.csv", ("quality",)),
    "abalone": lambda: _file("abalone.csv", ("sex",)),
    "breast cancer": lambda: sklearn.datasets.load_breast_cancer().data,
    "diabetes": lambda: sklearn.datasets.load_diabetes().data,
}
"""Numeric columns of tables; labels of a classification are left out."""


class Split(NamedTuple):
    """Rows to train on and rows to impute, with holes and without, in the units of the deviation of a column."""

    train: Array
    test: Array
    """With nan where values were removed."""
    train_truth: Array
    test_truth: Array


def split(X: Array, mechanism: str, share: float, seed: int) -> Split:
    """Return 70% of the rows to train on and 30% to impute, with a share of all values removed.

    Columns are standardised by the complete training rows, so that errors of all columns have one unit.
    """
    rng = np.random.default_rng([seed, len(X)])
    order = rng.permutation(len(X))
    held = round(0.3 * len(X))
    train, test = np.sort(order[held:]), np.sort(order[:held])
    x = (X - X[train].mean(0)) / X[train].std(0)
    holes = np.where(MECHANISMS[mechanism](x, share, rng), np.nan, x)
    return Split(holes[train], holes[test], x[train], x[test])


def mcar(x: Array, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Every value is removed with the same probability: missing completely at random."""
    return rng.random(x.shape) < share


def mar(x: Array, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Three columns in ten, drawn at random, stay complete, and decide what the others lose: missing at random.

    A value of another column d is removed with probability sigmoid(2 s_d + b_d), where s_d is a sum of the complete
    columns with normal weights, scaled to deviation 1, and b_d gives the column's share.
    """
    complete = np.sort(rng.permutation(x.shape[1])[: max(1, round(COMPLETE * x.shape[1]))])
    others = np.setdiff1d(np.arange(x.shape[1]), complete)
    sums = x[:, complete] @ rng.normal(size=(len(complete), len(others)))
    removed = np.zeros(x.shape, bool)
    removed[:, others] = _by_logistic(sums / sums.std(0), share * x.shape[1] / len(others), rng)
    return removed


def mnar(x: Array, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A value is removed because of what it is, with probability sigmoid(+-2 x_d + b_d): missing not at random.

    The sign is drawn for every column: in some the high values are removed, in others the low ones.
    """
    return _by_logistic(x * rng.choice([-1.0, 1.0], x.shape[1]), share, rng)


def _by_logistic(scores: Array, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Remove values with probability sigmoid(2 score + b), b such that a column loses its share."""
    low, high = np.full(scores.shape[1], -50.0), np.full(scores.shape[1], 50.0)
    for _ in range(60):
        middle = (low + high) / 2
        below = (1 / (1 + np.exp(-SLOPE * scores - middle))).mean(0) < share
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return rng.random(scores.shape) < 1 / (1 + np.exp(-SLOPE * scores - low))


MECHANISMS: dict[str, Callable[[Array, float, np.random.Generator], NDArray[np.bool_]]] = {
    "MCAR": mcar, "MAR": mar, "MNAR": mnar,
}  # fmt: skip
