"""Whether the packages are there that a command needs beside narrows' own."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from narrows.errors import ConfigError


def check_installed(command: str, extra: str, packages: Iterable[str]) -> None:
    """Raise ConfigError where a package of an extra is missing."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"{command}: the extra `{extra}` must be installed; {', '.join(missing)} is missing. pip install "
            f"'narrows[{extra}]'."
        )
