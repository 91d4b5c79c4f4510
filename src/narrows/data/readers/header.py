"""Whether the first row of a table names its columns, judged by the rows below it; and whether the next holds units."""

from __future__ import annotations

import itertools
from collections import Counter

from narrows.data.readers.columns import is_missing, is_value, kind_of

SAMPLE = 200
"""Rows that are looked at to decide."""
SHARE = 0.9
"""Of a column's values that must be of one kind for the column to be of it."""


def is_header(first: list[str], body: list[list[str]]) -> tuple[bool, str]:
    """Return whether the first row names the columns, and why, judged by the rows below it."""
    if not body:
        return any(not is_value(text) and not is_missing(text) for text in first), "there is no other row"
    sample = body[1 : SAMPLE + 1] if len(body) > 2 else body  # the second row may hold units
    columns = [[row[i] for row in sample if i < len(row) and not is_missing(row[i])] for i in range(len(first))]
    kinds = [_kind(values) for values in columns]
    numeric = [kind != "" for kind in kinds]
    over = [(text.strip(), kind) for text, kind in zip(first, kinds, strict=True) if kind and not is_missing(text)]
    words = [text for text, kind in over if kind_of(text) != kind]
    known = next((text.strip() for text, values, counts in zip(first, columns, numeric, strict=True)
                  if not counts and text.strip() and text in values), None)  # fmt: skip
    counted = [int(text) for text in first if text.strip().isdecimal()]
    if words and (len(words) == len(over) or len(set(counted)) == len(over) - len(words)):
        return True, f"since {words[0]!r} stands above numbers"
    if known is not None:
        return False, f"since {known!r} in the first row stands in others too"
    if not first[0].strip() and len(first) > 1 and len(set(first)) == len(first) and _tells_apart(body):
        return True, "since its first field alone is empty, above values that differ"
    if over and len(counted) == len(over) and _counts_up(counted, columns, numeric):
        return True, f"since the first row counts {counted[0]}, {counted[1]}, ... and the others do not"
    if over:
        return False, "since the first row holds numbers where the others do"
    if any(map(str.strip, first)):
        return True, "since no other row repeats what the first one holds"
    return False, "since the first row is empty"


def _kind(values: list[str]) -> str:
    """Return the kind of nearly all of a column's values: number, yes/no or time; an empty text where there is none."""
    if not values:
        return ""
    kind, count = Counter(map(kind_of, values)).most_common(1)[0]
    return kind if count >= SHARE * len(values) else ""


def _tells_apart(body: list[list[str]]) -> bool:
    """Return whether the first column is an index: it is filled, and no value comes twice."""
    values = [row[0].strip() for row in body if row]
    return all(values) and len(set(values)) == len(values)


def _counts_up(counted: list[int], columns: list[list[str]], numeric: list[bool]) -> bool:
    """Return whether a first row of whole numbers are names, such as 0, 1, 2 or 2019, 2020, 2021."""
    steps = {after - before for before, after in itertools.pairwise(counted)}
    if len(steps) != 1 or min(steps) < 1:
        return False
    below = [text for values, counts in zip(columns, numeric, strict=True) if counts for text in values]
    if counted[0] == 0:
        return steps == {1} and len(counted) > 2 and any("." in text for text in below)
    years = (text for text in below if text.strip().isdecimal() and 1900 <= int(text) <= 2100)
    return 1900 <= counted[0] <= counted[-1] <= 2100 and next(years, None) is None


def units_of(body: list[list[str]]) -> list[str]:
    """Return the fields of a row of units: texts above columns that hold numbers from the next row on."""
    if len(body) < 3:
        return []
    units = []
    for i, text in enumerate(body[0]):
        values = [row[i] for row in body[1 : SAMPLE + 1] if i < len(row) and not is_missing(row[i])]
        numeric = _kind(values) != ""
        if (numeric and is_value(text)) or (not numeric and text in values):
            return []
        units += [text.strip()] if numeric and not is_missing(text) else []
    return units
