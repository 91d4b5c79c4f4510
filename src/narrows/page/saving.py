"""Results that a view keeps: pictures in the run's folder, drawn as the commands draw them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from narrows import figures
from narrows.analyses import combination
from narrows.analyses.expression import Term
from narrows.errors import ConfigError
from narrows.page.calls import Arguments, combined, denoised, drawn
from narrows.page.explorer import Explorer
from narrows.page.info import DRAWN_ROWS
from narrows.page.wire import Message
from narrows.runs import Run

if TYPE_CHECKING:
    from PIL import Image

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .-]{0,60}")
"""What the name of a picture may be, without its ending, so that it is a file in the run's folder and nothing else."""
MOST = 1000
"""Pictures of one name."""

Drawn = tuple["Image.Image", dict[str, float], str]
"""A picture, its numbers, and a caption."""


def save(explorer: Explorer, folder: Path, message: Message) -> str:
    """Draw the result of a call into a run's folder, and write the call and its numbers into the run's record.

    Parameters
    ----------
    explorer
        The model and its data.
    folder
        Of the run.
    message
        Holds `kind`, one of `KINDS`; `call`, what made the result; `name`, of the file, or none; and the tensors of
        the call.

    Returns
    -------
    str
        The name of the new file.
    """
    kind, call, name = message.meta.get("kind"), message.meta.get("call"), message.meta.get("name") or ""
    if kind not in KINDS:
        raise ConfigError(f"save: kind must be one of {', '.join(KINDS)}; got {str(kind)[:40]!r}.")
    if not isinstance(call, Mapping):
        raise ConfigError(f"save: call must be what made the result; got {str(call)[:40]!r}.")
    stem = str(name).removesuffix(".png") or FILES[kind]
    if not NAME.fullmatch(stem):
        raise ConfigError(f"save: name must be of letters, digits, spaces, _, - and points; got {stem[:80]!r}.")
    picture, numbers, caption = KINDS[kind](explorer, Arguments(Message(call, message.tensors)))
    run = Run(folder)
    path = run.draw(_free(folder, stem), picture)
    if run.status != "running":  # else its record is its training's
        known = {name: value for name, value in call.items() if name not in ("seq", "lane", "input")}
        entry = {**numbers, "caption": caption[:200], "call": known}
        run.update(analyses={**run.record.get("analyses", {}), path.stem: entry})
    return path.name


def saved(run: Run) -> dict[Path, str]:
    """Return the existing pictures that were saved into a run, and what each shows."""
    entries = run.record.get("analyses", {}).items()
    captions = {run.folder / f"{name}.png": entry.get("caption") for name, entry in entries if NAME.fullmatch(name)}
    return {path: caption for path, caption in captions.items() if isinstance(caption, str) and path.is_file()}


def _free(folder: Path, stem: str) -> str:
    """Return a name that no file has."""
    for i in range(1, MOST):
        name = f"{stem}-{i}.png"
        if not (folder / name).exists():
            return name
    raise ConfigError(f"save: there are {MOST - 1} pictures named {stem!r} already. Choose another name.")


def _combination(explorer: Explorer, given: Arguments) -> Drawn:
    on, terms, result, label = explorer.combination(**combined(given))
    written = " ".join(f"{'-' if term.weight < 0 else '+'} {_weighted(term)}" for term in terms).removeprefix("+ ")
    caption = f"{written}, {on.shown.name} samples"
    if explorer.display.kind == "image":
        limits = explorer.limits(given.split)
        return combination.drawn(on, terms, result, limits, label), result.numbers, caption
    rows = {"plain sum": result.plain[None], "decoded": result.decoded[None]}
    return figures.compare(rows), result.numbers, caption


def _weighted(term: Term) -> str:
    return term.name if abs(term.weight) == 1 else f"{abs(term.weight):g} * {term.name}"


def _denoised(explorer: Explorer, given: Arguments) -> Drawn:
    arguments = denoised(given)
    _, result = explorer.denoised(**arguments)
    own = arguments["input"] is not None
    sample = "a drawing" if own else f"{explorer.on(given.split).shown.name} sample {arguments['row']}"
    return result.drawn(1), result.errors, f"{sample}, {result.corruption}"


def _generated(explorer: Explorer, given: Arguments) -> Drawn:
    arguments = drawn(given)
    if explorer.display.columns:
        raise ConfigError(f"save: samples must be images, sequences, or rows of numbers. {DRAWN_ROWS}")
    x, _ = explorer.new(explorer.drawn(**arguments), arguments["seed"], given.y)
    picture = figures.gallery(explorer.model.schema_.decode(x.astype(explorer.model.computing_dtype)))
    return picture, {}, f"new samples, {arguments['sampler']}, temperature {arguments['temperature']:g}"


KINDS: dict[str, Callable[[Explorer, Arguments], Drawn]] = {
    "combination": _combination, "denoised": _denoised, "generated": _generated,
}  # fmt: skip
FILES: dict[Any, str] = {"combination": "combined", "denoised": "denoised", "generated": "generated"}
"""The name of a picture, where none is given."""
