"""A problem, and what to try, written as one types it: in Python or on the command line."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from narrows.params import write_value


class Remedy(NamedTuple):
    """One thing to try: parameters of the estimator, options of one of its methods, or something in words."""

    values: Mapping[str, Any] = {}
    """Parameters by name, as `set_params` takes them."""
    reason: str = ""
    """What they do."""
    fit: Mapping[str, Any] = {}
    """Options of `fit`."""
    sample: Mapping[str, Any] = {}
    """Options of `sample`, and of `narrows sample`."""
    words: str = ""
    """What to do where no option does it."""

    def text(self, *, flags: bool = False) -> str:
        """Return what to try, as parameters of Python or as flags of the command line."""
        parts = []
        if flags:
            parts = [_flags({**self.values, **self.fit})] if self.values or self.fit else []
            parts += [f"narrows sample {_flags(self.sample)}"] if self.sample else []
        else:
            parts = [_arguments(self.values)] if self.values else []
            calls = {"fit(X, {})": self.fit, "sample({})": self.sample}
            parts += [call.format(_arguments(options)) for call, options in calls.items() if options]
        parts += [self.words] if self.words else []
        return " with ".join(parts) + (f" ({self.reason})" if self.reason else "")


class Finding(NamedTuple):
    """One problem: in a sentence, with the evidence, and remedies to try."""

    rule: str
    sentence: str
    """What is wrong, with its evidence."""
    evidence: dict[str, float]
    """The values behind the sentence."""
    remedies: tuple[Remedy, ...] = ()
    """What to try, one or the other; all change something, and the estimator accepts them."""

    @property
    def remedy(self) -> str:
        """What to try, as a sentence that names parameters of Python; empty where nothing is known."""
        return self.advice()

    def advice(self, *, flags: bool = False) -> str:
        """Return `remedy`, or the same with the flags of the command line."""
        return f"Try {_either([each.text(flags=flags) for each in self.remedies])}." if self.remedies else ""

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}".rstrip()


def _arguments(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _flags(values: Mapping[str, Any]) -> str:
    return " ".join(f"--{name.replace('_', '-')} {shlex.quote(write_value(value))}" for name, value in values.items())


def _either(parts: Iterable[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)}, or {last}" if first else last
