"""A command for every step: its flags are the step's fields, beside those of all steps: run, data, part, out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Group, Parameter
from rich.text import Text

from narrows.analyses import STEPS, Outcome, Step, Subject
from narrows.cli.console import number, out, plain_table
from narrows.cli.show import find
from narrows.cli.train import flag_of, options_of, shown_default, value_of
from narrows.cli.use import chosen_data
from narrows.params import fields
from narrows.runs.folder import Run

__all__ = ["application", "report"]

SHARED = Group("Data and files", sort_key=2)
DATA: dict[str, tuple[Any, str]] = {
    "data": (str, "Another data set, by name or path; the run's own if left out."),
    "data_option": (list[str], "Such as limit=500 or label=species; may be repeated."),
    "part": (str, "train, validation or test; the part that the run was judged by if left out."),
    "out": (str, "Where to write the picture; in the run's folder if left out."),
}


def application(name: str, about: str) -> App:
    """Return the command of a step."""
    app = App(name=name, help=about)
    app["--help"].group = Group("Options", sort_key=9)
    app.default(_command(name, STEPS[name]))
    return app


def _command(name: str, cls: type[Step]) -> Callable[..., None]:
    """Return a function whose signature has the run, the step's positional fields, and a keyword per other field."""

    def command(run: str | None = None, *positional: Any, **given: Any) -> None:
        given |= dict(zip(cls.positional, positional, strict=False))
        options = options_of(given.pop("data_option", None) or [])
        part, target = given.pop("part", None), given.pop("out", None)
        by_name = {field.name: field for field in fields(cls)}
        data = given.pop("data", None)
        values = {key: value_of(by_name[key], v) if isinstance(v, str) else v for key, v in given.items()}
        found = find(run)
        dataset = chosen_data(found, data, options)
        subject = Subject(found, dataset, part, None if target is None else Path(target))
        report(name, found, cls(**values)(subject))

    own = Group(cls.__name__, sort_key=1)
    first = Parameter(help="Its folder, or its name under runs/; the latest if left out.", show_default=False)
    kind = inspect.Parameter
    signature = [kind("run", kind.POSITIONAL_ONLY, default=None, annotation=Annotated[str | None, first])]
    keywords = []
    for field in fields(cls):
        if field.name in cls.positional:
            about = Parameter(help=field.help, group=own, allow_leading_hyphen=True)
            signature.append(
                kind(
                    field.name,
                    kind.POSITIONAL_ONLY,
                    default=shown_default(field),
                    annotation=Annotated[str, about],
                )
            )
        else:
            annotation = flag_of(field, own)
            keywords.append(kind(field.name, kind.KEYWORD_ONLY, default=shown_default(field), annotation=annotation))
    for key, (annotation, help_) in DATA.items():
        about = Parameter(help=help_, group=SHARED, negative=(), n_tokens=1, show_default=False)
        keywords.append(kind(key, kind.KEYWORD_ONLY, default=None, annotation=Annotated[annotation | None, about]))
    command.__signature__ = inspect.Signature([*signature, *keywords])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in (*signature, *keywords)}
    return command


def report(name: str, run: Run, outcome: Outcome) -> None:
    """Write down what a step found with its run, and print it."""
    if outcome.numbers:
        run.update(steps={**run.record.get("steps", {}), name: dict(outcome.numbers)})
        found = plain_table()
        found.add_column(name)
        found.add_column("", justify="right")
        for label, value in outcome.numbers.items():
            found.add_row(Text(label), number(value))
        out().print(found)
    if outcome.said:
        out().print(Text(outcome.said))
    for path in outcome.pictures:
        out().print(str(path), soft_wrap=True, markup=False)
