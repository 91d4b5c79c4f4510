"""The form of a training, and its start: the command line in a process of its own, checked by the same code."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cyclopts import CycloptsError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from narrows.cli import train
from narrows.cli.config import DATA, plan
from narrows.cli.plugins import plugin_flags
from narrows.data.options import OPTIONS
from narrows.errors import ConfigError, did_you_mean
from narrows.estimators import ESTIMATORS
from narrows.http.answers import Json
from narrows.page.form import datasets, form
from narrows.page.requests import body_of, watch_of
from narrows.params import Param, fields
from narrows.runs.folder import remove_empty
from narrows.runs.names import next_folder

LONGEST = 2000
"""Characters of a value."""
OF_TRAINING = ("validation", "checkpoint_every", "log")
"""Flags of `narrows train` beside those of data and the parameters of the model."""
_naming = threading.Lock()


class Flag(NamedTuple):
    """A flag and its value, which is None for a switch."""

    name: str
    value: str | None

    @property
    def token(self) -> str:
        """One word for the process: no value is ever taken for a flag."""
        return self.name if self.value is None else f"{self.name}={self.value}"

    @property
    def words(self) -> list[str]:
        """The words that one types."""
        return [self.token] if self.value is None or self.value.startswith("-") else [self.name, self.value]


class Training(NamedTuple):
    """What the form asks for."""

    model: str
    flags: list[Flag]

    def command(self) -> str:
        """Return the command line."""
        words = (word for flag in self.flags for word in flag.words)
        return shlex.join(["narrows", *plugin_flags(), "train", self.model, *words])

    def check(self) -> None:
        """Raise the ConfigError of the command line where it would not begin to train."""
        tokens = [self.model, *(flag.token for flag in self.flags)]
        try:
            _, bound, _ = train.application(tokens).parse_args(
                tokens, exit_on_error=False, print_error=False, verbose=False
            )
        except CycloptsError as error:
            raise ConfigError(" ".join(str(error).split())) from None
        plan(self.model, bound.kwargs)


def asked(body: Mapping[str, Any]) -> Training:
    """Return what a form asks for; ConfigError where it holds what no flag takes."""
    model = str(body.get("model"))
    if model not in ESTIMATORS:
        raise ConfigError(f"train: MODEL must be one of {', '.join(ESTIMATORS)}; got {model[:50]!r}.")
    flags = [Flag("--data", _value("data", body["data"]))] if body.get("data") else []
    for name, value in _texts(body, "data_options").items():
        if name in OPTIONS:
            switch = OPTIONS[name].metavar == "SWITCH"
            on = not switch or OPTIONS[name].parse(name, value)
            flags += [Flag(f"--{_dashed(name)}", None if switch else value)] if on else []
        else:
            flags.append(Flag("--data-option", f"{name}={value}"))
    known = {field.name: field for field in fields(ESTIMATORS[model]) if field.name != "verbose"}
    for name, value in _texts(body, "parameters").items():
        if name not in known:
            raise ConfigError(f"train: {model} has no parameter {name[:50]!r}.{did_you_mean(name, known)}")
        flags += _flags(known[name], value)
    flags += [Flag(f"--{_dashed(name)}", _value(name, body[name])) for name in (*OF_TRAINING, "name") if body.get(name)]
    return Training(model, flags)


def _texts(body: Mapping[str, Any], name: str) -> dict[str, str]:
    """Return the values by name that a part of the body holds."""
    given = body.get(name) or {}
    if not isinstance(given, dict) or len(given) > 200:
        raise ConfigError(f"train: {name} must be texts by name; got {str(given)[:50]!r}.")
    return {key.replace("-", "_"): _value(key, value) for key, value in given.items()}


def _value(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST or "\0" in value:
        raise ConfigError(
            f"train: {name[:50]} must be a text of at most {LONGEST} characters; got {str(value)[:50]!r}."
        )
    return value.strip()


def _flags(field: Param, value: str) -> list[Flag]:
    name = _dashed(field.name)
    if field.annotation is bool:
        if value not in ("true", "false"):
            raise ConfigError(f"train: {field.name} must be true or false; got {value[:50]!r}. ({field.help})")
        return [Flag(f"--{name}" if value == "true" else f"--no-{name}", None)]
    return [Flag(f"--{name}", each) for each in (value.split() if field.many else [value])]


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _in_folder(training: Training, folder: Path) -> Training:
    """Return the training into a run of this folder."""
    if folder.absolute() == Path("runs").absolute():
        return training
    return training._replace(flags=[*training.flags, Flag("--out", str(folder))])


async def command(request: Request) -> Json:
    """Return the command line of a form, or what it has against it."""
    body = await body_of(request)
    training = await run_in_threadpool(_checked, request, body)
    return Json({"command": training.command()})


def _checked(request: Request, body: Mapping[str, Any]) -> Training:
    training = _in_folder(asked(body), watch_of(request).folder)
    training.check()
    return training


async def start(request: Request) -> Json:
    """Start a training, and wait until it has a run, or says why it has none."""
    return Json(await run_in_threadpool(_started, request, await body_of(request)))


def _started(request: Request, body: Mapping[str, Any]) -> dict[str, Any]:
    training, watch = _checked(request, body), watch_of(request)
    with _naming:
        name = next((flag.value for flag in training.flags if flag.name == "--name"), None)
        if name is None:
            made = next_folder(watch.folder, training.model, str(body.get("data") or DATA))
            name = made.name
            training = training._replace(flags=[*training.flags, Flag("--name", name)])
        tokens = ["train", training.model, *(flag.token for flag in training.flags)]
        started = request.app.state.trainings.start(name, "train", tokens)
    try:
        started.wait_for((watch.folder / name / "run.json").exists)
    finally:
        remove_empty(watch.folder / name)
    watch.refresh()
    return {"run": name, "command": training.command()}


def fields_of_form(request: Request) -> Json:
    """Return the form."""
    return Json(form())


def data(request: Request) -> Json:
    """Return the data sets that have a name."""
    return Json({"datasets": datasets()})


ROUTES = [
    Route("/api/form", fields_of_form),
    Route("/api/data", data),
    Route("/api/command", command, methods=["POST"]),
    Route("/api/train", start, methods=["POST"]),
]
