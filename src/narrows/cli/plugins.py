"""`--plugin FILE`: a Python file that the user wrote, imported before the command, which registers what it adds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from narrows.errors import ConfigError
from narrows.plugins import imported_plugins

FLAG = "--plugin"
HELP = (
    "Models, networks, likelihoods and other components of your own: narrows --plugin FILE.py COMMAND ...; the file "
    "registers them by narrows.register."
)


def without_plugins(tokens: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the tokens without those of --plugin, and the files that these name; ConfigError where one is missing."""
    return without(tokens, FLAG, "a Python file")


def without(tokens: Sequence[str], flag: str, what: str) -> tuple[list[str], list[str]]:
    """Return the tokens without a flag that any command takes, and its values; ConfigError where one is missing."""
    rest: list[str] = []
    values: list[str] = []
    remaining = iter(tokens)
    for token in remaining:
        if token == flag:
            if (value := next(remaining, None)) is None:
                raise ConfigError(f"{flag} must be followed by {what}; got none.")
            values.append(value)
        elif token.startswith(f"{flag}="):
            values.append(token.removeprefix(f"{flag}="))
        else:
            rest.append(token)
    return rest, values


def plugin_flags() -> list[str]:
    """Return what tells another process of narrows to import the plugins of this one."""
    return [word for file in imported_plugins() for word in (FLAG, file)]


def missing_plugins(command: Sequence[str]) -> list[str]:
    """Return the flags of a command line that name plugins which this process has not imported."""
    try:
        _, files = without_plugins(command)
    except ConfigError:
        return []
    names = {Path(file).name for file in imported_plugins()}
    return [f"{FLAG} {file}" for file in files if Path(file).name not in names]
