"""Training on the command line: where it stands, and advice while stopping still saves time."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from rich.text import Text

from narrows.cli.console import out
from narrows.training import Report, progress

if TYPE_CHECKING:
    from narrows.estimators.base import Autoencoder

T = TypeVar("T")


def follow(
    reports: Generator[Report, None, T],
    model: Autoencoder | None = None,
    after_epoch: Callable[[], None] = lambda: None,
) -> T:
    """Read all reports while showing where training stands, and return what the generator returns.

    There is advice where `model`, which is trained, is known.
    """
    console = out()
    advice = _Advice(console, model)

    def after(report: Report) -> None:
        if report.end_of_epoch:
            after_epoch()
        advice.after(report)

    return progress.follow(reports, console, after)


class _Advice:
    """Prints what the course of training shows, while stopping still saves time: each finding once."""

    def __init__(self, console: Console, model: Autoencoder | None) -> None:
        self.console, self.model = console, model
        self.history: list[dict[str, Any]] = []
        self.printed: set[str] = set()

    def after(self, report: Report) -> None:
        if self.model is None or not report.end_of_epoch or report.note or report.epoch == report.epochs:
            return
        self.history.append(report.record())
        n = len(self.history)
        if n < 4 or n % (n // 50 + 1):  # of many epochs not after each: it reads all of them
            return
        from narrows.evaluation import diagnose_history  # half a second, which short trainings do without

        for finding in diagnose_history(self.history, self.model):
            if finding.rule not in self.printed:
                self.printed.add(finding.rule)
                remedy = finding.advice(flags=True)
                text = f"advice: {finding.sentence} Ctrl-C stops. {remedy}".rstrip()
                self.console.print(Text(text, "yellow"), soft_wrap=True)
