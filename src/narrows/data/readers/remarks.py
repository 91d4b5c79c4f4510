"""What is to be said of the columns of a table: which cannot be used, and values that may not be what they seem."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from narrows.data.readers.columns import Column


def unusable_columns(path: Path, columns: list[Column], count: int) -> str:
    """Return the message of columns that are not numeric, all of them, with what can be done."""
    names = ",".join(f'"{column.name}"' if "," in column.name else column.name for column in columns)
    first = columns[0].name
    what = ", ".join(f"column {column.name!r}: {_content(column)}" for column in columns[:12])
    what += f" and {len(columns) - 12} more" if len(columns) > 12 else ""
    advice = [f"Leave {'it' if len(columns) == 1 else 'them'} out with drop={names!r}"]
    texts = [column for column in columns if column.kind == "text" and not column.other]
    if texts:  # the one with the fewest levels is the likeliest, and of these the last
        label = min(reversed(texts), key=lambda column: len(np.unique(column.values))).name
        advice.append(f"make {'it' if len(columns) == 1 else 'one'} the labels with label={label!r}")
    key = next((column.name for column in columns if column.kind == "times" or _unique(column)), None)
    advice += (
        [] if key is None else [f"make {'it' if len(columns) == 1 else 'one'} the ids of the rows with id={key!r}"]
    )
    if code := next((text for column in columns for text in column.other.values()), None):
        advice.append(f"say what is missing with missing={code!r}")
    alone = f"column {first!r} of {str(path)!r} must be numeric; got {_content(columns[0])}."
    several = (
        f"all features of {str(path)!r} must be numeric; got {len(columns)} columns of {count} that are not: {what}."
    )
    text = ", or ".join(advice) if len(advice) < 3 else ", ".join(advice[:-1]) + f", or {advice[-1]}"
    return f"load_dataset: {alone if len(columns) == 1 else several} {text}."


def _unique(column: Column) -> bool:
    return column.kind == "text" and not column.other and len(np.unique(column.values)) == len(column.values)


def _content(column: Column) -> str:
    """Return what a column that is no feature holds."""
    if column.other:
        row, text = next(iter(column.other.items()))
        more = f" and {len(column.other) - 1} more" if len(column.other) > 1 else ""
        return f"numbers, but {shortened(text)!r} in row {row + 1}{more}"
    texts = column.values.tolist()
    row, first = next(((i, text) for i, text in enumerate(texts) if text), (0, ""))
    if column.kind == "times":
        return f"times, such as {first!r}"
    levels = len(set(texts))
    return f"text, {shortened(str(first))!r} in row {row + 1}" + (f", {levels} different ones" if levels > 1 else "")


def sentinel(column: Column) -> str | None:
    """Return what to say of a value such as -999 that is far from the others and comes often; else None."""
    if column.kind != "numbers" or column.values.ndim > 1:
        return None
    values = column.values[np.isfinite(column.values)]
    for code in (values.min(), values.max()) if len(values) else ():
        rest = values[values != code]
        times = len(values) - len(rest)
        plain = code == round(code) and re.fullmatch(r"-?(9{2,}|\d00|1)|-1", f"{code:.0f}") and code not in (1, 100)
        if times < 2 or not plain or len(np.unique(rest)) < 3:
            continue
        low, high = float(rest.min()), float(rest.max())
        if min(abs(code - low), abs(code - high)) > max(high - low, 1e-9) or (code < 0 <= low and code <= -99):
            return f"{code:g} in {times:,} rows, apart from {low:g} to {high:g}: if it means missing, missing={code:g}"
    return None


def dates(column: Column) -> str | None:
    """Return what to say of dates that are written as numbers, such as 20240131; else None."""
    if column.kind != "numbers" or column.values.ndim > 1 or column.missing:
        return None
    values = column.values
    if not ((values >= 19000101) & (values <= 21001231) & (values == np.round(values))).all():
        return None
    month, day = values // 100 % 100, values % 100
    if not ((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all():
        return None
    return f"dates as numbers: if they are no quantity, drop={column.name!r} or id={column.name!r}"


def listed(items: Sequence[str], most: int = 8) -> str:
    """Return items separated by commas; beyond `most` their number."""
    return ", ".join(items[:most]) + (f", and {len(items) - most} more" if len(items) > most else "")


def shortened(text: str) -> str:
    """Return a text of at most 120 characters."""
    return text if len(text) <= 120 else text[:117] + "..."
