"""The TOML file of `--config`, which may be anything: too large, a device, not TOML, or hold what no flag takes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from narrows.data.options import OPTIONS
from narrows.errors import ConfigError, did_you_mean
from narrows.params import shown

MOST = 2**20
"""Bytes that the file may have."""


def read_config(path: str, model: str, texts: Iterable[str], others: Iterable[str]) -> dict[str, Any]:
    """Return what the file of a training sets: keys are the flags, with _ or -; data options may be a table.

    Parameters
    ----------
    path
        Of the file.
    model
        Which is trained; the file may name it.
    texts, others
        Keys that must be strings, and all others.

    Raises
    ------
    ConfigError
        There is no such file, or it is none of TOML; names every key that is unknown or holds something else.
    """
    texts, others = tuple(texts), tuple(others)
    known = ("model", "data_option", *texts, *others, *OPTIONS)
    values: dict[str, Any] = {}
    options: dict[str, Any] = {}
    wrong = []
    for key, value in _content(path).items():
        name = key.replace("-", "_")
        name = "data_option" if name == "data_options" else name
        if name not in known:
            wrong.append(f"keys must be flags of `narrows train {model}`; got {shown(key)}.{did_you_mean(name, known)}")
        elif name in texts and (not isinstance(value, str) or "\0" in value):
            what = " without the character NUL" if isinstance(value, str) else ""
            wrong.append(f"{key} must be a string{what}; got {shown(value)}.")
        elif name == "data_option" and not isinstance(value, dict):
            wrong.append(f"{key} must be a table; got {shown(value)}. Write [data_options].")
        elif name == "model" and value != model:
            wrong.append(f"model must be {model!r}, as on the command line; got {shown(value)}.")
        elif name not in ("model", "data_option", *OPTIONS) and isinstance(value, dict):
            wrong.append(f"{key} must be one value; got a table. Write it as its flag takes it, such as {name} = ...")
        if name in OPTIONS and name not in others:
            options[name] = OPTIONS[name].parse(name, value) if isinstance(value, str) else value
        else:
            values[name] = value
    if wrong:
        raise ConfigError(f"{path}: {' '.join(wrong)}")
    values.pop("model", None)
    if options:
        values["data_option"] = {**options, **values.get("data_option", {})}
    return values


def _content(path: str) -> dict[str, Any]:
    try:
        file = Path(path)
        if not file.is_file():  # a pipe or a device might never end
            what = "is no plain file" if file.exists() else "does not exist"
            raise ConfigError(f"train: config must be an existing file; got {shown(path)}, which {what}.")
        with file.open("rb") as stream:
            data = stream.read(MOST + 1)
    except (OSError, ValueError) as problem:  # a name that is too long, or no name; a file that may not be read
        if isinstance(problem, ConfigError):
            raise
        reason = getattr(problem, "strerror", None) or str(problem)
        raise ConfigError(f"train: config must be a file that can be read; {shown(path)} is not: {reason}.") from None
    if len(data) > MOST:
        raise ConfigError(f"train: config must have at most {MOST:,} bytes; {shown(path)} has more. Is it data?")
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except RecursionError:
        reason = "it nests too deeply"
    except ValueError as problem:  # includes TOMLDecodeError and UnicodeDecodeError
        reason = "it is not UTF-8 text" if isinstance(problem, UnicodeDecodeError) else str(problem)
    raise ConfigError(f"train: config must be a TOML file; {shown(path)} is none: {reason}.")
