"""Columns of tables: what their values are, and texts as numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.data.readers.arrays import sequences

MISSING = frozenset({
    "", "na", "n/a", "nan", "null", "none", "nil", "?", "-", "--", ".", "<na>", "nat", "#n/a", "#na", "#null!",
    "#div/0!", "#value!", "#ref!", "#num!", "#name?",
})  # fmt: skip
"""Texts, in small letters, that stand for a missing value."""
_TRUTH = ({"true": 1.0, "false": 0.0}, {"yes": 1.0, "no": 0.0})
_THOUSANDS = {  # of each decimal sign: whole groups of three digits
    ".": re.compile(r"[-+]?[1-9]\d{0,2}([,'\u00a0\u202f ])\d{3}(\1\d{3})*(\.\d*)?"),
    ",": re.compile(r"[-+]?[1-9]\d{0,2}([.'\u00a0\u202f ])\d{3}(\1\d{3})*(,\d*)?"),
}
_DECIMAL_COMMA = re.compile(r"[-+]?(\d+,\d*|,\d+)([eE][-+]?\d+)?")
_DATE = re.compile(r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2}))([T ,].*)?")
_TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?")
_SIGNS = "$€£¥"
_LAYOUTS = tuple(
    f"{day}{time}"
    for day in ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%y", "%m/%d/%y")
    for time in ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
)


@dataclass
class Column:
    """One column of a table, with what its values are."""

    name: str
    kind: str
    """numbers, yes/no, text, times, vectors, sequences, or empty."""
    values: Array
    """(N,) float64 with NaN for missing values; (N,) texts; of vectors (N, L); of sequences (N,) objects (T, D)."""
    missing: int = 0
    """Values that are missing."""
    codes: Counter[str] = field(default_factory=Counter)
    """How often each text stood for a missing value."""
    other: dict[int, str] = field(default_factory=dict)
    """Of text that is numbers for the most part: what is not, by row."""
    notes: list[str] = field(default_factory=list)
    """What was done to read it, such as percent signs that were left out."""

    @property
    def usable(self) -> bool:
        """Whether it can be a feature."""
        return self.kind in ("numbers", "yes/no", "vectors", "sequences")

    def range(self) -> str:
        """Return what the values range over, in words."""
        if self.kind in ("numbers", "yes/no"):
            return f"{np.nanmin(self.values):.6g} to {np.nanmax(self.values):.6g}"
        if self.kind == "vectors":
            return f"{'x'.join(map(str, self.values.shape[1:]))} values each"
        if self.kind == "sequences":
            lengths = [len(value) for value in self.values]
            return f"{min(lengths):,} to {max(lengths):,} steps of {self.values[0].shape[1]}"
        if self.kind == "empty":
            return ""
        if self.kind == "times":
            return f"{self.values[0]} to {self.values[-1]}"
        levels, counts = np.unique(self.values, return_counts=True)
        first = [str(level)[:20] for level in levels[np.argsort(-counts, kind="stable")][:3]]
        return f"{len(levels):,} different: {', '.join(first)}{', ...' if len(levels) > 3 else ''}"


def is_missing(text: str) -> bool:
    """Return whether a field stands for a missing value."""
    return text.strip().lower() in MISSING


def is_number(text: str) -> bool:
    """Return whether a field is a number as programs write it; 1_000 is a name."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def is_time(text: str) -> bool:
    """Return whether a field is a date or a time of day."""
    text = text.strip()
    return bool(_DATE.fullmatch(text) or _TIME.fullmatch(text))


def kind_of(text: str) -> str:
    """Return what a field is: number, in any usual way of writing, yes/no, time, or an empty text for none of these."""
    text = text.strip()
    if is_number(text) or number_of(text, ".") is not None or number_of(text, ",") is not None:
        return "number"
    if any(text.lower() in words for words in _TRUTH):
        return "yes/no"
    return "time" if is_time(text) else ""


def is_value(text: str) -> bool:
    """Return whether a field is a number, yes/no or a time."""
    return kind_of(text) != ""


def number_of(text: str, decimal: str) -> float | None:
    """Return a number with thousands, a percent or currency sign or a decimal comma; None for what is none."""
    text = text.strip().strip(_SIGNS).removesuffix("%").strip().replace("\u2212", "-")
    if is_number(text) and not (decimal == "," and _THOUSANDS[","].fullmatch(text)):
        return float(text)
    if match := _THOUSANDS[decimal].fullmatch(text):
        text = text.replace(match[1], "")
    elif decimal == "," and not _DECIMAL_COMMA.fullmatch(text):
        return None
    text = text.replace(",", ".") if decimal == "," else text
    return float(text) if is_number(text) else None


def decimal_sign(columns: Sequence[Sequence[str]], delimiter: str) -> str:
    """Return the decimal sign of a table's fields: a comma where one of them can be nothing else."""
    thousands = False
    for texts in columns:
        with_comma = [text.strip().strip(_SIGNS).removesuffix("%") for text in texts if "," in text]
        numeric = [text for text in with_comma if _DECIMAL_COMMA.fullmatch(text) or _THOUSANDS[","].fullmatch(text)]
        if any(not _THOUSANDS["."].fullmatch(text) for text in numeric):
            return ","
        thousands = thousands or bool(numeric)
    # Groups of three digits alone: whoever separates fields by something other than a comma writes decimals with it.
    return "," if thousands and delimiter != "," else "."


def column_of_texts(name: str, texts: list[str], codes: frozenset[str], decimal: str) -> Column:
    """Return a column of the fields of a text file."""
    numeric_codes = [float(code) for code in codes if is_number(code)]
    if decimal == "." or not any("." in text for text in texts):
        try:
            if "_" in "".join(texts):  # 1_000 is a name, though Python reads it as a number
                raise ValueError
            values = np.array(texts, dtype=np.float64)  # numpy reads whole columns of plain numbers fastest
        except ValueError:
            pass
        else:
            return _numbers(name, values, numeric_codes)
    values, gaps, missing = np.full(len(texts), np.nan), np.zeros(len(texts), bool), Counter[str]()
    other: dict[int, str] = {}
    signs = False
    for i, text in enumerate(texts):
        bare = text.strip()
        number = None if bare.lower() in MISSING or bare.lower() in codes else number_of(bare, decimal)
        if number is not None and number in numeric_codes:
            number = None
            missing[bare] += 1
            gaps[i] = True
        elif number is not None:
            values[i] = number
            gaps[i] = number != number
            signs = signs or "%" in bare or bare[:1] in _SIGNS or bare[-1:] in _SIGNS
        elif bare.lower() in MISSING or bare.lower() in codes:
            missing[bare] += 1
            gaps[i] = True
        else:
            other[i] = bare
    count = int(gaps.sum())
    notes = [f"{name!r}: percent or currency signs left out"] if signs else []
    if not other:
        return Column(name, "numbers" if count < len(texts) else "empty", values, count, missing, notes=notes)
    words = {text.lower() for text in other.values()}
    if len(other) + count == len(texts):
        for truth in _TRUTH:
            if words <= truth.keys():
                values = np.array([truth.get(text.strip().lower(), np.nan) for text in texts])
                return Column(name, "yes/no", values, count, missing)
        written = np.array([text.strip() for text in texts], dtype=np.str_)
        kind = "times" if all(map(is_time, other.values())) else "text"
        return Column(name, kind, written, count, missing)
    few = other if len(other) < 0.5 * (len(texts) - count) else {}
    return Column(name, "text", np.array([text.strip() for text in texts], dtype=np.str_), count, missing, few)


def _numbers(name: str, values: Array, codes: Sequence[float]) -> Column:
    """Return a column of numbers, those that stand for a missing value set to NaN."""
    missing = Counter[str]()
    for code in codes:
        if count := int((values == code).sum()):
            missing[f"{code:g}"] = count
            values = np.where(values == code, np.nan, values)
    gaps = int(np.isnan(values).sum())
    return Column(name, "numbers" if gaps < len(values) else "empty", values, gaps, missing)


def column_of_values(name: str, values: Sequence[Any], codes: frozenset[str]) -> Column:
    """Return a column of Python values, as JSON and workbooks hold them: numbers, texts, truth values, times, lists."""
    if any(isinstance(value, list | tuple | np.ndarray) for value in values):
        return column_of_lists(name, values)
    return column_of_texts(name, [as_field(value) for value in values], codes, ".")


def as_field(value: Any) -> str:
    """Return a value as a field of a text file."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def column_of_lists(name: str, values: Sequence[Any]) -> Column:
    """Return a column of lists of numbers: vectors where all are of one shape, sequences where they are not."""
    try:
        arrays = [np.asarray([] if value is None else value, np.float64) for value in values]
    except (TypeError, ValueError):
        return Column(name, "text", np.array([str(value) for value in values], dtype=np.str_))
    filled = [array for array in arrays if array.size]
    if len({array.ndim for array in arrays if array.size}) != 1:
        return Column(name, "text", np.array([str(value) for value in values], dtype=np.str_))
    shape = filled[0].shape
    if all(array.shape == shape or not array.size for array in arrays):
        gap = np.full(shape, np.nan)
        stacked = np.stack([array if array.size else gap for array in arrays])
        return Column(name, "vectors", stacked, len(arrays) - len(filled))
    return Column(name, "sequences", sequences([a if a.ndim > 1 else a.reshape(-1, 1) for a in arrays]))


def times_of(texts: Array) -> Array | None:
    """Return times as datetime64, or None where they are not all written in one way that is known."""
    try:
        return np.array([text.replace("/", "-").rstrip("Z") for text in texts], dtype="datetime64[us]")
    except ValueError:
        pass
    try:
        return np.array([datetime.fromisoformat(text).replace(tzinfo=None) for text in texts], dtype="datetime64[us]")
    except ValueError:
        pass
    for layout in _LAYOUTS:
        try:
            return np.array([datetime.strptime(text, layout) for text in texts], dtype="datetime64[us]")
        except ValueError:
            continue
    return None
