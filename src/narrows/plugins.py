"""Python files that a user wrote, which register components and estimators of their own; see `register`."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path

from narrows.errors import ConfigError, NarrowsError

PREFIX = "narrows_plugin_"
"""Begins the names of their modules, so that none stands for another module, such as json.py for Python's own."""


def import_plugin(file: str) -> None:
    """Import a Python file, once; what lies beside it can be imported as well.

    Raises
    ------
    ConfigError
        There is no such file, or it cannot be imported: the message has the error and its line.
    """
    path = Path(file).resolve()
    if path.suffix != ".py" or not path.is_file():
        raise ConfigError(f"--plugin must be a Python file that exists, such as module.py; got {file!r}.")
    # The same name in every process: objects of its classes are sent to the processes of --jobs.
    name = f"{PREFIX}{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return
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


def imported_plugins() -> list[str]:
    """Return the files of the plugins that this process has imported, in that order."""
    return [str(module.__file__) for name, module in list(sys.modules.items()) if name.startswith(PREFIX)]


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
