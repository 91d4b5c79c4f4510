"""The options that data take, defined once: each is a keyword of `load_dataset` and a flag of the command line."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from narrows.errors import ConfigError

_WORDS = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True)
class Option:
    """An option of readers of files, or of all data."""

    help: str
    """What it does, for help texts and documentation."""
    metavar: str
    """What its value is, as help shows it; a SWITCH needs none."""

    def parse(self, name: str, text: str) -> Any:
        """Return the value that a text on the command line stands for; what names columns stays as it is written."""
        if self.metavar in ("YES|NO", "SWITCH"):
            if text.lower() not in _WORDS:
                raise ConfigError(f"load_dataset: {name} must be yes or no; got {text!r}.")
            return _WORDS[text.lower()]
        if self.metavar in ("INT", "SHARE|ROWS|FILE", "PIXELS"):
            return plain(text)
        return text


OPTIONS = {
    "label": Option("Column of the labels, by name or number (-1 is the last); or array of labels.", "COLUMN"),
    "drop": Option("Columns to leave out, by name or number, separated by commas.", "COLUMNS"),
    "id": Option("Column that tells the rows apart; what is written carries it. It is no feature.", "COLUMN"),
    "columns": Option("Use these columns only, in this order, separated by commas.", "COLUMNS"),
    "split_column": Option("Column that says train, validation or test for each row.", "COLUMN"),
    "missing": Option("Further codes of missing values, such as -200 or n.d., separated by commas.", "CODES"),
    "header": Option("Whether the first row names the columns. Default: decided by all rows, and said.", "YES|NO"),
    "delimiter": Option("What separates fields: , ; tab | or space. Default: what splits all rows alike.", "CHAR"),
    "decimal": Option("The decimal sign, . or a comma. Default: recognised.", "CHAR"),
    "encoding": Option("Of a text file. Default: UTF-8 or UTF-16, else Windows-1252 (Latin-1).", "NAME"),
    "skip": Option("Lines to leave out at the beginning of a text file.", "INT"),
    "sheet": Option("Sheet of a workbook, by name or number. Default: the first.", "NAME"),
    "variable": Option("Array of the samples, where a file holds several.", "NAME"),
    "labels": Option("Labels in a second file: one a row, or a table with the rows' ids.", "FILE"),
    "transpose": Option("Samples are the columns of the table or matrix.", "SWITCH"),
    "memory_map": Option("Leave the rows of a .npy file on disk. Default: from 256 MiB on.", "YES|NO"),
    "size": Option("Height and width to bring images to: 64, or 64x48.", "PIXELS"),
    "mode": Option("Of images: grey, rgb, or auto.", "NAME"),
    "strict": Option("Refuse malformed images instead of leaving them out.", "SWITCH"),
    "test": Option(
        "Test rows: a share, a number of rows, or another file. Default: 0.2, or the test part of the data.",
        "SHARE|ROWS|FILE",
    ),
    "limit": Option("Use only the first so many training rows.", "INT"),
    "shape": Option("Of a sample: table, sequence, image, or sizes such as 28x28.", "SHAPE"),
    "shuffle": Option("Draw test and validation rows at random. Default: yes, but not of series.", "YES|NO"),
    "window": Option("Cut the rows, in their order, into sequences of so many.", "INT"),
    "stride": Option("Rows from one window to the next. Default: a window's length.", "INT"),
}  # fmt: skip
"""The options of data by name, but for `seed`, `validation`, and those of single data sets such as `noise`."""


def plain(text: str) -> Any:
    """Return what a text says: a whole number, a number, true, false or none, or the text."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    kinds: tuple[Callable[[str], Any], ...] = (int, float)
    for kind in kinds:
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def whole_number(name: str, value: Any, low: int, high: float = math.inf, *, owner: str = "load_dataset") -> int:
    """Return a whole number within its bounds, or raise ConfigError."""
    if isinstance(value, numbers.Integral) and not isinstance(value, bool) and low <= int(value) <= high:
        return int(value)
    bounds = f"of {low:,} or more" if math.isinf(high) else f"from {low:,} to {high:,}"
    raise ConfigError(f"{owner}: {name} must be a whole number {bounds}; got {value!r}.")


def share(name: str, value: Any, *, zero: bool = False) -> float:
    """Return a share of the rows in (0, 1), or [0, 1) with `zero`, or a number of rows; anything else is an error."""
    if isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= (0 if zero else 1):
        return int(value)
    known = not isinstance(value, bool) and isinstance(value, numbers.Real)
    if known and (0 < value < 1 or (zero and value == 0)):
        return float(value)
    bounds = "[0, 1)" if zero else "(0, 1)"
    raise ConfigError(
        f"load_dataset: {name} must be a share of the rows in {bounds}, or a whole number of rows; got {value!r}."
    )
