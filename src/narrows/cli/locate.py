"""Which run a command means: located without importing what models need, which takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from narrows.errors import ConfigError, FormatError, did_you_mean
from narrows.storage.hub import fetch, is_address

if TYPE_CHECKING:
    from narrows.runs import Run


def run_of(name: str | None) -> Run:
    """Return the run of that path, of that name under runs/, or of hf://user/name; the latest if there is no name."""
    from narrows.cli.console import note
    from narrows.cli.plugins import missing_plugins
    from narrows.runs import Run

    run = Run(fetch(str(name)) if is_address(name) else located(name))
    if missing := missing_plugins(run.record.get("command", [])):
        note(f"{run.name} was trained with {' '.join(missing)}, which may be needed here, too.")
    return run


def located(name: str | None) -> Path:
    """Return the run folder of that path, or of that name under runs/; the latest one if there is no name.

    Raises ConfigError where there is none, FormatError where the folder exists and holds no run.
    """
    if name is not None:
        for folder in (Path(name), Path("runs") / name):
            if (folder / "run.json").exists():
                return folder
        if Path(name).is_dir():
            raise FormatError(f"{name}: must be a run folder, with run.json; it is not. `narrows runs` lists them.")
    known = folders(Path("runs"))
    if name is None and known:
        return known[-1]
    names = [folder.name for folder in known]
    got = "none" if name is None else f"{name!r}"
    advice = "`narrows runs` lists them." if known else "Train one first: narrows train vae."
    hint = "" if name is None else did_you_mean(name, names)
    raise ConfigError(f"RUN must be a run folder, or its name under runs/; got {got}.{hint} {advice}")


def folders(root: Path) -> list[Path]:
    """Return the run folders in a folder, the latest last."""
    from narrows.storage.json import read_json

    started = {}
    for path in root.glob("*/run.json"):
        try:
            started[path.parent] = str(read_json(path).get("started"))
        except FormatError:
            continue  # what cannot be read is no reason not to list the others
    return sorted(started, key=lambda folder: (started[folder], folder.name))
