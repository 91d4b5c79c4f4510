"""`narrows runs`, `narrows rename` and `narrows delete`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.text import Text

from narrows.cli.console import note, out, table_of
from narrows.cli.locate import located
from narrows.errors import ConfigError, TrainingError
from narrows.numbers import number

STATUS = {"finished": "green", "running": "cyan", "interrupted": "yellow", "failed": "red"}
PIPED = 200
"""Columns that a table has where no terminal says how many there are."""
SIZES = ("bytes", "KB", "MB", "GB")


def runs(
    folder: Annotated[str, Parameter(help="The folder that holds the runs.")] = "runs",
    /,
    *,
    sort: Annotated[
        str, Parameter(help="name, model, data, started, epochs, error, pca, elbo, ..., or a parameter.")
    ] = "started",
    descending: Annotated[
        bool, Parameter(help="From the highest to the lowest.", negative=(), show_default=False)
    ] = False,
    filter: Annotated[
        list[str] | None,
        Parameter(
            help='Such as "model=vae", "error<10", "latent-dim=8", or a part of the name; may be repeated.',
            n_tokens=1,
            negative=(),
        ),
    ] = None,
) -> None:
    """List the runs."""
    from narrows.cli.summary import error_of, relative_to_pca
    from narrows.runs.listing import arranged, differing, runs_in

    console = out()
    found, problems = runs_in(folder)
    for problem in problems:  # of another version, or changed: no reason not to list the others
        note(f"left out: {problem}")
    if not found:
        console.print(f"No runs in {folder}/. Train one: narrows train vae", soft_wrap=True)
        return
    shown = arranged(found, by=sort, descending=descending, conditions=filter or [])
    if not shown:
        console.print(f"None of {len(found)} runs in {folder}/ meets {' and '.join(filter or [])}.", soft_wrap=True)
        return
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPED
    width = console.width
    right = {"justify": "right"}
    columns: list[tuple[str, bool, dict[str, Any]]] = [
        ("run", True, {"overflow": "fold", "min_width": 12}), ("status", True, {}),
        ("data", width >= 72, {"overflow": "fold"}), ("settings", width >= 72, {"overflow": "fold"}),
        ("epochs", width >= 120, right), ("error", True, right), ("PCA's", width >= 60, right),
        ("vs PCA", width >= 96, right), ("ELBO", width >= 108, right), ("started", width >= 80, {"no_wrap": True}),
    ]  # fmt: skip
    rows = []
    for run, settings in zip(shown, differing(shown), strict=True):
        record, errors = run.record, run.errors
        rows.append((
            Text(run.name), Text(run.status, STATUS.get(run.status, "")), record["data"]["name"],
            ", ".join(f"{name}={text}" for name, text in settings.items()),
            str(record.get("epoch", 0)), number(error_of(errors, "model")), number(error_of(errors, "pca")),
            relative_to_pca(errors, "model"), number((run.summary or {}).get("elbo")),
            record["started"][0 if width >= 120 else 5 : 16 if width >= 96 else 10].replace("T", " "),
        ))  # fmt: skip
    console.print(table_of(columns, rows))
    if left := [run for run in shown if run.resumable]:
        console.print(f"Resume what was interrupted: narrows resume {left[-1].folder}", soft_wrap=True)
    if width >= 72:
        differ = "settings: those that differ; " if len(shown) > 1 else ""
        times = "; times in UTC" if width >= 80 else ""
        nats = "; ELBO: nats" if width >= 108 else ""
        console.print(f"{differ}error: squared, per test sample{nats}{times}", style="dim")


def rename(
    run: Annotated[str, Parameter(help="Its folder, or its name under runs/.")],
    name: Annotated[str, Parameter(help="Its new name, in the same folder.")],
    /,
) -> None:
    """Rename a run."""
    out().print(str(renamed(located(run), name)), soft_wrap=True)


def renamed(folder: Path, name: str) -> Path:
    """Rename a run's folder, and return what it is then; ConfigError where that cannot be."""
    check_idle(folder, "rename")
    if name in ("", ".", "..") or Path(name).name != name or "\0" in name:
        raise ConfigError(f"rename: NAME must be the name of a folder; got {name!r}. A run stays where it is.")
    new = folder.with_name(name)
    if new.exists() or new.is_symlink():
        raise ConfigError(f"rename: NAME must be free; {str(new)!r} is there. Choose another.")
    folder.rename(new)
    return new


def delete(
    *runs: Annotated[str, Parameter(help="Their folders, or their names under runs/.")],
    yes: Annotated[bool, Parameter(help="Do not ask.", negative=(), show_default=False)] = False,
) -> int:
    """Delete runs, with all that is in their folders."""
    if not runs:
        raise ConfigError("delete: RUNS must be at least one run; got none. `narrows runs` lists them.")
    folders = list(dict.fromkeys(located(run) for run in runs))  # all are there before any goes
    for folder in folders:
        check_idle(folder, "delete")
    if not yes and not sys.stdin.isatty():
        raise ConfigError("delete: --yes must be given where there is no terminal to ask on.")
    for folder in folders:
        files = [path for path in folder.rglob("*") if path.is_file()]
        what = f"{folder} ({len(files)} files, {_size(sum(path.lstat().st_size for path in files))})"
        if not yes:
            out().print(f"Delete {what}? [y/N] ", end="", soft_wrap=True)
            if input().strip().lower() not in ("y", "yes"):
                out().print("kept")
                continue
        remove(folder)
        out().print(f"deleted {what}", soft_wrap=True)
    return 0


def remove(folder: Path) -> None:
    """Remove a run's folder, or the link to it."""
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder)


def check_idle(folder: Path, command: str) -> None:
    """Refuse a run that a process is at."""
    from narrows.storage.lock import check_free, lock_of

    try:
        check_free(lock_of(folder))
    except TrainingError as error:
        raise TrainingError(f"{command}: {error}") from None


def _size(bytes_: float) -> str:
    """Return a number of bytes as one says it."""
    for unit in SIZES:
        if bytes_ < 1000 or unit == SIZES[-1]:
            break
        bytes_ /= 1000
    return f"{bytes_:.3g} {unit}"
