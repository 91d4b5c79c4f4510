"""A command for every analysis: its flags are the analysis' parameters, beside the flags of data."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Group, Parameter
from rich.text import Text

from narrows.cli.arguments import (
    RunName,
    Source,
    command_of,
    data_flags,
    parameter_flags,
    shown_default,
    values_of_flags,
)
from narrows.cli.console import out, table_of
from narrows.cli.locate import run_of
from narrows.numbers import number
from narrows.params import fields

if TYPE_CHECKING:
    from narrows.analyses import Analysis, Result
    from narrows.cli.samples import Written
    from narrows.runs import Run

HELPS = {
    "denoise": "Corrupt samples, reconstruct them, and compare.",
    "map": "Draw the codes in the plane, coloured by label, with thumbnails of images.",
    "recognise": "Classify samples by the nearest of a few labelled codes, beside PCA's codes and the raw values.",
    "regenerate": "Draw samples in this process and, from the saved model, in a new one, and compare them.",
    "scan": "Draw a plane of two latent dimensions as one picture.",
    "traverse": "Change one latent dimension after the other, and draw the samples that are decoded.",
    "interpolate": "Interpolate between two samples in small steps of the code, straight and around the centre.",
    "combine": "Add and subtract the codes of samples, and draw the sample that is decoded.",
    "cloud": "Draw points of a plane, their reconstructions, and the axes of a linear model.",
    "codes": "Draw points in space, the surface of a two-dimensional code, and the codes.",
    "components": "Draw what each latent dimension adds to the mean sample: of PCA its axes, such as eigenfaces.",
    "ranks": "Reconstruct samples from more and more dimensions of an ordered code.",
    "features": "Draw what the most active units of the code respond to in an image.",
    "gallery": "Draw samples as they are, of one class or all.",
    "epochs": "Draw how the same samples were reconstructed during training.",
}
"""Command -> its help, so that the list of commands need not import the analyses."""


def application(name: str) -> App:
    """Return the command of an analysis."""
    from narrows.analyses import ANALYSES

    app = App(name=name, help=HELPS[name])
    app["--help"].group = Group("Options", sort_key=9)
    app.default(_command(name, ANALYSES[name]))
    return app


def _command(name: str, cls: type[Analysis]) -> Callable[..., None]:
    """Return a function whose signature has the run, the positional parameters, and a keyword per other one."""
    from narrows.analyses import Subject

    def command(run: str | None = None, *positional: Any, **given: Any) -> None:
        from narrows.cli.samples import Written, check_new

        source = Source.taken(given)
        check_new(source)
        given |= dict(zip(cls.positional, positional, strict=False))
        chosen = run_of(run)
        written = Written(chosen.folder)
        target = None if source.out is None else Path(source.out)
        subject = Subject(chosen, source.dataset(chosen), source.split, target)
        report(name, chosen, cls(**values_of_flags(cls, given))(subject), written)

    group, kind = Group(cls.__name__, sort_key=2), inspect.Parameter.POSITIONAL_ONLY
    first = [inspect.Parameter("run", kind, default=None, annotation=RunName)]
    for each in fields(cls):
        if each.name in cls.positional:
            about = Parameter(help=each.help, group=group, allow_leading_hyphen=True)
            default = shown_default(each)
            first.append(inspect.Parameter(each.name, kind, default=default, annotation=Annotated[str, about]))
    flags = [each for each in parameter_flags(cls, group) if each.name not in cls.positional]
    data = data_flags(
        listed=False,
        data="the run's own",
        data_option="",
        split="the one that the run was evaluated on",
        out="a picture in the run",
        force="",
    )
    return command_of(command, [*first, *flags, *data], HELPS[name])


def report(name: str, run: Run, result: Result, written: Written | None = None) -> None:
    """Write down the numbers of an analysis with its run, and print what it made; `written` knows what was there."""
    if result.numbers:
        run.update(analyses={**run.record.get("analyses", {}), name: dict(result.numbers)})
        rows = [(Text(label), number(value)) for label, value in result.numbers.items()]
        out().print(table_of([(name, True, {}), ("", True, {"justify": "right"})], rows))
    if result.note:
        out().print(Text(result.note))
    for path in result.pictures:
        if written is None:
            out().print(str(path), soft_wrap=True)
        else:
            written.say(path)
