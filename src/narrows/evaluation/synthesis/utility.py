"""Whether a model that learned of drawn rows predicts real ones: train on synthetic, test on real.

Esteban et al. (2017, arXiv:1706.02633).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import r2_score, roc_auc_score

from narrows.data.arrays import Array, subset
from narrows.evaluation.synthesis.columns import MISSING, Column

CODES = 250
"""Levels that a gradient boosting tells apart, which has bins for 255; rarer ones share one."""
CLASSES = 10
"""Levels of a target at most, the most frequent of them; rarer ones are left out."""


class Prediction(NamedTuple):
    """How well a column of held-out rows is predicted by the others."""

    column: str
    measure: str
    """AUC, one level against the rest where there are several, or R2."""
    value: float
    """0.5 or less, and 0 or less, where nothing was learned."""


def predictions(
    columns: Sequence[Column], train: int, test: int, targets: Sequence[str], *, limit: int | None = None, seed: int = 0
) -> list[Prediction]:
    """Return how well gradient boosting that learned of one table predicts columns of another from all others.

    Scikit-learn's HistGradientBoosting, at its defaults, which takes missing values. Targets that cannot be measured in
    the test rows (one level alone, a constant) are left out.

    Parameters
    ----------
    columns
        Of `columns_of`.
    train, test
        Which table it learns of, and which it predicts.
    targets
        Names of columns to predict, one by one.
    limit
        Rows of each table at most, drawn with the seed.
    seed
        Of rows and of the boosting.
    """
    results = []
    for target in (column for column in columns if column.name in set(targets)):
        others = [column for column in columns if column is not target]
        found = _prediction(target, others, train, test, limit, seed)
        if found is not None:
            results.append(Prediction(target.name, "R2" if target.numeric else "AUC", found))
    return results


def _prediction(
    target: Column, others: list[Column], train: int, test: int, limit: int | None, seed: int
) -> float | None:
    y, y_test = target.values[train].astype(np.float64), target.values[test].astype(np.float64)
    if not target.numeric:
        levels, counts = np.unique(y_test[y_test != MISSING], return_counts=True)
        shown = levels[np.argsort(-counts, kind="stable")[:CLASSES]]
        y, y_test = (np.where(np.isin(values, shown), values, np.nan) for values in (y, y_test))
    rows, rows_test = (np.flatnonzero(~np.isnan(values)) for values in (y, y_test))
    rows, rows_test = (part[subset(len(part), limit, seed)] for part in (rows, rows_test))
    y, y_test = y[rows], y_test[rows_test]
    if len(rows_test) < 2 or len(np.unique(y_test)) < 2:
        return None
    constant = 0.0 if target.numeric else 0.5
    if len(np.unique(y)) < 2 or not others:
        return constant  # there is nothing to learn
    X, X_test = _inputs(others, train, rows, test, rows_test)
    options: dict[str, Any] = {
        "categorical_features": [not column.numeric for column in others], "random_state": seed,
    }  # fmt: skip
    if target.numeric:
        regression = HistGradientBoostingRegressor(**options).fit(X, y)
        return float(r2_score(y_test, regression.predict(X_test)))
    classifier = HistGradientBoostingClassifier(**options).fit(X, y)
    chances = np.zeros((len(y_test), len(shown)))
    chances[:, [int(np.flatnonzero(shown == level)[0]) for level in classifier.classes_]] = classifier.predict_proba(
        X_test
    )
    areas = [roc_auc_score(y_test == level, chances[:, i]) for i, level in enumerate(shown) if (y_test == level).any()]
    return float(areas[0] if len(areas) == 2 else np.mean(areas))


def _inputs(columns: Sequence[Column], train: int, rows: Array, test: int, rows_test: Array) -> tuple[Array, Array]:
    """Return the inputs (n, D) for training and for testing; categories as whole numbers, NaN where missing."""
    tables = []
    for column in columns:
        a, b = column.values[train][rows].astype(np.float64), column.values[test][rows_test].astype(np.float64)
        if not column.numeric:
            a, b = _few_codes(a), _few_codes(b, a)
        tables.append((a, b))
    X, X_test = (np.stack(part, 1) for part in zip(*tables, strict=True))
    return X, X_test


def _few_codes(values: Array, known: Array | None = None) -> Array:
    """Return categories as whole numbers below `CODES`, by their frequency in `known`; NaN where they are missing."""
    known = values if known is None else known
    levels, counts = np.unique(known[known != MISSING], return_counts=True)
    if not len(levels):
        return np.where(values == MISSING, np.nan, CODES - 1)
    places = np.empty(len(levels))
    places[np.argsort(-counts, kind="stable")] = np.minimum(np.arange(len(levels)), CODES - 1)
    found = np.minimum(np.searchsorted(levels, values), len(levels) - 1)
    codes = np.where(levels[found] == values, places[found], CODES - 1)
    return np.where(values == MISSING, np.nan, codes)
