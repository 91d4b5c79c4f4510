"""`narrows export`: a model in a form that others read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from cyclopts import Parameter

from narrows.cli.arguments import RunName
from narrows.cli.console import out
from narrows.cli.locate import run_of
from narrows.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from narrows.runs import Run


class Format(NamedTuple):
    """A form of a model."""

    about: str
    ending: str
    """Of the file."""
    make: Callable[[Run], tuple[bytes, str]]
    """Returns the file's content, and what there is to say of it."""


def _page(run: Run) -> tuple[bytes, str]:
    from narrows.export.page import page_of
    from narrows.page.models import load

    page = page_of(load(run.folder).explorer)
    notes = [f"{page.rows:,} samples"]
    if page.rounded:
        notes.append("weights rounded to 16 bits")
    if page.why:
        notes.append(page.why)
    return page.html.encode(), "; ".join(notes)


FORMATS = {"page": Format("one HTML file that shows the model, offline", ".html", _page)}


def export(
    run: RunName = None,
    file: Annotated[str | None, Parameter(help="The file to write; page.html in the run if left out.")] = None,
    /,
    *,
    to: Annotated[
        str, Parameter(help="; ".join(f"{name}: {each.about}" for name, each in FORMATS.items()) + ".")
    ] = "page",
    force: Annotated[bool, Parameter(negative=(), help="Replace a file that is there.")] = False,
) -> None:
    """Write a model as one file for others: as a page that shows it, without narrows or a server."""
    from narrows.storage.atomic import write_bytes

    if to not in FORMATS:
        raise ConfigError(f"--to must be one of {', '.join(FORMATS)}; got {to!r}.{did_you_mean(to, list(FORMATS))}")
    form = FORMATS[to]
    chosen = run_of(run)
    path = chosen.folder / f"{to}{form.ending}" if file is None else _target(file, form.ending, force)
    content, notes = form.make(chosen)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content)
    out().print(f"{chosen.name}: {len(content) / 1e6:.1f} MB, {notes}")
    out().print(str(path), soft_wrap=True)


def _target(file: str, ending: str, force: bool) -> Path:
    """Return the file to write. Raises: ConfigError where it has another ending, or is there and --force is not."""
    path = Path(file)
    if path.suffix.lower() != ending:
        raise ConfigError(f"export: FILE must end in {ending}; got {file!r}.")
    if path.is_dir() or (path.exists() and not force):
        advice = "Choose another name." if path.is_dir() else "Add --force to replace it."
        raise ConfigError(f"export: FILE must be a new file; {file!r} is there. {advice}")
    if path.parent.exists() and not path.parent.is_dir():
        raise ConfigError(f"export: FILE must lie in a folder; got {file!r}.")
    return path
