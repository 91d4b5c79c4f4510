"""The types of columns, inferred from training rows: the kind by what is there, the likelihood by the better fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.decimals import decimals_of
from narrows.data.stored import StoredRows
from narrows.data.types import LIKELIHOODS, ColumnType
from narrows.data.types_likelihood import chosen_likelihood, half_width, is_whole
from narrows.data.types_stored import StoredTable
from narrows.data.types_table import DAY, SINGLE, MixedTable, Values
from narrows.errors import ConfigError, DataError, did_you_mean

STEPS = 20
"""Whole numbers of at most so many different values count as ordinal."""
LEVELS = 100_000
"""Levels that are kept; the rows of further ones count as missing."""
IDENTIFIER = re.compile(
    r"(^|[_\W])(id|ids|uid|uuid|guid|key|index|row|row_?id|identifier)$|[a-z](Id|ID|Key)$", re.ASCII
)
"""Names of columns that tell rows apart, where no value comes twice."""
NUMBERED = re.compile(r"(^|[_\W])(id|number|num|no|nr)$|[a-z](Id|ID|Number|No|Nr)$", re.ASCII)
"""Names of columns that tell apart what rows are about, where few values come twice."""
DIFFERENT = 0.9
"""Share of the rows that have a value of their own in such a column."""


def inferred(
    table: MixedTable, columns: Mapping[Any, str] | None, owner: str
) -> tuple[tuple[ColumnType, ...], list[Array]]:
    """Return the type of every column, as `columns` say of some of them, and where its values are missing: (N,) each.

    Raises: ConfigError where `columns` names a column that is not there; DataError where no column is left.
    """
    wanted = {str(name): kind for name, kind in (columns or {}).items()}
    if unknown := [name for name in wanted if name not in table.columns]:
        raise ConfigError(
            f"{owner}: columns must name columns of X; got {unknown[0]!r}."
            f"{did_you_mean(unknown[0], list(table.columns))}"
        )
    types, missing = [], []
    for name, values in table.columns.items():  # once: each may be read from the disk for it
        types.append(column_type(name, values, wanted.get(name), owner))
        missing.append(values.missing)
    if not any(column.modelled for column in types):
        kinds = ", ".join(f"{column.name!r}: {column.kind}" for column in types[:12])
        raise DataError(f"{owner}: X must have a column that varies; got {kinds}. Give other columns.")
    return tuple(types), missing


def holds_codes(X: Any) -> bool:
    """Return whether numbers (N, D) lack some values, and most columns hold codes, grades or small counts.

    What is filled in of these should be such a code, which a distribution of real numbers does not give.
    """
    if isinstance(X, StoredRows):
        return X.ndim == 2 and X.dtype.kind == "f" and _stored_codes(X)
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.dtype.kind not in "fO" or not len(X):
        return False
    X = X.astype(np.float64, copy=False)
    if not np.isnan(X).any():
        return False
    return 2 * sum(_few_whole(column[~np.isnan(column)]) for column in X.T) > X.shape[1]


def _stored_codes(X: StoredRows) -> bool:
    """Return the same of rows on disk: most tables are told by their first rows, of others columns are read."""
    first = [column[~np.isnan(column)] for column in next(iter(X.parts())).T]
    if 2 * sum(is_whole(column) and len(np.unique(column)) <= STEPS for column in first) <= len(first):
        return False
    gaps, few = False, 0
    for values in StoredTable.of_numbers(X, list(map(str, range(len(first))))).columns.values():
        missing = values.missing
        gaps, few = gaps or bool(missing.any()), few + _few_whole(values.data[~missing])
    return gaps and 2 * few > len(first)


def _few_whole(numbers: Array) -> bool:
    return bool(len(numbers)) and is_whole(numbers) and _few(len(np.unique(numbers)), len(numbers))


def _few(different: int, n: int) -> bool:
    return different <= STEPS and n >= 5 * different


def column_type(name: str, values: Values, wanted: str | None, owner: str) -> ColumnType:
    """Return the type of one column; `wanted` is a kind such as "real" or "real:student", or None to infer it."""
    gaps = values.missing
    known = values.rows(~gaps)
    about: dict[str, Any] = {
        "name": name, "holds": values.holds, "dtype": values.dtype, "declared": values.declared,
        "ordered": values.ordered, "missing": float(gaps.mean()),
    }  # fmt: skip
    kind, _, likelihood = (wanted or "").partition(":")
    levels, counts = _counted(known)
    if kind == "identifier" or (not kind and _is_identifier(name, known, counts)):
        return ColumnType(kind="identifier", **about)
    if kind == "constant" or sum(count > 0 for count in counts) <= 1:
        most = max(range(len(counts)), key=counts.__getitem__, default=None)
        return ColumnType(kind="constant", levels=() if most is None or not len(known) else (levels[most],), **about)
    if values.holds in ("text", "truth") or kind in ("category", "ordinal"):
        chosen = kind or ("ordinal" if values.ordered else "category")
        if values.holds == "text" and chosen not in ("category", "ordinal"):
            raise ConfigError(
                f"{owner}: columns must give {name!r}, which holds text, one of category, ordinal, identifier, "
                f"constant; got {wanted!r}. Make numbers of it, or leave it out."
            )
        if chosen in ("category", "ordinal"):
            return _of_levels(chosen, likelihood, levels, counts, values, about)
    if values.holds == "time" and kind in ("", "date"):
        return _number("date", "gaussian", known, about)
    return _of_numbers(kind, likelihood, known, levels, counts, about, owner)


def _counted(values: Values) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """Return the different values and how many rows have each: of text its levels, of numbers in rising order."""
    if values.holds == "text":
        counts = np.bincount(values.data, minlength=len(values.levels)).tolist()
        if values.declared:
            return values.levels, tuple(counts)
        there = sorted((level, count) for level, count in zip(values.levels, counts, strict=True) if count) \
            if _sortable(values.levels) else [p for p in zip(values.levels, counts, strict=True) if p[1]]  # fmt: skip
        return tuple(level for level, _ in there), tuple(count for _, count in there)
    unique, counts_ = np.unique(values.data, return_counts=True)
    return tuple(unique.tolist()), tuple(counts_.tolist())


def _sortable(levels: tuple[Any, ...]) -> bool:
    return len({isinstance(level, str) for level in levels}) <= 1


def _is_identifier(name: str, values: Values, counts: tuple[int, ...]) -> bool:
    """Return whether values tell rows apart: each is there once, and they are texts, or numbers of such a name."""
    n = len(values)
    if n < 20 or len(counts) < DIFFERENT * n:
        return False
    numbered = values.holds == "number" and bool(NUMBERED.search(name)) and is_whole(values.numbers())
    if len(counts) < n:
        return numbered
    if values.holds == "text":
        return not values.declared
    if values.holds != "number" or not is_whole(values.numbers()):
        return False
    return numbered or bool(IDENTIFIER.search(name)) or bool((np.diff(values.numbers()) == 1).all())


def _of_levels(
    kind: str, likelihood: str, levels: tuple[Any, ...], counts: tuple[int, ...], values: Values, about: dict[str, Any]
) -> ColumnType:
    if values.holds == "truth":
        levels = tuple(bool(level) for level in levels)
    elif values.holds != "text" and is_whole(np.array(levels)):
        levels = tuple(int(level) for level in levels)
    if len(levels) > LEVELS:
        kept = sorted(sorted(range(len(levels)), key=lambda i: -counts[i])[:LEVELS])
        levels, counts = tuple(levels[i] for i in kept), tuple(counts[i] for i in kept)
    if kind == "ordinal":
        if not values.ordered:  # levels that never occur have no place in between
            there = [(level, count) for level, count in zip(levels, counts, strict=True) if count]
            levels, counts = tuple(level for level, _ in there), tuple(count for _, count in there)
        position = np.repeat(np.arange(len(levels)), counts)
        return ColumnType(
            kind=kind, likelihood="ordinal", levels=levels, counts=counts, offset=float(position.mean()),
            factor=float(position.std()) or 1.0, **about,
        )  # fmt: skip
    made = ColumnType(kind=kind, likelihood="categorical", levels=levels, counts=counts, **about)
    if made.classes > 2 and likelihood == "bernoulli":
        raise ConfigError(
            f"columns must give {about['name']!r} 'categorical': it has {made.classes} levels. Leave it out."
        )
    return made if made.classes > 2 else ColumnType(**{**_fields(made), "likelihood": "bernoulli"})


def _fields(column: ColumnType) -> dict[str, Any]:
    return {name: getattr(column, name) for name in ColumnType.__dataclass_fields__}


def _of_numbers(
    kind: str, likelihood: str, values: Values, levels: tuple[Any, ...], counts: tuple[int, ...],
    about: dict[str, Any], owner: str,
) -> ColumnType:  # fmt: skip
    """Return the type of numbers: what was asked for, or the better fit."""
    numbers = values.numbers()
    whole, least = is_whole(numbers), float(numbers.min())
    if not kind and len(levels) == 2:
        return _of_levels("category", "", levels, counts, values, about)
    if not kind and whole and values.holds == "number" and _few(len(levels), len(numbers)):
        return _of_levels("ordinal", "", levels, counts, values, about)
    if kind == "date":
        raise ConfigError(f"{owner}: columns must give {about['name']!r} another kind than 'date'; it holds numbers.")
    if kind == "positive" and least < 0:
        raise ConfigError(
            f"{owner}: columns must give {about['name']!r} another kind than 'positive'; its least value is {least:g}."
        )
    if kind == "count" and not (whole and least >= 0):
        raise ConfigError(
            f"{owner}: columns must give {about['name']!r} another kind than 'count'; it does not hold whole numbers "
            "from 0 on."
        )
    if not likelihood:
        likelihood = chosen_likelihood(numbers, kind, levels, counts)
    found = next(k for k, names in LIKELIHOODS.items() if likelihood in names and (not kind or k == kind))
    if likelihood == "log_normal" and least <= 0:
        likelihood = "log_spike"
    spike = None
    if likelihood in ("spike", "log_spike"):
        spike = float(levels[max(range(len(counts)), key=counts.__getitem__)])
        if likelihood == "log_spike" and least <= 0:
            spike = 0.0
    return _number(found, likelihood, values, about, spike)


def _number(
    kind: str, likelihood: str, values: Values, about: dict[str, Any], spike: float | None = None
) -> ColumnType:  # fmt: skip
    """Return the type of a column of numbers, with its scale."""
    numbers = values.numbers()
    low, high = float(numbers.min()), float(numbers.max())
    rest = numbers if spike is None else numbers[numbers != spike]
    v = np.log(rest[rest > 0]) if likelihood in ("log_normal", "log_spike") else rest
    if likelihood == "log_spike":
        low = float(rest[rest > 0].min())
    offset, factor = float(v.mean()), float(v.std())
    if likelihood == "student":
        offset, factor = float(np.median(v)), half_width(v) / 0.6745
    return ColumnType(
        kind=kind, likelihood=likelihood, offset=offset, factor=factor or 1.0, low=low, high=high,
        whole=values.holds == "number" and is_whole(numbers),
        step=_step(numbers, kind, single=values.dtype.lower() in SINGLE), spike=spike,
        share=0.0 if spike is None else float((numbers == spike).mean()), **about,
    )  # fmt: skip


def _step(numbers: Array, kind: str, *, single: bool) -> float:
    """Return the unit of the last decimal that values have, at most six; 0 where they have more."""
    if kind == "date":
        return next((step for step in (DAY, 1.0) if bool((numbers % step == 0).all())), 0.0)
    decimals = decimals_of(numbers, single=single)
    return 0.0 if decimals is None else float(10.0**-decimals)
