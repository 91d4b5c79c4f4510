"""A folder that is written as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

from narrows.errors import ConfigError


@contextlib.contextmanager
def replaced(folder: Path, mark: str, *, force: bool) -> Generator[Path, None, None]:
    """Yield a folder to write into, which takes the place of `folder` at the end, unless something is raised.

    Raises: ConfigError where `folder` holds something; with `force`, where it does not hold the file `mark`, by which
    it is known as one that was written here.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"export: FOLDER must be a folder; {str(folder)!r} is a file. Choose another name.")
    held = folder.is_dir() and any(folder.iterdir())
    if held and not (folder / mark).is_file():
        raise ConfigError(
            f"export: FOLDER must be new or empty; {str(folder)!r} holds other files, without {mark}. Choose another."
        )
    if held and not force:
        raise ConfigError(f"export: FOLDER must be new or empty; {str(folder)!r} holds an export. Add --force.")
    new = [parent for parent in folder.parents if not parent.exists()]  # the nearest first
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(f"export: FOLDER must lie in a folder; got {str(folder)!r}. Choose another.") from None
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        draft = work / "new"
        draft.mkdir()
        yield draft
        if folder.is_dir():
            os.replace(folder, work / "old")
        os.replace(draft, folder)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        for parent in new:
            with contextlib.suppress(OSError):  # another process may have put something there
                parent.rmdir()
        raise
    shutil.rmtree(work, ignore_errors=True)
