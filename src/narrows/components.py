"""Components: the values of an axis, as objects, as short strings such as `"flow:8,hidden=128"`, and as JSON.

What varies independently of the estimator is an axis: network, likelihood, corruption, code, prior, posterior, penalty,
condition. Each axis has a table of components by name; `register` adds one from another package, and packages that
declare the entry point group `narrows.components` are looked through where a name is unknown.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

from narrows.errors import ConfigError, did_you_mean
from narrows.params import document, fields, parse_value, validate, write_value

GROUP = "narrows.components"
"""The entry point group of components in other packages; each entry names a class."""

T = TypeVar("T")


class Component:
    """A value on an axis: an immutable object whose fields are made by `param`, and checked when it is made."""

    axis: ClassVar[str]
    """The axis that it belongs to."""

    def __post_init__(self) -> None:
        validate(self)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the fields by name, as scikit-learn asks for them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def set_params(self, **values: Any) -> Self:
        """Return a copy with other values; the component itself stays as it is.

        Raises
        ------
        ConfigError
            There is no such field, or a value is out of bounds.
        """
        known = [field.name for field in fields(self)]
        for name in values:
            if name not in known:
                raise ConfigError(
                    f"{type(self).__name__}: parameters must be among {', '.join(known) or 'none'}; got {name!r}."
                    f"{did_you_mean(name, known)}"
                )
        return dataclasses.replace(self, **values)  # type: ignore[type-var]

    def __str__(self) -> str:
        """Return the short string that `resolve` reads."""
        name = AXES[self.axis].name_of(self) or type(self).__name__
        parts = []
        for position, field in enumerate(fields(self)):
            value = getattr(self, field.name)
            if value != field.default:
                text = write_value(value)
                parts.append(text if position == 0 else f"{field.name}={text}")
        return f"{name}:{','.join(parts)}" if parts else name


@dataclass_transform(kw_only_default=True, frozen_default=True)
def component(cls: type[T]) -> type[T]:
    """Turn a class whose fields are made by `param` into a component: a frozen dataclass with keyword arguments."""
    made = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    document(made)
    return made


class Axis(Mapping[str, type[Any]]):
    """The components of an axis by name."""

    def __init__(self, name: str, values: Mapping[str, type[Any]], base: type[Any] = Component) -> None:
        self.name, self.base = name, base
        self.values_by_name = dict(values)
        AXES[name] = self

    def __getitem__(self, name: str) -> type[Any]:
        return self.values_by_name[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is such a name, after a look into installed packages where this one has none."""
        if name not in self.values_by_name:
            _load_entry_points()
        return name in self.values_by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)

    def name_of(self, value: Any) -> str | None:
        """Return the name under which the class of a component is in the table, if it is."""
        return next((name for name, kind in self.values_by_name.items() if type(value) is kind), None)


AXES: dict[str, Axis] = {}
"""Every axis by name; the file of an axis makes its table."""


def register(kind: type[T], name: str | None = None) -> type[T]:
    """Add a class to the table of its axis, so that it can be named, saved, loaded and used on the command line.

    Parameters
    ----------
    kind
        A component: a subclass of its axis' base class, such as `narrows.corruptions.Corruption`, made by `component`.
        Or an estimator: a subclass of another, made by `narrows.params.model` where it has fields of its own.
    name
        The name in the table; the class' name in lower case if left out.

    Returns
    -------
    type
        The class itself, so that `register` serves as a decorator.

    Raises
    ------
    ConfigError
        The class is no component, or another one has that name.
    """
    axis = AXES.get(getattr(kind, "axis", ""))
    if axis is None or not issubclass(kind, axis.base) or not dataclasses.is_dataclass(kind):
        raise ConfigError(
            f"register: kind must be an estimator or a component of one of the axes {', '.join(AXES)}; got {kind!r}. "
            "Derive it from the base class of its axis and decorate it with narrows.components.component."
        )
    name = name or kind.__name__.lower()
    taken = axis.values_by_name.get(name, kind)
    if (taken.__module__, taken.__qualname__) != (kind.__module__, kind.__qualname__):  # not the same, made anew
        raise ConfigError(
            f"register: name must be free on the axis {axis.name!r}; {name!r} is {taken.__qualname__}. Choose another."
        )
    axis.values_by_name[name] = kind
    return kind


def _load_entry_points() -> None:
    """Import the components that installed packages declare, once."""
    if _loaded:
        return
    _loaded.append(True)
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        try:
            register(entry.load(), entry.name)
        except Exception as error:  # another package's fault must not stop this one
            warnings.warn(f"The component {entry.name!r} could not be imported: {error}.", stacklevel=3)


_loaded: list[bool] = []


def resolve(axis: str, value: Any, owner: str = "") -> Any:
    """Return the component that a short string names; components pass through.

    Parameters
    ----------
    axis
        Its name.
    value
        `"name"`, `"name:first"`, `"name:first,key=value"`: the text after the colon is the first field, others are
        written with their names; tuples as `8x256` or `8,256`. Or a component of this axis.
    owner
        What has the parameter, for messages.

    Raises
    ------
    ConfigError
        The name is unknown, a field is unknown, a value is out of bounds, or it is neither a string nor a component.
    """
    table, start = AXES[axis], f"{owner}: {axis}" if owner else axis
    if not isinstance(value, str):
        if value is None or (isinstance(value, Component) and value.axis == axis):
            return value
        names = ", ".join(map(repr, table))
        raise ConfigError(f"{start} must be a component or one of {names}; got {repr(value)[:100]}.")
    name, colon, rest = value.partition(":")
    if name not in table:
        raise ConfigError(
            f"{start} must be one of {', '.join(map(repr, table))}; got {value!r}.{did_you_mean(name, table)}"
        )
    kind = table[name]
    by_name = {field.name: field for field in fields(kind)}
    values: dict[str, str] = {}
    for part in rest.split(",") if colon else ():
        key, equals, text = (piece.strip() for piece in part.partition("="))
        if not equals:  # belongs to the first field, whose value may be several numbers
            if not by_name or len(values) > 1 or (values and next(iter(by_name)) not in values):
                what = "must be written without a value" if not by_name else "must be written name:value,key=value"
                raise ConfigError(f"{start} {name!r} {what}; got {value!r}.")
            key = next(iter(by_name))
            text = f"{values[key]},{part}" if key in values else part.strip()
        if key not in by_name:
            raise ConfigError(
                f"{start} {name!r} has the parameters {', '.join(by_name) or 'none'}; got {key!r} in {value!r}."
                f"{did_you_mean(key, by_name)}"
            )
        values[key] = text
    try:
        return kind(**{key: parse_value(by_name[key], text) for key, text in values.items()})
    except ConfigError as error:
        raise ConfigError(f"{start}={value!r}: {error}") from None


def resolve_all(axis: str, values: Any, owner: str = "") -> tuple[Any, ...]:
    """Return the components that a string, an object, or several of them stand for; None and () are none."""
    if values is None:
        return ()
    several: Iterable[Any] = values if isinstance(values, tuple | list) else (values,)
    return tuple(resolve(axis, value, owner) for value in several if value is not None)


def to_record(value: Component) -> dict[str, Any] | None:
    """Return a component as JSON holds it, `{name: {field: value}}`; None where its class is not registered."""
    name = AXES[value.axis].name_of(value)
    return None if name is None else {name: value.get_params()}


def from_record(axis: str, record: Mapping[str, Any]) -> Any:
    """Return the component that `to_record` described. Raises: ConfigError where it describes none of this axis."""
    ((name, values),) = record.items() if len(record) == 1 else (("", None),)
    if name not in AXES[axis] or not isinstance(values, Mapping):
        known = ", ".join(map(repr, AXES[axis]))
        raise ConfigError(f"{axis} must be an object with one of the keys {known}; got {str(record)[:100]}.")
    by_name = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    unknown = sorted(by_name.keys() - {field.name for field in fields(AXES[axis][name])})
    if unknown:
        raise ConfigError(f"{axis} {name!r} has no parameter {unknown[0][:100]!r}.")
    return AXES[axis][name](**by_name)
