"""Sums of samples as one writes them, such as `3 - 7 + 0.5*mean(1,2,5) + class:Bush`; read, never executed.

sum    = [+|-] term { (+|-) term }
term   = [weight *] what
what   = index | mean(index, index, ...) | class:NAME | digit:NAME
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from narrows.errors import ConfigError

__all__ = ["Term", "parsed"]

TOKENS = re.compile(
    r"""\s*(?:
        (?P<label>(?:class|digit|label):(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[\w.]+)))
      | (?P<number>\d+\.\d*|\.\d+|\d+)
      | (?P<mean>mean)(?![\w:])
      | (?P<sign>[-+*(),−])
    )""",
    re.VERBOSE,
)
LARGEST = 1e6
"""Weights and indices beyond are mistakes."""


@dataclass(frozen=True)
class Term:
    """A weight times the mean code of samples, or of a class."""

    weight: float
    index: tuple[int, ...]
    """Of samples; empty for a class."""
    label: str | None
    """Name of a class, or None."""
    position: int
    """Where it begins in the text, from 0."""

    @property
    def name(self) -> str:
        """What it is, as a caption."""
        if self.label is not None:
            return f"class {self.label}"
        return f"sample {self.index[0]}" if len(self.index) == 1 else f"mean({','.join(map(str, self.index))})"


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


def parsed(text: str) -> tuple[Term, ...]:
    """Return the terms of a sum.

    Raises
    ------
    ConfigError
        It is none; the message points to where.

    Examples
    --------
    >>> [(term.weight, term.name) for term in parsed("3 - 7 + 0.5*mean(1, 2)")]
    [(1.0, 'sample 3'), (-1.0, 'sample 7'), (0.5, 'mean(1,2)')]
    """
    return _Reader(text).sum()


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self._tokens()
        self.at = 0

    def _tokens(self) -> list[_Token]:
        found, position = [], 0
        while self.text[position:].strip():
            match = TOKENS.match(self.text, position)
            if match is None:
                start = position + len(self.text[position:]) - len(self.text[position:].lstrip())
                raise self._error(start, f"must be a sign, a number, mean(...) or class:NAME; got {self.text[start]!r}")
            kind = next(k for k in ("label", "number", "mean", "sign") if match[k] is not None)
            text = next((match[k] for k in ("double", "single", "bare") if match[k] is not None), match[kind])
            found.append(_Token(kind, text.replace("−", "-") if kind == "sign" else text, match.start(kind)))
            position = match.end()
        return found

    def sum(self) -> tuple[Term, ...]:
        terms = [self._term(-1.0 if self._taken("+-") == "-" else 1.0)]
        while self.at < len(self.tokens):
            sign = self._taken("+-")
            if sign is None:
                raise self._unexpected("+ or -")
            terms.append(self._term(-1.0 if sign == "-" else 1.0))
        return tuple(terms)

    def _term(self, sign: float) -> Term:
        token = self._next("a sample's index, mean(...) or class:NAME")
        if token.kind == "number" and self._taken("*"):
            weight = float(token.text)
            if weight > LARGEST:
                raise self._error(token.position, f"weights must be at most {LARGEST:g}; got {token.text}")
            what = self._next("what the weight is for: a sample's index, mean(...) or class:NAME")
            return self._what(what, sign * weight, token.position)
        return self._what(token, sign, token.position)

    def _what(self, token: _Token, weight: float, position: int) -> Term:
        if token.kind == "label":
            return Term(weight, (), token.text, position)
        if token.kind == "number":
            return Term(weight, (self._index(token),), None, position)
        if token.kind == "mean":
            return Term(weight, self._several(), None, position)
        raise self._error(token.position, f"must be a sample's index, mean(...) or class:NAME; got {token.text!r}")

    def _several(self) -> tuple[int, ...]:
        self._required("(")
        found = [self._index(self._next("a sample's index"))]
        while self._taken(","):
            found.append(self._index(self._next("a sample's index")))
        self._required(")")
        return tuple(found)

    def _index(self, token: _Token) -> int:
        if token.kind != "number" or not token.text.isdecimal() or int(token.text) > LARGEST:
            hint = " A weight is written with *, as in 0.5*3" if token.kind == "number" else ""
            raise self._error(token.position, f"must be a sample's index, a whole number; got {token.text!r}.{hint}")
        return int(token.text)

    def _next(self, wanted: str) -> _Token:
        if self.at == len(self.tokens):
            raise self._error(len(self.text), f"must be {wanted}; got the end")
        self.at += 1
        return self.tokens[self.at - 1]

    def _taken(self, signs: str) -> str | None:
        """Take the next token and return it where it is one of these signs."""
        if self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind == "sign" and token.text in signs:
                self.at += 1
                return token.text
        return None

    def _required(self, sign: str) -> None:
        if self._taken(sign) is None:
            raise self._unexpected(sign)

    def _unexpected(self, wanted: str) -> ConfigError:
        if self.at == len(self.tokens):
            return self._error(len(self.text), f"must be {wanted}; got the end")
        token = self.tokens[self.at]
        return self._error(token.position, f"must be {wanted}; got {token.text!r}")

    def _error(self, position: int, told: str) -> ConfigError:
        return ConfigError(
            f"Combine: {self.text!r}, character {position + 1}: {told}. Write for example '3 - 7 + 12', "
            "'0.5*3 + 0.5*mean(1,2)' or 'digit:3 - 7 + class:Bush'."
        )
