"""Where the files of data sets are: in the folder NARROWS_DATA, in the cache folder, or on the network."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from narrows.data.download import Remote, fetch
from narrows.errors import DownloadError


def cache_folder() -> Path:
    """Return the folder for downloads: NARROWS_CACHE, else ``narrows`` in the platform's cache folder of the user."""
    if folder := os.environ.get("NARROWS_CACHE"):
        return Path(folder).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "narrows"


def candidate_folders(name: str, *more: Path) -> list[Path]:
    """Return the folders where the files of a data set may lie, the first to be preferred."""
    data_folder = os.environ.get("NARROWS_DATA")
    return [*([Path(data_folder).expanduser() / name] if data_folder else []), cache_folder() / name, *more]


def find_files(name: str, files: Sequence[str], *more: Path) -> dict[str, Path] | None:
    """Return the path of each of the files, all from one folder, or None. They may be unpacked, without ``.gz``."""
    for folder in candidate_folders(name, *more):
        paths = {}
        for file in files:
            candidates = (folder / file, folder / file.removesuffix(".gz"))
            if path := next((path for path in candidates if path.is_file()), None):
                paths[file] = path
        if len(paths) == len(files):
            return paths
    return None


def locate_files(name: str, remotes: Sequence[Remote], alternative: str, *more: Path) -> dict[str, Path]:
    """Return the path of each file of a data set, downloading those that are in no folder.

    A DownloadError says where to put the files, and names an alternative that needs no network.
    """
    files = [remote.name for remote in remotes]
    if (paths := find_files(name, files, *more)) is not None:
        return paths
    try:
        return {remote.name: fetch(remote, cache_folder() / name) for remote in remotes}
    except DownloadError as error:
        raise DownloadError(manual_download(name, files, str(error), alternative)) from error


def manual_download(name: str, files: Sequence[str], reason: str, alternative: str) -> str:
    """Return the message that says where to put files that narrows cannot fetch."""
    return (
        f"load_dataset: {name!r} must be in a data folder or reachable; got: {reason} "
        f"Put {', '.join(files)} into the folder {name}/ of the folder that NARROWS_DATA names, "
        f"or into {cache_folder() / name} - or use {alternative!r}, which needs no network."
    )
