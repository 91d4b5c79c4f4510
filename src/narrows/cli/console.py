"""Consoles, and tables on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def out() -> Console:
    """Return the console for results; made anew, since standard output may have been redirected meanwhile."""
    return Console(highlight=False, emoji=False)


def err() -> Console:
    """Return the console for what goes wrong."""
    return Console(stderr=True, highlight=False, emoji=False)


def as_is(text: str, style: str = "") -> Text:
    """Return text that others wrote: its brackets are no markup, and control characters are shown, not obeyed."""
    shown = (c if c.isprintable() or c in "\n\u200d" else repr(c)[1:-1] for c in text)  # a joiner makes emoji one
    return Text("".join(shown), style)


def error(message: str, code: int) -> int:
    """Print an error as one line, in red where there is colour, and return the exit code."""
    text = Text("error: ", style="bold red").append(as_is(" ".join(message.split()), "red not bold"))
    err().print(text, soft_wrap=True)
    return code


def note(message: str) -> None:
    """Print what the user should know to standard error."""
    err().print(Text("note: ", style="bold yellow").append(as_is(message, "default not bold")), soft_wrap=True)


def plain_table() -> Table:
    """Return an empty table in the style of all: a line under the heading and nothing else."""
    return Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, padding=(0, 1))


def table_of(columns: Sequence[tuple[str, bool, dict[str, Any]]], rows: Iterable[Sequence[Any]]) -> Table:
    """Return a table: of each column its heading, whether it is shown, and its options."""
    table = plain_table()
    for heading, shown, options in columns:
        if shown:
            table.add_column(heading, **options)
    for row in rows:
        table.add_row(*(cell for cell, (_, shown, _) in zip(row, columns, strict=True) if shown))
    return table
