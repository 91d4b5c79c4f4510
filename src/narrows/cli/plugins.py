"""`--plugin FILE`: a Python file that the user wrote, imported before the command, which registers what it adds."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from narrows.errors import ConfigError, NarrowsError

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


def import_plugin(file: str) -> None:
    """Import a Python file, once.

    Raises
    ------
    ConfigError
        There is no such file, or it cannot be imported: the message has the error and its line.
    """
    path = Path(file).resolve()
    if path.suffix != ".py" or not path.is_file():
        raise ConfigError(f"--plugin must be a Python file that exists, such as module.py; got {file!r}.")
    known = sys.modules.get(path.stem)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return
    # Under its own name and with its folder on the path, processes of --jobs find it again.
    name = path.stem if known is None and path.stem.isidentifier() else f"narrows_plugin_{abs(hash(str(path)))}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # the ending is .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as problem:
        del sys.modules[name]
        if isinstance(problem, NarrowsError):
            raise
        raise ConfigError(f"--plugin {file} must be importable; {_described(problem, path)}.") from problem


def missing_plugins(command: Sequence[str]) -> list[str]:
    """Return the flags of a command line that name plugins which this process has not imported."""
    try:
        _, files = without_plugins(command)
    except ConfigError:
        return []
    names = {Path(file).name for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))}
    return [f"{FLAG} {file}" for file in files if Path(file).name not in names]


def _described(problem: Exception, path: Path) -> str:
    """Return an error, and the line of the file that it came from."""
    line = problem.lineno if isinstance(problem, SyntaxError) and problem.filename == str(path) else None
    trace = problem.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    where = "" if line is None else f", line {line}"
    return f"{type(problem).__name__}{where}: {problem}"
