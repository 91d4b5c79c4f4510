"""Consoles, and tables on them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from narrows.data.options import OPTIONS


class _Cleaned:
    """What is printed, whose control characters are shown and not obeyed."""

    def __init__(self, content: RenderableType) -> None:
        self.content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for text, style, control in console.render(self.content, options):
            yield Segment(text if control else _clean(text), style, control)


class _Cleaning(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Cleaned(content) for content in renderables]


def _console(*, stderr: bool = False) -> Console:
    """Return a console on which text from anywhere can be printed: brackets are no markup, unless one asks for it."""
    console = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    console.push_render_hook(_Cleaning())
    return console


_OPTION = re.compile(rf"""(?<![\w.'"-])({"|".join(OPTIONS)})=('[^']*'|"[^"]*"|[^\s,;:'")]*?(?=[.,;:)]?(?:\s|$)))""")
"""A keyword of `load_dataset` and its value in a message; one in quotes is what the user wrote, and stays."""
LONGEST = 400
"""Characters of a word that an error shows: a path fits, and a file given in place of a name does not."""


def out() -> Console:
    """Return the console for results; made anew, since standard output may have been redirected meanwhile."""
    return _console()


def err() -> Console:
    """Return the console for what goes wrong."""
    return _console(stderr=True)


def _clean(text: str) -> str:
    """Return text with its control characters written out; a joiner, which makes emoji one, is none."""
    return "".join(c if c.isprintable() or c in "\n\u200d" else repr(c)[1:-1] for c in text)


def as_is(text: str, style: str = "") -> Text:
    """Return text that others wrote, cleaned before its width is measured."""
    return Text(_clean(text), style)


def in_flags(message: str) -> str:
    """Return a message whose keywords of `load_dataset`, such as drop='a,b', are the flags of the command line."""

    def flag(match: re.Match[str]) -> str:
        name, value = match.groups()
        text = value[1:-1] if value[:1] in ("'", '"') else value
        switch = OPTIONS[name].metavar == "SWITCH" or not text
        return f"--{name.replace('_', '-')}" + ("" if switch else f" {shlex.quote(text)}")

    return _OPTION.sub(flag, message)


def error(message: str, code: int) -> int:
    """Print an error as one line, in red where there is colour, and return the exit code; what is very long is cut."""
    words = (word if len(word) <= LONGEST else f"{word[:LONGEST]}..." for word in in_flags(message).split())
    text = Text("error: ", style="bold red").append(as_is(" ".join(words), "red not bold"))
    err().print(text, soft_wrap=True)
    return code


def note(message: str) -> None:
    """Print what the user should know to standard error."""
    err().print(
        Text("note: ", style="bold yellow").append(as_is(in_flags(message), "default not bold")), soft_wrap=True
    )


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
