"""Text files of tables: encoding, comments, what separates fields, and which row names the columns."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from narrows.data.options import whole_number
from narrows.data.readers.checks import Readable, check_expansion, unsound
from narrows.data.readers.columns import is_number, is_value
from narrows.data.readers.header import SAMPLE, SHARE, is_header, units_of
from narrows.errors import ConfigError, DataError

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"),
          (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # fmt: skip
_CONTROL = re.compile("[\0-\x08\x0e-\x1b]")
_COMMENTS = ("#", "%", "//")
_DELIMITERS = (",", ";", "\t", "|", " ")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "blanks"}
_LOOK = 60
"""Lines that are looked at to find out what separates fields."""


@dataclass
class Rows:
    """The rows of a text file, all with as many fields as there are names."""

    names: list[str]
    body: list[list[str]]
    named: bool
    """Whether the file names the columns."""
    delimiter: str
    notes: list[str] = field(default_factory=list)
    """What was decided, each in a phrase."""


def read_text(stream: Readable, path: Path, encoding: str | None) -> tuple[str, str]:
    """Return the text of a file and its encoding; DataError where it is no text."""
    content = bytearray()
    packed = path.stat().st_size
    while chunk := stream.read(2**20):
        content += chunk
        if len(content) > packed:  # only packed files can give more than the file holds
            check_expansion(str(path), packed, len(content))
    encoding = encoding or encoding_of(bytes(content[: 2**16]), path)
    try:
        text = content.decode(encoding)
    except LookupError:
        raise ConfigError(f"load_dataset: encoding must be one that Python knows; got {encoding!r}.") from None
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise unsound(path, f"be text in {encoding}; got: {error}. Name its encoding=.") from error
        encoding = "cp1252"
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            text = content.decode("latin-1")
    text = text.rstrip("\x1a\r\n")  # as DOS ends files
    check_control(text, path)
    return text, {"utf-8-sig": "UTF-8", "utf-8": "UTF-8", "cp1252": "Windows-1252"}.get(encoding, encoding)


def check_control(text: str, path: Path) -> None:
    """Raise DataError where there is a control character, which no text has."""
    if found := _CONTROL.search(text):
        raise unsound(path, f"be a text file; got the control character {found[0]!r} in it.")


def encoding_of(start: bytes, path: Path) -> str:
    """Return the encoding that the first bytes of a text tell; utf-8 where they tell none."""
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    zeros = np.frombuffer(start[: len(start) // 2 * 2], np.uint8).reshape(-1, 2) == 0
    even, odd = zeros.mean(0) if len(zeros) else (0, 0)
    if odd > 0.4 and not even:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 and not odd else "utf-8"


def rows_of(
    text: str,
    path: Path,
    *,
    header: bool | None,
    delimiter: str | None,
    decimal: str | None,
    skip: int,
    transpose: bool,
) -> Rows:
    """Return the rows of a text, and what was decided on the way."""
    lines = text.splitlines(keepends=True)[whole_number("skip", skip, 0) :]
    leading: list[str] = []
    kept: list[str] = []
    for line in lines:
        if is_comment(line):
            leading += [] if kept else [line.strip()]
        elif line.strip():
            kept.append(line)
    if not kept:
        raise unsound(path, "hold rows of numbers; got an empty file.")
    comments = sum(map(is_comment, lines))
    notes = [f"{comments} comment line{'s' if comments > 1 else ''} left out"] if comments else []
    delimiter = {"tab": "\t", "space": " ", "\\t": "\t"}.get(delimiter or "", delimiter or "")
    if len(delimiter) > 1:
        raise ConfigError(f"load_dataset: delimiter must be one character, tab or space; got {delimiter!r}.")
    delimiter = delimiter or _delimiter_of(kept[:_LOOK], decimal)
    if delimiter != "\n":
        notes.insert(0, f"fields separated by {_NAMES.get(delimiter, repr(delimiter))}")
    comment = leading[-1].lstrip("#%/ ") if leading else ""
    names = next(iter(_records(comment, delimiter)), []) if comment else []
    whole = _records("".join(kept), delimiter)
    return table_rows(whole, path, header=header, transpose=transpose, names=names, delimiter=delimiter, notes=notes)


def table_rows(
    whole: list[list[str]], path: Path, *, header: bool | None, transpose: bool, names: list[str] | None = None,
    delimiter: str = ",", notes: list[str] | None = None,
) -> Rows:  # fmt: skip
    """Return the table within rows of fields: without what stands before it, empty columns at its end, and its names.

    `names` are those that a comment line before the table may hold.
    """
    notes = [] if notes is None else notes
    if not whole:
        raise unsound(path, "hold rows of numbers; got none.")
    rows = _without_preamble(whole)
    if len(rows) < len(whole):
        notes.append(f"{len(whole) - len(rows)} lines before the table left out, which have fewer fields")
    width = max(map(len, rows))
    rows = _trimmed(rows)
    if (empty := width - max(map(len, rows))) > 0:
        notes.append(f"{empty} empty column{'s' if empty > 1 else ''} at the end left out")
    if transpose and len({len(row) for row in rows}) == 1:
        rows = [list(column) for column in zip(*rows, strict=True)]
    return _named(rows, names or [], header, delimiter, notes, path)


def is_comment(line: str) -> bool:
    """Return whether a line is a comment."""
    return line.lstrip().startswith(_COMMENTS)


def records(lines: Iterable[str], delimiter: str, *, strict: bool = True) -> Iterator[list[str]]:
    """Yield the fields of the rows in lines, one row from several where a quoted field holds line breaks."""
    if delimiter == "\n":
        yield from ([line.strip()] for line in lines if line.strip())
        return
    if delimiter == " ":
        rows = csv.reader((" ".join(line.split()) for line in lines), delimiter=" ", strict=strict)
    else:
        # Blanks before a quote are part of how some programs separate fields.
        rows = csv.reader(lines, delimiter=delimiter, strict=strict, skipinitialspace=delimiter != "\t")
    yield from (row for row in rows if any(map(str.strip, row)))


def _records(content: str, delimiter: str, *, strict: bool = True) -> list[list[str]]:
    lines = content.splitlines() if delimiter in ("\n", " ") else io.StringIO(content, newline="")
    return list(records(lines, delimiter, strict=strict))


def _delimiter_of(lines: list[str], decimal: str | None) -> str:
    """Return what splits the first rows alike, into as many numbers as can be; a line break where nothing does."""
    best, most = "\n", (0.0, 0.0, 0)
    for delimiter in _DELIMITERS:
        if delimiter == decimal or (delimiter == "," and decimal is None and _decimals(lines)):
            continue
        rows = _records("".join(lines), delimiter, strict=False)
        counts = [len(row) for row in rows[len(rows) // 3 :]]
        width, alike = Counter(counts).most_common(1)[0] if counts else (0, 0)
        if width < 2 or 2 * alike < len(counts):
            continue
        fields = [text for row in rows[len(rows) // 3 :] for text in row[:50]]
        score = (round(float(np.mean([is_value(text) for text in fields])), 2), min(alike / len(counts), SHARE), width)
        if score > most and not (best == "\t" and score[0] <= most[0]):  # blanks would part what tabs hold together
            best, most = delimiter, score
    return best


def _decimals(lines: list[str]) -> bool:
    """Return whether commas are decimal signs of a single column: 20,00 and 20,01 under one name or none."""
    pairs = [line.strip().split(",") for line in lines]
    body = pairs[1:] if len(pairs[0]) == 1 else pairs
    whole = all(len(pair) == 2 and pair[0].lstrip("+-").isdigit() and pair[1].isdigit() for pair in body)
    if len(body) < 2 or not whole:
        return False
    zeros = any(len(pair[1]) > 1 and pair[1].startswith("0") for pair in body)
    return len(pairs[0]) == 1 or (zeros and len({len(pair[1]) for pair in body}) == 1)


def _without_preamble(rows: list[list[str]]) -> list[list[str]]:
    """Return the rows without those at the beginning that have fewer fields than the table, such as a title."""
    width = Counter(map(len, rows[-SAMPLE:])).most_common(1)[0][0]
    start = 0
    while start < len(rows) - 2 and len(rows[start]) < width and not all(map(is_value, rows[start])):
        # One name fewer than there are fields is how R writes tables whose rows have names.
        if len(rows[start]) == width - 1 and not is_header(rows[start + 1], rows[start + 2 :])[0]:
            break
        start += 1
    return rows[start:]


def _trimmed(rows: list[list[str]]) -> list[list[str]]:
    """Return the rows without fields at their end that no row fills."""
    width = max(map(len, rows))
    while width > 1 and not any(row[width - 1].strip() for row in rows if len(row) >= width):
        width -= 1
        rows = [row[:width] for row in rows]
    return rows


def _named(
    rows: list[list[str]], names: list[str], header: bool | None, delimiter: str, notes: list[str], path: Path
) -> Rows:
    first, body = rows[0], rows[1:]
    if header is not False and body and len(first) > 0 and all(len(row) == len(first) + 1 for row in body):
        first = ["", *first]  # R's write.table names no column for the names of rows
    reason = "as asked for"
    if header is None:
        header, reason = is_header(first, body)
        if not header and len(names) == len(first) and not any(map(is_number, names)):
            first, body, header, reason = names, rows, True, "in the last comment line, one name for each field"
    notes.insert(0, f"header: {'yes' if header else 'no'}, {reason}")
    if not header:
        body, first = rows, [str(i) for i in range(len(first))]
    if not body:
        raise unsound(path, "hold rows of numbers; got only a header.")
    if header and (units := units_of(body)):
        notes.append(f"a row of units left out: {', '.join(units)}")
        body = body[1:]
    for number, row in enumerate(body, start=1):
        if len(row) != len(first):
            raise uneven(path, len(first), row, number, delimiter, " after the header" if header else "")
    return Rows([name.strip() for name in first], body, bool(header), delimiter, notes)


def uneven(path: Path, width: int, row: list[str], number: int, delimiter: str, after: str = "") -> DataError:
    """Return the error of a row that has other fields than the table."""
    shown = delimiter.join(row)
    return DataError(
        f"load_dataset: every row of {str(path)!r} must have {width} fields; got {len(row)} in row {number}{after}: "
        f"{shown[:120]!r}. Mend that row, name the delimiter=, or leave out the lines before the table with skip=."
    )
