"""Whether drawn rows are rows of the table: types, levels, whole numbers, missing values and ranges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from narrows.evaluation.synthesis.columns import MISSING, Column


class Validity(NamedTuple):
    """What of drawn rows agrees with the training rows."""

    valid: float
    """Share of rows that could be rows of the table: every column of its type, every level known, numbers whole where
    they are, and nothing missing where nothing is."""
    in_range: float
    """Share of rows whose numbers and dates all lie between the least and the largest of training."""
    missing: float
    """The largest difference of the share of missing values in a column."""
    wrong: dict[str, float]
    """The share of rows that are not valid, by the columns that make them so."""


def validity(columns: Sequence[Column], drawn: int, train: int) -> Validity:
    """Return whether the rows of a table could be rows of another; see `Validity`."""
    n = len(columns[0].values[drawn])
    valid, within = np.ones(n, bool), np.ones(n, bool)
    wrong, rates = {}, []
    for column in columns:
        values, known = column.values[drawn], column.values[train]
        there, known_there = ~column.missing(drawn), ~column.missing(train)
        ok = there | (not known_there.all())
        known = known[known_there]
        if column.types[drawn] != column.types[train]:
            ok = np.zeros(n, bool)
        elif column.numeric:
            if len(known) and (known == np.rint(known)).all():
                ok &= ~there | (values == np.rint(values))
            low, high = (known.min(), known.max()) if len(known) else (np.inf, -np.inf)
            within &= ~there | ((values >= low) & (values <= high))
        else:
            ok &= np.isin(values, [*np.unique(known), MISSING])
        valid &= ok
        if not ok.all():
            wrong[column.name] = float(1 - ok.mean())
        rates.append(abs(there.mean() - known_there.mean()))
    return Validity(float(valid.mean()), float(within.mean()), float(max(rates)), wrong)
