"""Rows of a large text file, such as CSV, which are read some lines at a time.

The file's beginning says what separates fields, how decimals are written and whether the first row is a header, and
every part is read by the readers of whole files, below that header.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from narrows.cli.arguments import Source
from narrows.cli.rows import Rows
from narrows.cli.samples import Samples
from narrows.data import RowIds
from narrows.data.alike import chosen_columns
from narrows.data.readers import text
from narrows.data.readers.tables import table_of_text
from narrows.errors import DataError
from narrows.runs import Run
from narrows.runs.dataset import form_of

LARGE = 2**26
"""Bytes from which on a file is read in parts."""
HEAD = 1000
"""Lines of the beginning."""
ENDINGS = (".csv", ".tsv")
OF_TEXT = {"missing", "decimal", "delimiter"}
"""Options with which a text is read in parts; others need all of it."""
LONGEST = 2**24
"""Characters of a record, in which a quoted field may hold line breaks."""


@dataclass
class TextRows(Rows):
    """Rows of a text file, whose columns are those of a model."""

    path: Path = field(default_factory=Path)
    header: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    others: dict[str, str] = field(default_factory=dict)

    def parts(self, start: int, size: int) -> Generator[Samples, None, None]:
        """Yield rows from `start` on; what stands before them is read, and passed over."""
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            records = records_of(file, self.path)
            next(records)
            rest = itertools.islice(records, start, None)
            while lines := list(itertools.islice(rest, size)):
                yield self._samples("".join(lines), start)
                start += len(lines)

    def _samples(self, lines: str, first: int) -> Samples:
        table = table_of_text(self.header + lines, self.path, header=True, **self.options)
        data = chosen_columns(table, self.columns, self.others, len(self.columns))
        if data.typed:
            raise DataError(f"encode: rows must hold numbers; got others in rows {first:,} and on of {self.path.name}.")
        rows = first + np.arange(len(data.train))
        ids = data.ids("train")
        known = ids.name if ids.name in self.others else "row"
        return Samples("", data.train, data.train_labels, RowIds(known, rows if known == "row" else ids.values, rows))


def records_of(lines: Iterator[str], path: Path) -> Iterator[str]:
    """Yield the records of a text, of one line or of several where a quoted field holds line breaks; no empty ones."""
    held = ""
    for line in lines:
        held += line
        if held.count('"') % 2:
            if len(held) > LONGEST:
                raise DataError(f"{path}: quotes must come in pairs; one is not closed. Remove it.")
            continue
        if held.strip():
            yield held if held.endswith("\n") else held + "\n"
        held = ""
    if held.strip():
        yield held


def text_rows(run: Run, source: Source) -> TextRows | None:
    """Return the rows of a text file that is read in parts for a run; None where it is read as a whole.

    Read in parts are files from 64 MB on, in UTF-8 and with a header, of models of numbers: of columns with types and
    of labels that are classes, all of a file says what they are.
    """
    path, schema = Path(source.data or ""), run.schema
    recorded = run.record["data"]
    columns = recorded.get("columns") or (None if schema is None or schema.columns is None else list(schema.columns))
    whole = source.data is None or path.suffix.lower() not in ENDINGS or not path.is_file()
    if whole or path.stat().st_size < LARGE or source.split not in (None, "all") or columns is None:
        return None
    options = {**form_of(run), **source.options}
    if schema is None or schema.kind != "table" or schema.types is not None or options.keys() - OF_TEXT:
        return None
    others = dict(recorded.get("other_columns") or {})
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = list(itertools.islice(records_of(file, path), HEAD))
            form = text.rows_of(
                "".join(head), path, header=None, delimiter=options.get("delimiter"), decimal=options.get("decimal"),
                skip=0, transpose=False,
            )  # fmt: skip
            table = table_of_text("".join(head), path, **options)
            data = chosen_columns(table, columns, others, len(columns))
            count = len(head) - 1 + sum(1 for _ in records_of(file, path))
    except (UnicodeDecodeError, DataError):
        return None  # read as a whole, it says what is wrong
    if not table.named or data.typed or data.label_names is not None or len(data.train) != len(head) - 1:
        return None
    told = {**options, "decimal": "," if "decimal commas" in table.notes else ".", "delimiter": form.delimiter}
    if (id_ := data.ids("train").name) in table.names:
        others[id_] = "id"
    stamp = path.stat()
    identity = {
        "data": str(path.absolute()), "options": options, "rows": count, "columns": columns,
        "file": [stamp.st_size, stamp.st_mtime_ns],
    }  # fmt: skip
    what = f"{count:,} samples"
    return TextRows(
        count, identity, None, what, path=path, header=head[0], options=told, columns=columns, others=others
    )
