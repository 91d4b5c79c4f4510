"""Where data sets lie: NARROWS_DATA, then the cache folder, then the network."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from narrows.data.download import Remote, fetch
from narrows.errors import DownloadError

__all__ = ["cache_folder", "find", "located", "places"]


def cache_folder() -> Path:
    """Return the folder for downloads: NARROWS_CACHE, else ``narrows`` in the platform's cache folder of the user."""
    if own := os.environ.get("NARROWS_CACHE"):
        return Path(own).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "narrows"


def places(name: str, *more: Path) -> list[Path]:
    """Return the folders where the files of a data set may lie, the first to be preferred."""
    own = os.environ.get("NARROWS_DATA")
    return [*([Path(own).expanduser() / name] if own else []), cache_folder() / name, *more]


def find(name: str, files: Sequence[str], *more: Path) -> dict[str, Path] | None:
    """Return the path of each of the files, all from one folder, or None. ``.gz`` may be there or not."""
    for folder in places(name, *more):
        found = {}
        for file in files:
            bare = file.removesuffix(".gz")
            here = [p for p in (folder / file, folder / bare) if p.is_file()]
            if here:
                found[file] = here[0]
        if len(found) == len(files):
            return found
    return None


def located(name: str, remotes: Sequence[Remote], instead: str, *more: Path) -> dict[str, Path]:
    """Return the path of each file of a data set, downloading those that are nowhere.

    Raises
    ------
    DownloadError
        If one cannot be fetched; it says where to put the files, and which data set needs no network.
    """
    found = find(name, [remote.name for remote in remotes], *more)
    if found is not None:
        return found
    try:
        return {remote.name: fetch(remote, cache_folder() / name) for remote in remotes}
    except DownloadError as error:
        raise DownloadError(by_hand(name, [remote.name for remote in remotes], str(error), instead)) from error


def by_hand(name: str, files: Sequence[str], reason: str, instead: str) -> str:
    """Return the sentence that says where files go that narrows cannot fetch."""
    return (
        f"load_dataset: {name!r} must be in a data folder or reachable; got: {reason} "
        f"Put {', '.join(files)} into the folder {name}/ of the folder that NARROWS_DATA names, "
        f"or into {cache_folder() / name} - or use {instead!r}, which needs no network."
    )
