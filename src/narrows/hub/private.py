"""What a run's record must not tell others: paths of this machine, names of its users, and secrets."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

SECRET, NAME = "[secret]", "[name]"
COMMON = {
    "root", "user", "users", "home", "admin", "administrator", "ubuntu", "debian", "runner", "jovyan", "nobody", "data",
    "model", "narrows", "localhost", "test", "train", "vae", "pca", "python",
}  # fmt: skip
"""Names that stand for nobody."""
SHORTEST = 3
"""Characters of a name of a user; what is shorter would take words apart."""

_URL = re.compile(r"(?i)\b(?!file:)[a-z][a-z0-9+.-]*://")
_USER_OF_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/@\s]*@")
_QUERY = re.compile(r"(?i)\b(https?://[^\s?#]+)[?#][^\s)>\"']*")
_TOKENS = re.compile(
    r"-----BEGIN[\s\S]*?(?:-----END[^-]*-----|\Z)|\b(?:hf_[A-Za-z0-9]{8,}|gh[pousr]_[A-Za-z0-9]{16,}|"
    r"github_pat_\w{16,}|glpat-[\w-]{16,}|pypi-[\w-]{16,}|sk-[\w-]{16,}|xox[a-z]-[\w-]{10,}|AKIA[0-9A-Z]{12,}|"
    r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]+)?)"
)
_NAMED = re.compile(
    r"(?i)([\w-]*(?:token|secret|passw(?:or)?d|passphrase|api[_-]?key|access[_-]?key|credential|authorization)[\w-]*"
    r"['\"]?\s*[=:]\s*)(?:bearer\s+)?['\"]?[^\s'\",;&]+"
)
_FLAGGED = re.compile(r"(?i)(--[\w-]*(?:token|secret|passw(?:or)?d|api-?key|credential)[\w-]*\s+)\S+")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_REST = r"[^\s'\"`,;:()\[\]{}<>|]"
"""What a path in a text goes on with."""
_PATHS = re.compile(
    r"(?i)file:/+[^\s'\"]+|\\\\[^\s'\"]+|\b[a-z]:[\\/][^\s'\"]*|(?<![\w.:/~-])(?:~[\w.-]*|\.{1,2})?/[^\s'\"`,;:()\[\]{}<>|]+"
)
_HOMES = re.compile(r"(?i)(?:/home/|/users/|[a-z]:\\+users\\+|/mnt/[a-z]/users/|/media/)([^/\\\s\"']+)")


class Private:
    """What is private on this machine, and in the record of a run that may come from another one.

    Parameters
    ----------
    record
        Of the run: names of users are taken from the paths in it.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        texts = list(_texts(record))
        found = {name for text in texts for name in _HOMES.findall(text)}
        names = {*_own_names(), *found}
        names = {name for name in names if len(name) >= SHORTEST and name.lower() not in COMMON}
        self._names = _words(names)
        self._secrets = sorted(_own_secrets(), key=len, reverse=True)
        paths = {str(Path.home()), *_paths_of(record)}
        known = sorted((path for path in paths if len(path) > SHORTEST), key=len, reverse=True)
        self._paths = re.compile(f"(?:{'|'.join(map(re.escape, known))})(?:[/\\\\]{_REST}*)?") if known else None

    def clean(self, value: Any) -> Any:
        """Return a value of JSON whose texts are clean; see `text`."""
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.clean(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean(inner) for inner in value]
        return self.text(value) if isinstance(value, str) else value

    def text(self, text: str) -> str:
        """Return a text without secrets, without names of users, and with the last part of paths alone."""
        for secret in self._secrets:
            text = text.replace(secret, SECRET)
        text = _TOKENS.sub(SECRET, text)
        text = _USER_OF_URL.sub(r"\1", text)
        text = _QUERY.sub(r"\1", text)
        text = _NAMED.sub(rf"\1{SECRET}", _FLAGGED.sub(rf"\1{SECRET}", text))
        text = _MAIL.sub(NAME, text)
        text = self._without_paths(text)
        return self._names.sub(NAME, text) if self._names is not None else text

    def command(self, words: Iterable[str]) -> list[str]:
        """Return the words of a command line, clean; the program is called by its name."""
        cleaned = []
        secret = False
        for word in words:
            flag, equals, value = word.partition("=")
            text = f"{flag}={self.text(value)}" if equals and flag.isidentifier() else self.text(word)
            cleaned.append(SECRET if secret else text)
            secret = _FLAGGED.fullmatch(f"{word} x") is not None
        return cleaned

    def _without_paths(self, text: str) -> str:
        whole = text.strip()
        if _is_path(whole):
            return _last(whole)
        if self._paths is not None:  # those that are known may hold blanks
            text = self._paths.sub(lambda found: _last(found[0]), text)
        return _PATHS.sub(lambda found: _last(found[0]), text)


def _is_path(text: str) -> bool:
    """Return whether a text as a whole is a path, which may hold blanks."""
    if _URL.match(text) or "\n" in text:
        return False
    begins = re.match(r"(?i)(?:/|~|\.{1,2}[\\/]|\\\\|[a-z]:[\\/]|file:)", text) is not None
    return begins or ("/" in text and " " not in text) or ("\\" in text and " " not in text)


def _last(path: str) -> str:
    """Return the last part of a path of any system; "files" where it has none."""
    inner = re.sub(r"(?i)^file:/*", "/", path).rstrip("/\\")
    name = PureWindowsPath(PurePosixPath(inner).name).name
    return "files" if name in ("", "~", ".", "..") or name.startswith("~") else name


def _own_names() -> set[str]:
    """Return the names of this machine's user and of the machine."""
    names = {os.environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER")}
    names |= {Path.home().name, platform.node(), platform.node().partition(".")[0]}
    with contextlib.suppress(OSError, KeyError, ImportError):  # no name is known here
        names.add(getpass.getuser())
    return names - {""}


def _own_secrets() -> set[str]:
    """Return the values of this process's variables that hold secrets, and the token for the hub."""
    kinds = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "APIKEY", "ACCESS_KEY", "CREDENTIAL")
    values = {value for name, value in os.environ.items() if any(kind in name.upper() for kind in kinds)}
    with contextlib.suppress(ImportError):
        from huggingface_hub import get_token

        values.add(get_token() or "")
    return {value for value in values if len(value) >= 8 and not value.isdigit() and not Path(value).is_dir()}


def _words(names: Iterable[str]) -> re.Pattern[str] | None:
    either = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.compile(rf"(?i)(?<![A-Za-z0-9])(?:{either})(?![A-Za-z0-9])") if either else None


def _paths_of(record: Mapping[str, Any]) -> set[str]:
    """Return the paths that a record of a run names as such, and the folders that they lie in."""
    data = record.get("data") or {}
    paths = {str(path) for path in (data.get("place") or {}).values()}
    paths |= {str(data[name]) for name in ("name", "source") if _is_path(str(data.get(name, "")))}
    paths |= {path for path in _texts(data.get("options") or {}) if _is_path(path)}
    folders = {str(parent) for path in paths for parent in (PurePosixPath(path).parents if "/" in path else ())}
    return {path for path in paths | folders if "/" in path or "\\" in path} - {"/", ".", ".."}


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
