"""`narrows export`: a model in a form that others read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from narrows.cli.arguments import RunName, Source
from narrows.cli.console import note, out
from narrows.cli.locate import run_of
from narrows.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from narrows.export.models import Exported
    from narrows.runs import Run

FORMATS = {
    "page": "one HTML file that shows the model, offline",
    "onnx": "a folder of ONNX files, for ONNX Runtime and narrows.load_onnx",
    "triton": "a model repository of NVIDIA Triton",
    "torch": "a folder of programs of torch.export",
}


def export(
    run: RunName = None,
    target: Annotated[
        str | None,
        Parameter(help="The file (page) or the folder to write; page.html or export/ in the run if left out."),
    ] = None,
    /,
    *,
    to: Annotated[str, Parameter(help="; ".join(f"{name}: {about}" for name, about in FORMATS.items()) + ".")] = "page",
    int8: Annotated[
        bool, Parameter(negative=(), help="onnx, triton: weights in 8 bits; what that costs is printed.")
    ] = False,
    force: Annotated[bool, Parameter(negative=(), help="Replace a file that is there, or an earlier export.")] = False,
) -> None:
    """Write a model for others: as a page that shows it, or as functions that run without narrows."""
    if to not in FORMATS:
        raise ConfigError(f"--to must be one of {', '.join(FORMATS)}; got {to!r}.{did_you_mean(to, list(FORMATS))}")
    if to == "page":
        if int8:
            raise ConfigError("export: --int8 must go with --to onnx or triton; got --to page.")
        _export_page(run_of(run), target, force)
    else:
        _export_functions(run_of(run), target, to, int8, force)


# Functions ------------------------------------------------------------------------------------------------------------


def _export_functions(run: Run, target: str | None, to: str, int8: bool, force: bool) -> None:
    from narrows.export.models import export_model

    model = run.load()
    X, y = _held_out(run)
    folder = run.folder / "export" / to if target is None else Path(target)
    licence = str((run.record.get("data") or {}).get("licence") or "")
    files = export_model(
        model, folder, to, X=X, y=y, int8=int8, name=run.name, licence=licence, force=force,
        each=lambda file: _say(file, file.path.relative_to(folder)),
    )  # fmt: skip
    size = sum(file.size for file in files)
    out().print(f"{run.name}: {len(files)} files, {size / 1e6:.1f} MB, and schema.json")
    out().print(str(folder), soft_wrap=True)


def _held_out(run: Run) -> tuple[object, object]:
    """Return the run's held-out samples and their labels; none where its data are no longer there."""
    from narrows.cli.samples import samples_of

    try:
        samples = samples_of(Source().dataset(run), Source())
    except DataError as error:
        note(f"compared with torch on samples that the model decodes, since the run's data cannot be read: {error}")
        return None, None
    return samples.X, samples.y


def _say(file: Exported, name: Path) -> None:
    """Print a file, what it takes and returns, and what was measured."""
    one, many = (f"{seconds * 1e3:.3g} ms" for seconds in file.seconds)
    error = f"{file.difference:.1e} from torch"
    if file.int8 is not None:
        error += f", with int8 {file.int8:.1e}"
    console = out()
    console.print(f"{name}: {file.size / 1e6:.2f} MB; {error}; {one} for a sample, {many} for 1,000", soft_wrap=True)
    console.print(f"  {', '.join(file.inputs)} -> {', '.join(file.outputs)}", soft_wrap=True)


# The page -------------------------------------------------------------------------------------------------------------


def _export_page(run: Run, file: str | None, force: bool) -> None:
    from narrows.storage.atomic import write_bytes

    path = run.folder / "page.html" if file is None else _target(file, ".html", force)
    content, notes = _page(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content)
    out().print(f"{run.name}: {len(content) / 1e6:.1f} MB, {notes}")
    out().print(str(path), soft_wrap=True)


def _page(run: Run) -> tuple[bytes, str]:
    """Return the page, and what there is to say of it."""
    from narrows.export.page import page_of
    from narrows.page.models import load

    page = page_of(load(run.folder).explorer)
    notes = [f"{page.rows:,} samples"]
    if page.rounded:
        notes.append("weights rounded to 16 bits")
    if page.why:
        notes.append(page.why)
    return page.html.encode(), "; ".join(notes)


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
