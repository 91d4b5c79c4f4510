"""Long text files of tables, read some rows at a time, by what their beginning says of the whole."""

from __future__ import annotations

import codecs
import contextlib
import io
import itertools
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from narrows.data.readers import text
from narrows.data.readers.checks import opened, reading
from narrows.data.readers.columns import Column, column_of_texts, decimal_sign
from narrows.data.readers.table import Table
from narrows.data.readers.tables import codes_of, table_of_text

HEAD = 1000
"""Lines of the beginning."""
LONGEST = 2**24
"""Characters of the beginning at most."""
OPTIONS = {"missing", "decimal", "delimiter", "encoding", "header"}
"""Options with which a text is read so; others need all of it."""


@dataclass(frozen=True)
class LongText:
    """A text file whose rows are read again and again, and never held."""

    path: Path
    encoding: str
    delimiter: str
    decimal: str
    codes: frozenset[str]
    """Of missing values; see `codes_of`."""
    names: tuple[str, ...]
    """Of the columns, as many as every row has fields."""
    before: int
    """Rows before the first of the table: its header, for the most part."""

    def parts(self, start: int, size: int) -> Generator[list[list[str]], None, None]:
        """Yield the fields of the rows from `start` on, `size` rows at a time; what stands before is passed over.

        Raises: DataError where a row has other fields, or the file is no sound text.
        """
        with contextlib.ExitStack() as stack:
            with reading(self.path):
                lines = lines_of(stack.enter_context(opened(self.path)), self.encoding, self.path)
                rows = itertools.islice(self._checked(lines), start, None)
            while True:
                with reading(self.path):
                    part = list(itertools.islice(rows, size))
                if not part:
                    return
                yield part

    def column(self, name: str, texts: list[str]) -> Column:
        """Return fields of a column as the readers of whole files do."""
        return column_of_texts(name, texts, self.codes, self.decimal)

    def _checked(self, lines: Iterator[str]) -> Iterator[list[str]]:
        rows = itertools.islice(text.records(without_comments(lines), self.delimiter), self.before, None)
        for number, row in enumerate(rows, start=1):
            if len(row) != len(self.names):
                raise text.uneven(self.path, len(self.names), row, number, self.delimiter)
            yield row


def long_text(path: Path, options: Mapping[str, Any]) -> tuple[LongText, Table] | None:
    """Return a file as a text that is read in parts, and its beginning as a table.

    None where rows stand in it otherwise than in the text, as with empty columns at its end.

    Raises: DataError where the beginning is no table.
    """
    options = {name: value for name, value in options.items() if value is not None}
    encoding, header = options.pop("encoding", None) or _encoding_of(path), options.get("header")
    with reading(path), opened(path) as stream:
        head = _head(lines_of(stream, encoding, path))
    table = table_of_text(head, path, **options)
    form = text.rows_of(
        head, path, header=header, delimiter=options.get("delimiter"), decimal=options.get("decimal"), skip=0,
        transpose=False,
    )  # fmt: skip
    raw = list(text.records(without_comments(io.StringIO(head, newline="")), form.delimiter))
    before = len(raw) - len(form.body)
    if raw[before:] != form.body:
        return None
    fields = [list(column) for column in zip(*form.body, strict=True)]
    decimal = options.get("decimal") or decimal_sign(fields, form.delimiter)
    codes = codes_of(options.get("missing"))
    return LongText(path, encoding, form.delimiter, decimal, codes, tuple(table.names), before), table


def lines_of(stream: Any, encoding: str, path: Path) -> Iterator[str]:
    """Yield the lines of a stream, with their ends; DataError where one is no text."""
    with io.TextIOWrapper(cast(IO[bytes], stream), encoding, newline="") as lines:
        for line in lines:
            kept = line.removesuffix("\x1a")  # as DOS ends files
            text.check_control(kept, path)
            if kept:
                yield kept


def without_comments(lines: Iterator[str] | io.StringIO) -> Iterator[str]:
    """Yield lines that are no comments."""
    return (line for line in lines if not text.is_comment(line))


def _head(lines: Iterator[str]) -> str:
    """Return the beginning of a text, to the end of a record."""
    head = "".join(itertools.islice(lines, HEAD))
    quotes = head.count('"')
    while quotes % 2 and len(head) < LONGEST and (line := next(lines, None)) is not None:
        head, quotes = head + line, quotes + line.count('"')
    return head.rstrip("\r\n")


def _encoding_of(path: Path) -> str:
    """Return the encoding of a text, all of which is looked at, as the reader of whole files finds it."""
    with reading(path), opened(path) as stream:
        start = stream.read(2**16)
    encoding = text.encoding_of(start, path)
    for name in (encoding, "cp1252") if encoding == "utf-8" else ():
        if _is_in(path, name):
            return name
    return "latin-1" if encoding == "utf-8" else encoding


def _is_in(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with reading(path), opened(path) as stream:
        try:
            while chunk := stream.read(2**20):
                decoder.decode(chunk)
            decoder.decode(b"", True)
        except UnicodeDecodeError:
            return False
    return True
