"""Tables of text files, workbooks and JSON: read into columns, and from there a data set; see `Table`."""

from __future__ import annotations

import inspect
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from narrows.data.dataset import Dataset
from narrows.data.readers.checks import check_regular, needed, opened, reading, unsound, zip_members
from narrows.data.readers.columns import as_field, column_of_texts, column_of_values, decimal_sign
from narrows.data.readers.parts import joined, row_ids, text_files
from narrows.data.readers.table import Table
from narrows.data.readers.text import Rows, read_text, rows_of, table_rows
from narrows.errors import ConfigError, did_you_mean


def codes_of(missing: Any) -> frozenset[str]:
    """Return codes of missing values as small letters: of a text, separated by commas; of a number; of several."""
    if missing is None:
        return frozenset()
    parts = missing.split(",") if isinstance(missing, str) else missing
    parts = parts if isinstance(parts, Sequence) and not isinstance(parts, str) else [parts]
    return frozenset(as_field(part).strip().lower() for part in parts)


def csv_table(
    path: Path, *, header: bool | None = None, delimiter: str | None = None, decimal: str | None = None,
    missing: Any = None, encoding: str | None = None, skip: int = 0, transpose: bool = False,
) -> Table:  # fmt: skip
    """Read a text file, packed by gzip or zip or not, as a table; the options are those of `narrows.data.options`.

    What is not given is decided by all of the file rather than by its first row, and said in the table's notes. The
    text files of a folder are one table, whose rows the file and the number in it tell apart, unless times do.
    """
    if decimal not in (None, ".", ","):
        raise ConfigError(f"load_dataset: decimal must be '.' or ','; got {decimal!r}.")
    parts = []
    encodings = set()
    for file in text_files(path) if path.is_dir() else [path]:
        check_regular(file)
        with reading(file), opened(file) as stream:
            text, name = read_text(stream, file, encoding)
            encodings |= {name} - {"UTF-8"}
            parts.append((file, rows_of(
                text, file, header=header, delimiter=delimiter, decimal=decimal, skip=skip, transpose=transpose
            )))  # fmt: skip
    table = _table_of_rows(joined(parts, path), path, decimal, missing)
    table.notes += [f"encoding {name}" for name in sorted(encodings)]
    table.rows = row_ids(parts, path) if path.is_dir() else None
    return table


def table_of_text(
    text: str, path: Path, *, header: bool | None = None, delimiter: str | None = None, decimal: str | None = None,
    missing: Any = None, skip: int = 0, transpose: bool = False,
) -> Table:  # fmt: skip
    """Return the table that a text holds; `path` is for messages. See `csv_table`."""
    with reading(path):
        rows = rows_of(text, path, header=header, delimiter=delimiter, decimal=decimal, skip=skip, transpose=transpose)
    return _table_of_rows(rows, path, decimal, missing)


def _table_of_rows(rows: Rows, path: Path, decimal: str | None, missing: Any) -> Table:
    with reading(path):
        fields = [list(column) for column in zip(*rows.body, strict=True)]
        decimal = decimal or decimal_sign(fields, rows.delimiter)
        columns = [
            column_of_texts(name, texts, codes_of(missing), decimal)
            for name, texts in zip(rows.names, fields, strict=True)
        ]
    return Table(path, columns, rows.named, [*rows.notes, *(["decimal commas"] if decimal == "," else [])])


def workbook_table(
    path: Path, *, sheet: str | int | None = None, header: bool | None = None, missing: Any = None, skip: int = 0,
    transpose: bool = False,
) -> Table:  # fmt: skip
    """Read a sheet of an .xlsx workbook as a table; needs openpyxl."""
    openpyxl = needed("openpyxl", "tables", path)
    with reading(path):
        with zipfile.ZipFile(path) as archive:
            zip_members(archive, str(path))
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            names = book.sheetnames
            at = sheet
            if sheet not in names and str(sheet).lstrip("-").isdigit() and -len(names) <= int(str(sheet)) < len(names):
                at = names[int(str(sheet))]
            if at is not None and at not in names:
                raise ConfigError(
                    f"load_dataset: sheet must be one of {', '.join(map(repr, names))}; got {sheet!r}."
                    f"{did_you_mean(str(sheet), names)}"
                )
            chosen = book[names[0] if at is None else at]
            rows = [[as_field(value) for value in row] for row in chosen.iter_rows(values_only=True)]
        finally:
            book.close()
        found = table_rows([row for row in rows if any(row)][skip:], path, header=header, transpose=transpose)
        columns = [
            column_of_texts(name, list(texts), codes_of(missing), ".")
            for name, texts in zip(found.names, zip(*found.body, strict=True), strict=True)
        ]
    others = [name for name in names if name != chosen.title]
    found.notes += [f"sheet {chosen.title!r}, of {len(names)}: choose with sheet="] if others else []
    return Table(path, columns, found.named, found.notes)


def json_table(path: Path, *, missing: Any = None) -> Table:
    """Read a list of records, columns by name, a list of lists, or JSON lines as a table."""
    with reading(path), opened(path) as stream:
        text, _ = read_text(stream, path, None)
        try:
            content = json.loads(text)
        except json.JSONDecodeError:
            content = [json.loads(line) for line in text.splitlines() if line.strip()]
        return table_of_json(content, path, missing=missing)


def table_of_json(content: Any, path: Path, *, missing: Any = None) -> Table:
    """Return the table that JSON holds; `path` is for messages. See `json_table`."""
    with reading(path):
        named, values = _columns_of_json(content, path)
        columns = [column_of_values(name, column, codes_of(missing)) for name, column in values.items()]
    return Table(path, columns, named)


def _columns_of_json(content: Any, path: Path) -> tuple[bool, dict[str, list[Any]]]:
    if isinstance(content, dict):
        lists = {name: value for name, value in content.items() if isinstance(value, list)}
        records = [value for value in lists.values() if value and all(isinstance(row, dict) for row in value)]
        if len(records) == 1:  # records under a name, beside what describes them
            content = records[0]
        elif {"columns", "data"} <= lists.keys():  # pandas' orient="split"
            return True, dict(zip(map(str, lists["columns"]), map(list, zip(*lists["data"], strict=True)), strict=True))
        elif lists:
            return True, lists
        elif all(isinstance(value, dict) for value in content.values()) and content:  # pandas' to_json: columns by row
            keys = list(next(iter(content.values())))
            return True, {name: [column.get(key) for key in keys] for name, column in content.items()}
    if isinstance(content, list) and content and all(isinstance(row, dict) for row in content):
        flat = [_flat(row) for row in content]
        names = list(dict.fromkeys(name for row in flat for name in row))
        return True, {name: [row.get(name) for row in flat] for name in names}
    if isinstance(content, list) and content and all(isinstance(row, list) for row in content):
        if len({len(row) for row in content}) == 1 and not any(isinstance(v, list) for row in content for v in row):
            return False, {str(i): list(column) for i, column in enumerate(zip(*content, strict=True))}
        return False, {"0": content}
    if isinstance(content, list) and content and all(isinstance(value, int | float) for value in content):
        return False, {"0": content}
    raise unsound(path, f"hold a list of records, or columns by name; got {str(content)[:80]!r}.")


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record whose nested records are columns such as "position.x"."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": each for inner, each in _flat(value).items()}
        else:
            flat[name] = value
    return flat


def table_reader(read: Callable[..., Table]) -> Callable[..., Dataset]:
    """Return what reads a table as a data set: it takes the options of `read`, and those that choose columns."""
    own = [p for p in inspect.signature(read).parameters.values() if p.kind is p.KEYWORD_ONLY]
    choice = [p for p in inspect.signature(Table.dataset).parameters.values() if p.kind is p.KEYWORD_ONLY]
    names = {p.name for p in own}

    def load(path: Path, **options: Any) -> Dataset:
        table = read(path, **{name: value for name, value in options.items() if name in names})
        return table.dataset(**{name: value for name, value in options.items() if name not in names})

    path = inspect.Parameter("path", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    load.__signature__ = inspect.Signature([path, *choice, *own])  # type: ignore[attr-defined]
    load.__doc__ = read.__doc__
    load.table = read  # type: ignore[attr-defined]
    return load
