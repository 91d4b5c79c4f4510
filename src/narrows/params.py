"""A parameter of an estimator or a component: its default, help and bounds in one line; and the one validator."""

from __future__ import annotations

import dataclasses
import functools
import math
import numbers
import types
import typing
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, dataclass_transform

from narrows.errors import ConfigError, did_you_mean

T = TypeVar("T")
LONGEST = 200
"""Characters of a value that messages show."""


class Param(NamedTuple):
    """What is known of one field."""

    name: str
    default: Any
    help: str
    low: float | None
    """Lowest value allowed, or None."""
    high: float | None
    """Highest value allowed, or None."""
    low_open: bool
    """Whether `low` itself is excluded."""
    high_open: bool
    """Whether `high` itself is excluded."""
    choices: tuple[str, ...] | None
    """The strings allowed, or None where any are; other types that the annotation admits stay allowed."""
    axis: str | None
    """The axis whose components are its values, as in `narrows.components.AXES`; None for plain values."""
    many: bool
    """Whether it takes any number of components."""
    annotation: Any
    """The type, resolved."""

    @property
    def constraint(self) -> str:
        """What a value must be, in words."""
        bounds = []
        if self.low is not None:
            bounds.append(f"{'>' if self.low_open else '>='} {self.low:g}")
        if self.high is not None:
            bounds.append(f"{'<' if self.high_open else '<='} {self.high:g}")
        words = []
        for kind in kinds_of(self.annotation):
            word = _name(kind)
            if kind is str and self.choices:
                word = ("one of " if len(self.choices) > 1 else "") + ", ".join(map(repr, self.choices))
            words.append(f"{word} {' and '.join(bounds)}" if bounds and "number" in word else word)
        return " or ".join(words)


def param(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    low_open: bool = False,
    high_open: bool = False,
    choices: tuple[str, ...] | None = None,
    axis: str | None = None,
    many: bool = False,
) -> Any:
    """Declare a field: its default, one sentence of help, and its bounds.

    Parameters
    ----------
    default
        The value where none is given; immutable.
    help
        One sentence, shown by the command line and the reference.
    low, high
        Bounds, inclusive unless `low_open` or `high_open`; for tuples they hold for every entry.
    choices
        The strings allowed.
    axis
        The axis whose components are its values: short strings such as "flow:8", or objects.
    many
        Whether a tuple of components is allowed.
    """
    metadata = {
        "help": help, "low": low, "high": high, "low_open": low_open, "high_open": high_open, "choices": choices,
        "axis": axis, "many": many,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=metadata)


@dataclass_transform(kw_only_default=True, eq_default=False)  # a field made by `param` counts as given a default
def model(cls: type[T]) -> type[T]:
    """Turn a class whose fields are made by `param` into an estimator with a keyword-only constructor.

    The "Parameters" section of its docstring is written from those fields, in place of a line `{parameters}`.
    """
    made = dataclasses.dataclass(kw_only=True, eq=False, repr=False)(cls)
    document(made)
    return made


def document(cls: type) -> None:
    """Write the "Parameters" section of a class' docstring from its fields, in place of `{parameters}`."""
    if cls.__doc__ and "{parameters}" in cls.__doc__:
        margin = " " * 4
        lines = [f"Parameters\n{margin}----------"]
        for field in fields(cls):
            kind = field.constraint if field.axis is None else f"a component of the axis {field.axis!r}, or its name"
            lines.append(f"{margin}{field.name} : {kind}, default={field.default!r}\n{margin}    {field.help}")
        cls.__doc__ = cls.__doc__.replace("{parameters}", "\n".join(lines))


@functools.cache
def _fields(cls: type) -> tuple[Param, ...]:
    hints = typing.get_type_hints(cls)
    return tuple(
        Param(name=f.name, default=f.default, annotation=hints[f.name], **f.metadata)
        for f in dataclasses.fields(cls)
        if "help" in f.metadata
    )


def fields(model: Any) -> tuple[Param, ...]:
    """Return the fields of a class (or of an instance's class) that `param` made, in order of declaration."""
    return _fields(model if isinstance(model, type) else type(model))


def validate(model: Any) -> None:
    """Check every plain field of an estimator or a component; components check themselves when they are made.

    Raises
    ------
    ConfigError
        Names the class, and of every field that is wrong what it must be and the value it has.
    """
    wrong = [problem for field in fields(model) if (problem := _problem(field, getattr(model, field.name)))]
    if wrong:
        raise ConfigError(" ".join(f"{type(model).__name__}: {problem}" for problem in wrong))


def _problem(field: Param, value: Any) -> str | None:
    """Return what is wrong with a value, as a sentence; None where nothing is."""
    if field.axis is not None:
        missing = value is None and type(None) not in kinds_of(field.annotation)
        return f"{field.name} must be a name or a component; got None." if missing else None
    if _fits(value, field):
        return None
    hint = did_you_mean(value, field.choices) if field.choices and isinstance(value, str) else ""
    if isinstance(value, numbers.Integral) and not -(2**63) <= int(value) < 2**63:
        hint = " Whole numbers must have 64 bits."
    return f"{field.name} must be {field.constraint}; got {shown(value)}.{hint} ({field.help})"


def shown(value: Any) -> str:
    """Return a value as messages show it: one of thousands of characters is cut."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        text = f"a whole number of {value.bit_length():,} bits"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def parse_value(field: Param, text: str) -> Any:
    """Return the value that text stands for, by the field's type; text that fits no type is returned as it is.

    Tuples are written `400x100` or `400,100`, None as `none`, booleans as `true` and `false`.
    """
    kinds, word = kinds_of(field.annotation), text.strip().lower()
    if type(None) in kinds and word == "none":
        return None
    for kind in kinds:
        try:
            if kind is bool and word in ("true", "false"):
                return word == "true"
            if kind in (int, float):
                return kind(text)
            if typing.get_origin(kind) is tuple and typing.get_args(kind)[0] in (int, float):
                inner, listed = typing.get_args(kind)[0], text.strip("()[] ").removesuffix(",").replace("x", ",")
                return tuple(inner(part) for part in listed.split(",")) if listed else ()
        except ValueError:
            continue
    return text


def write_value(value: Any) -> str:
    """Return the text that `parse_value` reads back."""
    if isinstance(value, tuple | list):
        return "x".join(map(write_value, value))
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)


def kinds_of(annotation: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one type."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _name(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", bool: "True or False", str: "a string", type(None): "None"}
    if typing.get_origin(kind) is tuple:
        inner, *rest = typing.get_args(kind)
        count = "" if rest == [...] else f"{1 + len(rest)} "
        what = {int: "whole numbers", float: "numbers"}.get(inner, f"{getattr(inner, '__name__', inner)}s")
        return f"a tuple of {count}{what}"
    return names.get(kind, f"a {getattr(kind, '__name__', kind)}")


def _fits(value: Any, field: Param) -> bool:
    return any(_fits_kind(value, kind, field) for kind in kinds_of(field.annotation))


def _fits_kind(value: Any, kind: Any, field: Param) -> bool:
    if kind is Any:
        return True
    if kind is bool:
        return isinstance(value, bool)
    if kind is int:
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        return whole and -(2**63) <= int(value) < 2**63 and _in_bounds(value, field)
    if kind is float:
        return isinstance(value, numbers.Real) and not isinstance(value, bool) and _in_bounds(value, field)
    if kind is str:
        return isinstance(value, str) and (field.choices is None or value in field.choices)
    if typing.get_origin(kind) is tuple:
        args = typing.get_args(kind)
        if not isinstance(value, tuple | list):
            return False
        if args[-1] is not ... and len(value) != len(args):
            return False
        inner = [args[0]] * len(value) if args[-1] is ... else list(args)
        return all(_fits_kind(v, k, field) for v, k in zip(value, inner, strict=True))
    return isinstance(value, typing.cast(Callable[..., Any], typing.get_origin(kind) or kind))  # type: ignore[arg-type]


def _in_bounds(value: Any, field: Param) -> bool:
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond 1e308
        return False
    if not math.isfinite(number):
        return False
    low = field.low is None or (number > field.low if field.low_open else number >= field.low)
    high = field.high is None or (number < field.high if field.high_open else number <= field.high)
    return low and high
