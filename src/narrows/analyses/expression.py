"""Expressions such as `3 - 7 + 0.5*mean(1,2,5) + class:Bush`: parsed, never executed.

sum     = [+|-] term { (+|-) term }
term    = [weight *] operand
operand = index | mean(index, index, ...) | class:NAME | digit:NAME
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from narrows.errors import ConfigError

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
"""Weights and indices above are refused."""


@dataclass(frozen=True)
class Term:
    """A weight times the mean code of samples, or of a class."""

    weight: float
    index: tuple[int, ...]
    """Of samples; empty for a class."""
    label: str | None
    """Name of a class, or None."""
    position: int
    """Where it starts in the text, from 0."""

    @property
    def name(self) -> str:
        """A caption."""
        if self.label is not None:
            return f"class {self.label}"
        return f"sample {self.index[0]}" if len(self.index) == 1 else f"mean({','.join(map(str, self.index))})"


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


def parse(text: str) -> tuple[Term, ...]:
    """Return the terms of a sum.

    Raises: ConfigError where the text is no sum; the message names the position.

    Examples
    --------
    >>> [(term.weight, term.name) for term in parse("3 - 7 + 0.5*mean(1, 2)")]
    [(1.0, 'sample 3'), (-1.0, 'sample 7'), (0.5, 'mean(1,2)')]
    """
    return _Parser(text).sum()


class _Parser:
    """Parses tokens from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self._tokens()
        self.position = 0

    def _tokens(self) -> list[_Token]:
        tokens, position = [], 0
        while self.text[position:].strip():
            match = TOKENS.match(self.text, position)
            if match is None:
                start = position + len(self.text[position:]) - len(self.text[position:].lstrip())
                raise self._error(start, f"must be a sign, a number, mean(...) or class:NAME; got {self.text[start]!r}")
            kind = next(k for k in ("label", "number", "mean", "sign") if match[k] is not None)
            text = next((match[k] for k in ("double", "single", "bare") if match[k] is not None), match[kind])
            tokens.append(_Token(kind, text.replace("−", "-") if kind == "sign" else text, match.start(kind)))
            position = match.end()
        return [*tokens, _Token("end", "", len(self.text))]

    def sum(self) -> tuple[Term, ...]:
        terms = [self._term(-1.0 if self._take("+-") == "-" else 1.0)]
        while self.tokens[self.position].kind != "end":
            sign = self._require("+-", "+ or -")
            terms.append(self._term(-1.0 if sign == "-" else 1.0))
        return tuple(terms)

    def _term(self, sign: float) -> Term:
        token = self._next("a sample's index, mean(...) or class:NAME")
        if token.kind == "number" and self._take("*"):
            weight = float(token.text)
            if weight > LARGEST:
                raise self._error(token.position, f"weights must be at most {LARGEST:g}; got {token.text}")
            operand = self._next("the operand of the weight: a sample's index, mean(...) or class:NAME")
            return self._operand(operand, sign * weight, token.position)
        return self._operand(token, sign, token.position)

    def _operand(self, token: _Token, weight: float, position: int) -> Term:
        if token.kind == "label":
            return Term(weight, (), token.text, position)
        if token.kind == "number":
            return Term(weight, (self._index(token),), None, position)
        if token.kind == "mean":
            self._require("(")
            indices = [self._index(self._next("a sample's index"))]
            while self._take(","):
                indices.append(self._index(self._next("a sample's index")))
            self._require(")")
            return Term(weight, tuple(indices), None, position)
        raise self._unexpected("a sample's index, mean(...) or class:NAME", token)

    def _index(self, token: _Token) -> int:
        if token.kind != "number" or not token.text.isdecimal() or float(token.text) > LARGEST:
            hint = " A weight is written with *, as in 0.5*3" if token.kind == "number" else ""
            raise self._error(token.position, f"must be a sample's index, an integer; got {token.text!r}.{hint}")
        return int(token.text)

    def _next(self, expected: str) -> _Token:
        token = self.tokens[self.position]
        if token.kind == "end":
            raise self._unexpected(expected, token)
        self.position += 1
        return token

    def _take(self, signs: str) -> str | None:
        """Take the next token and return it where it is one of these signs."""
        token = self.tokens[self.position]
        if token.kind != "sign" or token.text not in signs:
            return None
        self.position += 1
        return token.text

    def _require(self, signs: str, expected: str = "") -> str:
        if (sign := self._take(signs)) is None:
            raise self._unexpected(expected or signs, self.tokens[self.position])
        return sign

    def _unexpected(self, expected: str, token: _Token) -> ConfigError:
        got = "the end" if token.kind == "end" else repr(token.text)
        return self._error(token.position, f"must be {expected}; got {got}")

    def _error(self, position: int, problem: str) -> ConfigError:
        return ConfigError(
            f"Combine: {self.text!r}, character {position + 1}: {problem}. Write for example '3 - 7 + 12', "
            "'0.5*3 + 0.5*mean(1,2)' or 'digit:3 - 7 + class:Bush'."
        )
