"""Folders of text files that are one table: all have the same columns, and their rows follow one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from narrows.data.dataset import RowIds
from narrows.data.readers.checks import as_text, is_litter, unsound
from narrows.data.readers.text import Rows

TEXT = (".csv", ".tsv", ".tab", ".dat", ".data", ".txt")
"""Endings of text files, the likelier ones to be a table first."""


def text_files(folder: Path) -> list[Path]:
    """Return the text files in a folder, by name: those of the likeliest ending alone, so that a readme is no table."""
    files = [file for file in folder.rglob("*") if file.is_file() and not is_litter(file.name)]
    bare = {file: file.name.lower().removesuffix(".gz") for file in files}
    return next((found for ending in TEXT if (found := sorted(f for f in files if bare[f].endswith(ending)))), [])


def joined(parts: Sequence[tuple[Path, Rows]], folder: Path) -> Rows:
    """Return the rows of several files as those of one, in the order of the first one's columns.

    Raises: DataError where a file has other columns; it names them.
    """
    (first, rows), *others = parts
    body = list(rows.body)
    for file, other in others:
        if rows.named != other.named:
            named, bare = (first, file) if rows.named else (file, first)
            raise unsound(
                folder,
                f"hold files of one form; {named.name} names its columns and {bare.name} does not. Say header=yes or "
                "header=no, or take one of them out.",
            )
        if sorted(rows.names) != sorted(other.names):
            raise unsound(
                folder, f"hold files with the same columns; {_difference(first, rows, file, other)}. Take it out."
            )
        order = range(len(rows.names)) if not rows.named else _order(rows.names, other.names)
        body += [[row[at] for at in order] for row in other.body]
    return replace(rows, body=body, notes=[f"{len(parts)} files", *rows.notes] if others else rows.notes)


def _order(names: Sequence[str], given: Sequence[str]) -> list[int]:
    """Return where in a file the columns are; those of one name keep their order."""
    if list(names) == list(given):
        return list(range(len(names)))
    places: dict[str, list[int]] = {}
    for at, name in enumerate(given):
        places.setdefault(name, []).append(at)
    return [places[name].pop(0) for name in names]


def _difference(first: Path, rows: Rows, file: Path, other: Rows) -> str:
    if not rows.named:
        return f"{file.name} has {len(other.names)} columns and {first.name} {len(rows.names)}"
    lacks = [name for name in rows.names if name not in other.names]
    more = [name for name in other.names if name not in rows.names]
    said = [f"lacks {', '.join(map(repr, lacks))}"] if lacks else []
    said += [f"has {', '.join(map(repr, more))} besides"] if more else []
    text = " and ".join(said) or f"has {len(other.names)} columns instead of {len(rows.names)}"
    return f"{file.name} {text}, other than {first.name}"


def row_ids(parts: Sequence[tuple[Path, Rows]], folder: Path) -> RowIds:
    """Return what tells the rows apart: the file, and the number in it, counted from 0."""
    names = [
        f"{as_text(file.relative_to(folder).as_posix())}:{i}" for file, rows in parts for i in range(len(rows.body))
    ]
    return RowIds("file", np.array(names), np.arange(len(names)))
