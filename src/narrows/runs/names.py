"""Names of new run folders."""

from __future__ import annotations

import re
from pathlib import Path


def slug_of(data: str) -> str:
    """Return the name or path of a data set as part of a folder's name."""
    return re.sub(r"[^a-z0-9]+", "-", Path(data).name.split(".")[0].lower()).strip("-") or "data"


def next_folder(root: str | Path, name: str, data: str) -> Path:
    """Make and return the next free folder in `root`, such as `runs/vae-mnist-5k-1`.

    `name` is that of the model or the recipe, `data` the data set's name or path, which may be empty.
    """
    stem = f"{name}-{slug_of(data)}" if data else name
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    matches = (re.fullmatch(rf"{re.escape(stem)}-(\d+)", path.name) for path in root.iterdir())
    number = max((int(match[1]) for match in matches if match), default=0) + 1
    while True:  # another process may take the same number at this moment
        try:
            (root / f"{stem}-{number}").mkdir()
        except FileExistsError:
            number += 1
        else:
            return root / f"{stem}-{number}"
