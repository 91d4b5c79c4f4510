"""Flags: those of data, which every command shares, and those that are made from the parameters of a model.

Help shows the type of a parameter, yet its text is taken as it is written and becomes a value by the parameter itself
(`parse_value`): one conversion, one validator, one message.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter, Token

from narrows.data.options import OPTIONS, plain
from narrows.errors import ConfigError
from narrows.params import fields, kinds_of, parse_value, write_value

if TYPE_CHECKING:
    from narrows.data import Dataset
    from narrows.params import Param
    from narrows.runs import Run

DATA = Group("Data and files", sort_key=1)
TRAINING = Group("Training", sort_key=7)
COMPONENTS = Group("Components", sort_key=3)
READING = Group("Reading data", sort_key=8)
OF_DATA = "data__"
"""Begins the keywords of the flags of `OPTIONS`, so that they cannot be taken for others of the same name."""

RunName = Annotated[
    str | None, Parameter(help="Its folder, its name under runs/, or hf://user/name; the latest if left out.")
]


@dataclass(frozen=True)
class Source:
    """What the flags of data say: which samples to use, and where to write what is made of them."""

    data: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    split: str | None = None
    out: str | None = None
    force: bool = False
    """Whether a file that is there may be replaced."""

    @classmethod
    def taken(cls, given: dict[str, Any]) -> Source:
        """Return what the flags say, and take them out of `given`."""
        options, force = data_options(given), bool(given.pop("force", False))
        return cls(given.pop("data", None), options, given.pop("split", None), given.pop("out", None), force)

    def dataset(self, run: Run) -> Dataset:
        """Return the data for a run: those that were named, or its own; a note says where these have changed."""
        from narrows.cli.console import note
        from narrows.runs import dataset_of

        return dataset_of(run, self.data, self.options, changed=note)


def data_flags(*, listed: bool = True, **defaults: Any) -> list[inspect.Parameter]:
    """Return flags of data: of data, data_option, split and out those that are named.

    The values say in words what is taken where the flag is left out; they may be empty. With `data_option` come the
    flags of `narrows.data.options`, which help shows where `listed` is true.
    """
    texts = {
        "data": ("A data set by name (see `narrows data`), or a file or folder.", str, None),
        "data_option": ("An option of a data set, such as samples=500; may be repeated.", list[str], "KEY=VALUE"),
        "split": ("train, validation or test.", str, None),
        "out": ("Where the result is written.", str, "PATH"),
        "force": ("Replace a file that is there.", bool, None),
    }
    flags = []
    for name, (text, kind, metavar) in texts.items():
        if name in defaults:
            default = f" Default: {defaults[name]}." if defaults[name] else ""
            flags.append(flag(name, text + default, kind, metavar=metavar))
    if "data_option" in defaults:
        for name, option in OPTIONS.items():
            switch, written = option.metavar == "SWITCH", f"--{name.replace('_', '-')}"
            flags.append(flag(
                OF_DATA + name, option.help, bool if switch else str, group=READING, written=written, shown=listed,
                metavar=None if switch else option.metavar,
            ))  # fmt: skip
    return flags


def data_options(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of data among the flags that were given, and take them out of these."""
    options = options_of(given.pop("data_option", None) or [])
    for key in [key for key in given if key.startswith(OF_DATA)]:
        name, value = key.removeprefix(OF_DATA), given.pop(key)
        options[name] = OPTIONS[name].parse(name, value) if isinstance(value, str) else value
    return options


def flag(
    name: str, help: str, kind: Any = str, default: Any = None, *, group: Group = DATA, metavar: str | None = None,
    written: str | None = None, shown: bool = True,
) -> inspect.Parameter:  # fmt: skip
    """Return a keyword parameter for `command_of`; its text is taken as it is, unless it is a switch or a number."""
    tokens = None if kind is bool else 1
    about = Parameter(
        name=written, help=help, group=group, negative=(), n_tokens=tokens, metavar=metavar,
        show_default=default not in (None, False), allow_leading_hyphen=True,
        converter=as_written if kind is str else None, show=shown,
    )  # fmt: skip
    annotation = Annotated[kind, about]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def as_written(kind: Any, tokens: Sequence[Token]) -> str:
    """Return a flag's text as it is."""
    return tokens[0].value


def command_of(
    function: Callable[..., Any], parameters: Iterable[inspect.Parameter], help: str | None
) -> Callable[..., Any]:
    """Give a function of any keywords the signature that cyclopts reads; only flags that were given reach it.

    Where a flag of the command has the name of an option of data, that option is left to --data-option.
    """
    parameters = list(parameters)
    names = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    parameters = [p for p in parameters if p.name.removeprefix(OF_DATA) not in names or not p.name.startswith(OF_DATA)]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in parameters}
    function.__doc__ = help
    return function


def with_source(**defaults: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the flags of data that are named, which reach it as its keyword `source`; see `data_flags`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        def command(*positional: Any, **given: Any) -> Any:
            source = Source.taken(given)
            return function(*positional, source=source, **given)

        own = inspect.signature(function, eval_str=True).parameters.values()
        flags = data_flags(**defaults)
        return command_of(command, [*(p for p in own if p.name != "source"), *flags], function.__doc__)

    return decorate


def options_of(pairs: Sequence[str]) -> dict[str, Any]:
    """Return data options from texts such as `limit=500`: whole numbers, numbers, true, false, none, or text."""
    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--data-option must be written key=value; got {pair!r}. For example limit=500.")
        name = key.strip().replace("-", "_")
        options[name] = OPTIONS[name].parse(name, text.strip()) if name in OPTIONS else plain(text.strip())
    return options


def parameter_flags(
    cls: type, group: Group, *, training: Iterable[str] = (), several: bool = False
) -> list[inspect.Parameter]:
    """Return a flag for every parameter of a class, and one for every parameter of the components that it takes.

    Parameters named in `training` stand below "Training", the others below `group`; with `several`, as in a sweep, each
    flag takes several values.
    """
    training, flags = set(training), []
    for each in fields(cls):
        if typing.get_origin(kinds_of(each.annotation)[0]) is dict:
            continue  # see `COLUMN`
        heading = TRAINING if each.name in training else group if each.axis is None else COMPONENTS
        flags.append(_flag_of(each, heading, several))
    for each in fields(cls):
        if each.axis is not None and not each.many:
            flags += _component_flags(each, several)
    return flags


def _flag_of(each: Param, group: Group, several: bool) -> inspect.Parameter:
    if several:
        return flag(each.name, each.help, str, shown_default(each), group=group, metavar="VALUES")
    if each.annotation is bool:
        about = Parameter(help=each.help, group=group)
        keyword, annotation = inspect.Parameter.KEYWORD_ONLY, Annotated[bool, about]
        return inspect.Parameter(each.name, keyword, default=each.default, annotation=annotation)
    if each.axis is not None:
        text = f"{each.help} One of {', '.join(axis_of(each))}" + ("; may be repeated." if each.many else ".")
        kind, default = (list[str], None) if each.many else (str, shown_default(each))
        return flag(each.name, text, kind, default, group=group, metavar="NAME:VALUE")
    names_first = kinds_of(each.annotation)[0] is str
    metavar = "CHOICE" if each.choices and names_first else _type_name(each.annotation)
    made = flag(each.name, each.help, str, shown_default(each), group=group, metavar=metavar)
    if each.choices is None or not set(kinds_of(each.annotation)) <= {str, type(None)}:
        return made
    _, about = typing.get_args(made.annotation)
    return made.replace(annotation=Annotated[Literal[each.choices], about])


def axis_of(each: Param) -> Mapping[str, Any]:
    """Return the components that a parameter takes, by name."""
    from narrows.components import AXES

    assert each.axis is not None
    return AXES[each.axis]


def _component_flags(each: Param, several: bool) -> list[inspect.Parameter]:
    """Return flags such as --network.hidden, for the parameters of every component that a parameter takes."""
    takers: dict[str, list[str]] = {}
    kinds: dict[str, Param] = {}
    for name, component in axis_of(each).items():
        for inner in fields(component):
            takers.setdefault(inner.name, []).append(name)
            kinds.setdefault(inner.name, inner)
    group = Group(f"Options of --{each.name.replace('_', '-')}", sort_key=4)
    return [
        flag(
            f"{each.name}__{name}", f"{kinds[name].help} Of {', '.join(takers[name])}.", str, group=group,
            metavar="VALUES" if several else _type_name(kinds[name].annotation),
            written=f"--{each.name.replace('_', '-')}.{name.replace('_', '-')}",
        )
        for name in takers
    ]  # fmt: skip


def _type_name(annotation: Any) -> str:
    """Return the type of a parameter as one types it: INT, FLOAT, STR; INT,... for a tuple of any length."""
    kind = next(kind for kind in kinds_of(annotation) if kind is not type(None))
    if typing.get_origin(kind) is tuple:
        return ",".join("..." if inner is ... else _type_name(inner) for inner in typing.get_args(kind))
    return str(kind.__name__).upper()


def shown_default(each: Param) -> Any:
    """Return the default as one would write it on the command line; None where there is nothing to show."""
    return each.default if each.annotation is bool else write_value(each.default)


def values_of_flags(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the parameters of a class that flags or a file give, by name.

    Texts become values by the type of the parameter; `network__hidden` changes the component given as `network`. Raises
    ConfigError where no component that is given has such a parameter.
    """
    from narrows.components import resolve_all

    by_name = {each.name: each for each in fields(cls)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name in by_name:
            if by_name[name].axis is not None:
                value = None if value == "none" else value
            elif isinstance(value, str):
                value = parse_value(by_name[name], value)
            values[name] = tuple(value) if isinstance(value, list) else value
    for name, value in given.items():
        outer, _, inner = name.partition("__")
        if inner and outer in by_name:
            values[outer] = _changed(by_name[outer], values.get(outer, by_name[outer].default), inner, value)
    for name, value in values.items():
        if (axis := by_name[name].axis) is not None and value != "auto":
            resolve_all(axis, value, cls.__name__)  # a wrong name is refused before data are loaded
    return values


def _changed(each: Param, component: Any, inner: str, value: Any) -> str:
    """Return the text of a component in which a parameter has another value."""
    from narrows.components import resolve

    by_name = {name: {p.name: p for p in fields(cls)} for name, cls in axis_of(each).items()}
    chosen = component.partition(":")[0] if isinstance(component, str) else ""
    if inner in by_name.get(chosen, ()):
        made = resolve(str(each.axis), component)
        return str(made.set_params(**{inner: parse_value(by_name[chosen][inner], value)}))
    takers = ", ".join(name for name, known in by_name.items() if inner in known)
    flag_ = each.name.replace("_", "-")
    raise ConfigError(
        f"--{flag_}.{inner.replace('_', '-')} must go with one of {takers}; got {component!r}. Choose one by --{flag_}."
    )
