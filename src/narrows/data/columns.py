"""The columns of tables by name, and the values that models cannot take, named by column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from narrows.data.arrays import Array
from narrows.data.stored import StoredRows
from narrows.errors import DataError

LARGEST = 2**53
"""Whole numbers beyond it are rounded in double precision."""


def positions_of(names: Sequence[str], wanted: Sequence[str], owner: str, *, fillable: bool = False) -> list[int]:
    """Return where the columns `wanted` stand among `names`, by name.

    `fillable` says that the model takes missing values. Raises: DataError that names all columns that are missing, that
    a model does not know, or that are there twice.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{owner}: X must have every column once; got {listed(twice)} more than once. Rename them.")
    known, there = set(wanted), set(names)
    missing, extra = [name for name in wanted if name not in there], [name for name in names if name not in known]
    if missing or extra:
        got = [f"no {listed(missing, 'column')}"] * bool(missing)
        got += [f"{listed(extra, 'column')}, which {'was' if len(extra) == 1 else 'were'} not there"] * bool(extra)
        if missing and extra:
            advice = "Rename or leave out what is not the model's, and give what it needs."
        elif missing:
            advice = "Add " + ("what is missing; NaN where it is unknown." if fillable else "what is missing.")
        else:
            advice = "Leave out what the model does not know."
        fit = f"the {len(wanted)} columns of fit ({shortened(wanted, 12)})" if wanted else "no columns"
        raise DataError(f"{owner}: X must have {fit}; got {' and '.join(got)}. {advice}")
    index = {name: i for i, name in enumerate(names)}
    return [index[name] for name in wanted]


class Problem(NamedTuple):
    """Values that no model can take."""

    what: str
    where: str
    """Columns, or how many values."""
    fix: str
    """What to do."""


def check_values(X: Array, names: Sequence[str] | None, owner: str, *, missing: bool) -> None:
    """Raise a DataError that names all values (N, *shape) that a model cannot take, column by column in tables.

    `names` are those of the columns, where there are any; `missing` says whether NaN counts as a missing value.
    """
    raise_problems(problems_of(X, names, missing=missing), owner)


def raise_problems(problems: Sequence[Problem], owner: str) -> None:
    """Raise one DataError for all that is wrong; none where nothing is."""
    if not problems:
        return
    places: dict[str, list[str]] = {}
    for problem in problems:
        places.setdefault(problem.what, []).append(problem.where)
    got = "; ".join(f"{what} in {shortened(where)}" for what, where in places.items())
    advice = " ".join(dict.fromkeys(problem.fix for problem in problems))
    raise DataError(f"{owner}: X must hold finite numbers; got {got}. {advice}")


def problems_of(X: Array, names: Sequence[str] | None, *, missing: bool) -> list[Problem]:
    """Return what is wrong with values; see `check_values`. Of rows on disk the first part with any is told."""
    problems = []
    if isinstance(X, StoredRows):
        facts = X.facts
        beyond = X.dtype.kind in "iu" and max(-facts.low.min(), facts.high.max()) > LARGEST
        if not (facts.infinite.any() or beyond or (facts.missing and not missing)):
            return []
        return next((bad for part in X.parts() if (bad := problems_of(part, names, missing=missing))), [])
    if X.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(X.sum()):
                return []
        infinite, unknown = np.isinf(X), np.isnan(X)
        if infinite.any():
            fix = "Replace infinity by NaN, or leave those rows out."
            problems.append(Problem("infinity (inf)", _where(infinite, names), fix))
        if unknown.any() and not missing:
            fix = "This model takes no missing values: fill them, drop those rows, or use AE or VAE."
            problems.append(Problem("missing values (NaN)", _where(unknown, names), fix))
    elif X.dtype.itemsize == 8 and X.dtype.kind in "iu" and X.size:
        beyond = (X > LARGEST) | (X < -LARGEST if X.dtype.kind == "i" else False)
        if beyond.any():
            fix = "Leave identifiers out; of measurements subtract the smallest first."
            problems.append(Problem("whole numbers beyond 2**53", _where(beyond, names), fix))
    return problems


def _where(bad: Array, names: Sequence[str] | None) -> str:
    """Return where values are bad and how many: by column in a table."""
    total = int(bad.sum())
    values = f"{total:,} value{'s' * (total > 1)}"
    if bad.ndim != 2:
        return f"{values} of {int(bad.any(axis=tuple(range(1, bad.ndim))).sum()):,} samples"
    counts = bad.sum(0)
    columns = np.flatnonzero(counts)
    each = [
        f"{names[int(i)]!r} ({counts[i]:,})" if names is not None else f"feature {i} ({counts[i]:,})" for i in columns
    ]
    return shortened(each)


def shortened(parts: Sequence[str], most: int = 20) -> str:
    """Return parts of a sentence, separated by commas; beyond `most` their number."""
    return ", ".join(parts[:most]) + (f" and {len(parts) - most} more" if len(parts) > most else "")


def unseen(owner: str, values: Mapping[str, Sequence[object]]) -> str:
    """Return the sentence on values that fit did not see, by column."""
    told = [f"{name!r} ({shortened([repr(value) for value in each], 5)})" for name, each in values.items()]
    return (
        f"{owner}: X has values that fit did not see and no likelihood has; they count as missing: {shortened(told)}."
    )


def listed(names: Any, noun: str = "", most: int = 20) -> str:
    """Return names or numbers in a sentence: columns 'a', 'b' and 3 more."""
    names = list(names)
    shown = ", ".join(map(repr, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")
    return f"{noun}{'s' * (len(names) > 1)} {shown}" if noun else shown
