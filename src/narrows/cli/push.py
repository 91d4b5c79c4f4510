"""`narrows push`: a run's model on the Hugging Face Hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from narrows.cli import console
from narrows.cli.console import note
from narrows.cli.locate import run_of
from narrows.errors import ConfigError, NarrowsError

if TYPE_CHECKING:
    from narrows.evaluation import Finding
    from narrows.runs import Run

PLANNED = "hub"
"""The folder, in the run, that --dry-run writes."""


def push(
    run: Annotated[str, Parameter(help="Its folder, or its name under runs/.")],
    repository: Annotated[str, Parameter(help="user/name on the hub; user/name@branch for a branch that is there.")],
    /,
    *,
    private: Annotated[
        bool | None, Parameter(help="Whether a new repository is private; else as your account's settings say.")
    ] = None,
    licence: Annotated[
        str | None, Parameter(help="Of the model, as the hub spells it: mit, apache-2.0, cc-by-4.0, ...")
    ] = None,
    pictures: Annotated[bool, Parameter(help="Upload the pictures, which show samples of the data.")] = True,
    advice: Annotated[bool, Parameter(help="Diagnose the run on its data, for the card.")] = True,
    dry_run: Annotated[
        bool, Parameter(negative=(), help="Upload nothing: write the card and all that would be uploaded to a folder.")
    ] = False,
    out: Annotated[
        str | None, Parameter(name="--out", help=f"The folder for --dry-run; {PLANNED}/ in the run.")
    ] = None,
) -> None:
    """Upload a model with its card to the Hugging Face Hub."""
    from narrows.hub import push as upload
    from narrows.hub import write_package
    from narrows.storage.hub import Address, library

    address = Address.parse(repository)
    library()
    if licence is not None and not re.fullmatch(r"[a-z0-9.-]{2,40}", licence):
        raise ConfigError(f"push: --licence must be as the hub spells it, such as mit or cc-by-4.0; got {licence!r}.")
    if out is not None and not dry_run:
        raise ConfigError(f"push: --out must go with --dry-run; got {out!r} alone.")
    chosen = run_of(run)
    findings = _findings(chosen) if advice else []
    if dry_run:
        folder = chosen.folder / PLANNED if out is None else Path(out)
        _check_empty(folder, chosen.folder / PLANNED)
        files = write_package(chosen, folder, address, licence=licence, pictures=pictures, findings=findings)
        size = sum(path.stat().st_size for path in files) / 1e6
        _print(f"{len(files)} files, {size:.1f} MB, for {address}; nothing was uploaded")
        for path in files:
            _print(str(path))
        return
    url = upload(chosen, repository, private=private, licence=licence, pictures=pictures, findings=findings)
    _print(f"{chosen.name} is at {address}")
    _print(url)


def _print(text: str) -> None:
    console.out().print(text, soft_wrap=True)


def _findings(run: Run) -> list[Finding]:
    """Return what can be said of a run, if its data are where they were and unchanged."""
    from narrows.cli.advice import findings_of
    from narrows.runs import dataset_of

    changes: list[str] = []
    try:
        dataset = dataset_of(run, changed=changes.append)
    except (NarrowsError, OSError) as error:
        note(f"the card has no advice: the run's data cannot be read ({type(error).__name__}).")
        return []
    if changes:
        note("the card has no advice: the run's data have changed.")
        return []
    return findings_of(run.load(), dataset)


def _check_empty(folder: Path, own: Path) -> None:
    """Raise ConfigError where a folder holds something other than what --dry-run wrote there before."""
    import shutil

    if folder == own and folder.is_dir():
        shutil.rmtree(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"push: --out must be a new or empty folder; got {str(folder)!r}.")
