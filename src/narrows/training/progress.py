"""Training that is followed as it goes: a live bar on a terminal or in a notebook, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import TypeVar

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from narrows.numbers import count, duration, number
from narrows.training.report import Report, read_all

T = TypeVar("T")
LINES = 20
"""About how many epochs get a line of their own."""


def follow(
    reports: Generator[Report, None, T],
    console: Console | None = None,
    after: Callable[[Report], None] = lambda report: None,
) -> T:
    """Read all reports while showing where training stands, and return what the generator returns.

    Parameters
    ----------
    reports
        Of a training.
    console
        Where it is shown; standard output if left out.
    after
        Called with every report once it is shown.
    """
    console = Console(highlight=False, emoji=False, markup=False) if console is None else console
    if console.is_jupyter:
        return _notebook(reports, after)
    live = console.is_terminal and not console.is_dumb_terminal
    return (_bar if live else _lines)(reports, console, after)


def _notebook(reports: Generator[Report, None, T], after: Callable[[Report], None]) -> T:
    from html import escape

    from IPython.display import HTML, display  # there, since a notebook runs this

    shown = display(HTML("starting"), display_id=True)

    def show(report: Report) -> None:
        bar = f"<progress max={report.steps} value={report.step}></progress>"
        shown.update(HTML(f"{bar} {escape(line(report))}<br>{escape(report.note)}"))
        after(report)

    return read_all(reports, show)


def _lines(reports: Generator[Report, None, T], console: Console, after: Callable[[Report], None]) -> T:
    noted = ""

    def show(report: Report) -> None:
        nonlocal noted
        if report.end_of_epoch and (printed(report.epoch, report.epochs) or report.note):
            console.print(line(report), soft_wrap=True)
            console.file.flush()  # who reads a pipe or a log wants it now
        if report.note and report.note != noted:
            noted = report.note
            console.print(noted, soft_wrap=True)
        after(report)

    return read_all(reports, show)


def printed(epoch: int, epochs: int) -> bool:
    """Return whether an epoch gets a line: all of few; of many the first ones, every so many, and the last."""
    if epochs <= LINES or epoch == epochs:
        return True
    every = next(step * 10**power for power in range(12) for step in (1, 2, 5) if epochs / (step * 10**power) <= LINES)
    return epoch in (1, 2, 5) or epoch % every == 0


def line(report: Report) -> str:
    """Return an epoch as one line of text."""
    width = len(str(report.epochs))
    parts = [f"epoch {report.epoch:{width}d}/{report.epochs}", *_terms(report)]
    return "  ".join([*parts, f"{count(report.samples_per_second)} samples/s", duration(report.seconds)])


def _terms(report: Report) -> list[str]:
    """Return the loss, that on validation data, and the terms it is made of, the most important first."""
    parts = [f"loss {number(report.train.get('loss'))}"]
    if report.validation is not None:
        parts.append(f"validation {number(report.validation['loss'])}")
    others = {name: value for name, value in report.train.items() if name != "loss"}
    if len(others) > 1:
        parts += [f"{name.replace('_', ' ')} {number(value)}" for name, value in others.items()]
    return parts


def _bar(reports: Generator[Report, None, T], console: Console, after: Callable[[Report], None]) -> T:
    narrow = console.width < 60
    columns = [TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[left]}")]
    if not narrow:
        columns.append(TextColumn("[dim]{task.fields[speed]}"))
    progress = Progress(*columns, console=console, expand=True)
    task = progress.add_task("starting", total=None, left="", speed="")
    below = Text("", no_wrap=True, overflow="ellipsis")
    validation: dict[str, float] | None = None
    with Live(Group(progress, below), console=console, refresh_per_second=8) as live:

        def show(report: Report) -> None:
            nonlocal validation
            validation = report.validation or validation
            done = report.step / max(1, report.steps)
            remaining = report.seconds * (1 - done) / max(done, 1e-9)
            last = report.end_of_epoch and (report.epoch == report.epochs or bool(report.note))
            progress.update(
                task,
                description=f"{'' if narrow else 'epoch '}{report.epoch}/{report.epochs}",
                total=report.steps,
                completed=report.step,
                left="evaluating" if last else f"{duration(remaining)} left",
                speed=f"{count(report.samples_per_second)} samples/s",
                seconds=report.seconds,
            )
            shown = replace(report, validation=validation)  # within an epoch, that of the one before
            below.plain = "  ".join(_terms(shown)) + (f"  {report.note}" if report.note else "")
            if last:
                live.refresh()
            after(report)

        result = read_all(reports, show)
        progress.update(task, left=f"in {duration(progress.tasks[0].fields['seconds'])}" if validation else "")
        return result
