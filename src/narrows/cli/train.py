"""`narrows train MODEL`: its flags are the fields of the model; a TOML file may hold any of them."""

from __future__ import annotations

import errno
import inspect
import itertools
import tomllib
import typing
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Group, Parameter, Token

from narrows.errors import ConfigError, NarrowsError, did_you_mean

if TYPE_CHECKING:
    from narrows.data import Dataset
    from narrows.estimators.base import Autoencoder
    from narrows.params import Param
    from narrows.runs.folder import Run
    from narrows.training import Report

__all__ = [
    "Plan",
    "application",
    "data_of",
    "flag_of",
    "followed",
    "groups_of",
    "opening",
    "options_of",
    "per_model",
    "placeholder",
    "plan",
    "shown_default",
    "value_of",
]

HELP = "Train a model into a new run folder."


@dataclass(frozen=True)
class _Flag:
    name: str
    kind: str
    default: Any
    help: str


FLAGS = (
    _Flag("data", "STR", "mnist-5k", "A data set by name (see `narrows data`) or a file or folder."),
    _Flag("data_option", "KEY=VALUE", None, "Such as limit=500 or label=species; may be repeated."),
    _Flag("validation", "FLOAT", None, "Share of the training samples held out to choose the best epoch; 0 for none."),
    _Flag("out", "FOLDER", "runs", "Where the new run folder is made."),
    _Flag("name", "STR", None, "Name of the run folder, in place of MODEL-DATA-NUMBER."),
    _Flag(
        "checkpoint_every", "TIME", "10s", "Time or epochs after which training is saved to go on from: 5min, 1epoch."
    ),
    _Flag("log", "CHOICE", None, "Also write every epoch into logs/ of the run folder, for: tensorboard."),
    _Flag("config", "FILE", None, "A TOML file with any of these flags; flags on the command line win."),
)
VALIDATION = 0.1
"""Share held out where nothing else is said and the model is trained in epochs."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What disks say that take no more."""


@dataclass
class Plan:
    """What a training command asks for, defaults filled in; validation None: as the data set has it, or 0.1."""

    model: str
    fields: dict[str, Any]
    data: str = "mnist-5k"
    data_option: Mapping[str, Any] | None = None
    validation: float | None = None
    out: str = "runs"
    name: str | None = None
    checkpoint_every: str = "10s"
    log: str | None = None


def placeholder(name: str, about: str = HELP) -> App:
    """Return a command as the list of commands shows it, without what lies behind it."""
    return App(name=name, help=about)


def application(tokens: Sequence[str]) -> App:
    """Return the command with one subcommand per model."""
    if name := _given(tokens, "name"):  # who holds it is told before the models are imported, which takes seconds
        _named(name, _given(tokens, "out") or "runs")
    return per_model("train", HELP, "`narrows train MODEL --help` lists the flags of a model.", tokens, _command)


def _given(tokens: Sequence[str], flag: str) -> str | None:
    """Return what a flag is given on the command line, before there is a command that could read it."""
    found = [token.removeprefix(f"--{flag}=") for token in tokens if token.startswith(f"--{flag}=")]
    found += [value for token, value in itertools.pairwise(tokens) if token == f"--{flag}"]
    return found[-1] if found else None


def per_model(
    name: str, about: str, epilogue: str, tokens: Sequence[str], make: Callable[[str, type[Autoencoder]], Any]
) -> App:
    """Return a command with one subcommand per model, each made by `make`.

    Raises
    ------
    ConfigError
        The first token is not the name of a model.
    """
    from narrows.estimators import ESTIMATORS

    if tokens and not tokens[0].startswith("-") and tokens[0] not in ESTIMATORS:
        known = ", ".join(ESTIMATORS)
        raise ConfigError(
            f"{name}: MODEL must be one of {known}; got {tokens[0]!r}.{did_you_mean(tokens[0], ESTIMATORS)}"
        )
    app = App(name=name, help=about, help_epilogue=epilogue)
    app["--help"].group = Group("Options", sort_key=9)
    group = Group("Models", sort_key=1)
    for model, cls in ESTIMATORS.items():
        app.command(make(model, cls), name=model, group=group, help=(cls.__doc__ or "").split("\n")[0])
    return app


def _command(model: str, cls: type[Autoencoder]) -> Callable[..., int]:
    """Return a function whose signature has a keyword per field; only flags that were given reach it."""
    from narrows.params import fields

    def command(**given: Any) -> int:
        return _train(plan(model, given))

    groups = groups_of(model, cls)
    parameters = []
    run = Group("Data and run", sort_key=1)
    for flag in FLAGS:
        kind: Any = list[str] if flag.name == "data_option" else str
        if flag.name in ("validation", "checkpoint_every") and not _in_epochs(cls):
            continue
        default = str(VALIDATION) if flag.name == "validation" else flag.default
        shown = default is not None
        about = Parameter(help=flag.help, group=run, negative=(), n_tokens=1, show_default=shown, metavar=flag.kind)
        parameters.append((flag.name, Annotated[kind, about], default))
    for field in fields(cls):
        parameters.append((field.name, flag_of(field, groups[field.name]), shown_default(field)))  # noqa: PERF401
    signature = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, annotation, default in parameters
    ]
    command.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    command.__annotations__ = {name: annotation for name, annotation, _ in parameters}
    command.__doc__ = (cls.__doc__ or "").split("\n")[0]
    return command


def flag_of(field: Param, group: Group) -> Any:
    """Return the annotation of a field's flag."""
    if field.annotation is bool:
        return Annotated[bool, Parameter(help=field.help, group=group)]
    # Help shows the type, yet the text is taken as it is, and becomes a value by the field's own type (`value_of`):
    # one conversion, one validator, one message.
    kind = Literal[field.choices] if field.choices else str
    shown = None if field.choices else _typed(field.annotation)
    about = Parameter(
        help=field.help, group=group, n_tokens=1, allow_leading_hyphen=True, converter=_as_it_is, metavar=shown
    )
    return Annotated[kind, about]


def _as_it_is(kind: Any, tokens: Sequence[Token]) -> str:
    return tokens[0].value


def _typed(annotation: Any) -> str:
    """Return the type of a field as one types it: INT, FLOAT, STR; INT,... for a tuple of any length."""
    kind = next(kind for kind in _kinds(annotation) if kind is not NoneType)
    if typing.get_origin(kind) is tuple:
        return ",".join("..." if inner is ... else _typed(inner) for inner in typing.get_args(kind))
    return str(kind.__name__).upper()


def _kinds(annotation: Any) -> tuple[Any, ...]:
    union = typing.get_origin(annotation) in (typing.Union, UnionType)
    return typing.get_args(annotation) if union else (annotation,)


def shown_default(field: Param) -> Any:
    """Return the default as one would write it on the command line."""
    if field.annotation is bool:
        return field.default
    if isinstance(field.default, tuple):
        return ",".join(f"{v:g}" for v in field.default)
    return "none" if field.default is None else str(field.default)


def _in_epochs(cls: type[Autoencoder]) -> bool:
    from narrows.params import fields

    # A model without epochs leaves validation data nothing to choose.
    return any(field.name == "epochs" for field in fields(cls))


def groups_of(model: str, cls: type[Autoencoder]) -> dict[str, Group]:
    """Return the heading of every field: its model, the network, likelihood and noise, or training."""
    from narrows.nn.network import Layout
    from narrows.params import fields
    from narrows.training import Settings

    own = Group(f"{cls.__name__}", sort_key=2)
    network, noise = Group("Network", sort_key=3), Group("Likelihood and noise", sort_key=4)
    training = Group("Training", sort_key=5)
    by_name = dict.fromkeys(("network", *Layout.__dataclass_fields__), network)
    by_name |= dict.fromkeys((*Settings.__dataclass_fields__, "device"), training)
    by_name |= {"likelihood": noise, "corruption": noise, "latent_dim": own}
    return {field.name: by_name.get(field.name, own) for field in fields(cls)}


def value_of(field: Param, text: str) -> Any:
    """Return the value that a flag's text stands for; text that fits no type is left for the validator to refuse."""
    kinds = _kinds(field.annotation)
    if NoneType in kinds and text.strip().lower() == "none":
        return None
    for kind in kinds:
        try:
            if kind in (int, float):
                return kind(text)
            if typing.get_origin(kind) is tuple and typing.get_args(kind)[0] in (int, float):
                inner = typing.get_args(kind)[0]
                return tuple(inner(part) for part in text.strip("()[] ").split(",") if part.strip())
        except ValueError:
            continue
    return text


def options_of(pairs: Sequence[str]) -> dict[str, Any]:
    """Return data options from texts such as `limit=500`: whole numbers, numbers, true, false, none, or text."""
    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--data-option must be written key=value; got {pair!r}. For example limit=500.")
        options[key.strip().replace("-", "_")] = _plain(text.strip())
    return options


def _plain(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def plan(model: str, given: Mapping[str, Any]) -> Plan:
    """Join the flags that were given with the TOML file and the defaults.

    Raises
    ------
    ConfigError
        A key of the file is unknown, or a value is not what it must be.
    """
    from narrows.estimators import ESTIMATORS
    from narrows.params import fields, validate

    cls = ESTIMATORS[model]
    by_name = {field.name: field for field in fields(cls)}
    given = dict(given)
    config = given.pop("config", None)
    values = {} if config is None else _read(config, model, by_name)
    options = {**values.pop("data_option", {}), **options_of(given.pop("data_option", None) or [])}
    for name, value in given.items():
        values[name] = value_of(by_name[name], value) if name in by_name and isinstance(value, str) else value
    asked = {name: value for name, value in values.items() if name in by_name}
    validate(cls(**asked))
    rest = {name: value for name, value in values.items() if name not in by_name}
    if "validation" in rest:
        rest["validation"] = _share(rest["validation"])
    elif not _in_epochs(cls):
        rest["validation"] = 0.0
    return Plan(model, asked, data_option=options, **rest)


def _share(value: Any) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = -1.0
    if not 0 <= share < 1:
        raise ConfigError(f"train: validation must be a share >= 0 and < 1; got {value!r}. 0 is for none.")
    return share


def _read(path: str, model: str, by_name: Mapping[str, Param]) -> dict[str, Any]:
    """Read the TOML file: keys are the flags, with _ or -; data options are a table."""
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"train: config must be an existing file; got {path!r}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"train: config must be a TOML file; {path!r} is none: {problem}.") from None
    known = ["model", *(flag.name for flag in FLAGS if flag.name != "config"), *by_name]
    values: dict[str, Any] = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        name = "data_option" if name == "data_options" else name
        if name not in known:
            raise ConfigError(
                f"{path}: keys must be flags of `narrows train {model}`; got {key!r}.{did_you_mean(name, known)}"
            )
        values[name] = tuple(value) if isinstance(value, list) else value
    if values.pop("model", model) != model:
        raise ConfigError(f"{path}: model must be {model!r}, as on the command line; got {content['model']!r}.")
    if not isinstance(values.get("data_option", {}), dict):
        raise ConfigError(f"{path}: data_options must be a table; got {values['data_option']!r}. Write [data_options].")
    for name in ("data", "out", "name", "checkpoint_every", "log"):
        if not isinstance(values.get(name, ""), str):
            raise ConfigError(f"{path}: {name} must be a string; got {values[name]!r}.")
    return values


def _train(asked: Plan) -> int:
    from narrows.cli.console import out
    from narrows.estimators import ESTIMATORS
    from narrows.runs.folder import next_folder, record
    from narrows.runs.trackers import logged, writer_of

    if asked.log is not None:
        writer_of(asked.log)  # what is missing is told before data are fetched
    # Before data are fetched, too: a file may have named it.
    folder = None if asked.name is None else _named(asked.name, asked.out)
    estimator = ESTIMATORS[asked.model](**asked.fields)
    dataset, options = data_of(asked)
    folder = folder or next_folder(asked.out, asked.model, asked.data)
    console = out()
    try:
        console.print(
            opening(asked.model, asked.data, dataset), soft_wrap=not console.is_terminal, markup=False, style="bold"
        )
        reports = record(estimator, dataset, folder, options=options, checkpoint_every=asked.checkpoint_every)
        return followed(folder, reports if asked.log is None else logged(reports, folder, asked.log), dataset)
    finally:
        if folder.exists() and not any(folder.iterdir()):  # it was made, and nothing began
            folder.rmdir()


def _named(name: str, out: str) -> Path:
    """Return the folder of a run that is to have that name, in which there is none yet."""
    from narrows.storage.lock import check_vacant

    if name in ("", ".", "..") or Path(name).name != name:
        raise ConfigError(f"--name must be the name of a folder; got {name!r}. Where it lies is for --out.")
    check_vacant(Path(out) / name)
    return Path(out) / name


def go_on(name: str | None, force: bool) -> int:
    """Go on with an interrupted run."""
    from narrows.cli.locate import located
    from narrows.storage.lock import check_free, lock_of

    folder = located(name)
    check_free(lock_of(folder))  # before the models are imported, which takes seconds
    from narrows.cli.console import out
    from narrows.runs.folder import Run, resume
    from narrows.runs.trackers import logged

    run = Run(folder)
    reports = resume(run.folder, force=force)
    if log := run.record.get("logged"):
        reports = logged(reports, run.folder, log["to"])
    out().print(f"going on with {run.folder}", soft_wrap=True, markup=False, style="bold")
    return followed(run.folder, reports)


def followed(folder: Path, reports: Generator[Report, None, Run], dataset: Dataset | None = None) -> int:
    """Follow a training to its end, give advice, and say how to go on where it did not get there."""
    from narrows.cli.app.progress import follow
    from narrows.cli.console import error

    try:
        run = follow(reports)
    except (KeyboardInterrupt, SystemExit) as stop:
        if not (folder / "run.json").exists():
            raise
        return _interrupted(folder, 130 if isinstance(stop, KeyboardInterrupt) else 143)
    except (NarrowsError, BrokenPipeError):
        raise
    except OSError as problem:
        if not (folder / "checkpoints").is_dir():
            raise
        first = "Make room" if problem.errno in FULL else "Mend that"
        return error(f"{problem}. The last checkpoint is intact. {first}, then go on: narrows resume {folder}", 1)
    from narrows.cli.app import judging, showing  # half a second that the first step need not wait for

    showing.results(run)
    judging.advise(run, dataset)
    return 0


def data_of(asked: Plan) -> tuple[Dataset, dict[str, Any]]:
    """Load the data, hold out validation samples, and return the options that give the same again."""
    from narrows.data import load_dataset

    options = dict(asked.data_option or {})
    dataset = load_dataset(asked.data, **options)
    share = asked.validation
    if share is None:
        share = 0.0 if dataset.validation is not None or len(dataset.train) * VALIDATION < 1 else VALIDATION
    if share:
        how = {name: options[name] for name in ("seed", "shuffle") if name in options}
        dataset = dataset.with_validation(share, **how)
        options["validation"] = share
    return dataset, options


def opening(model: str, data: str, dataset: Dataset) -> str:
    """Return the line that says what is trained on what."""
    from narrows.cli.console import as_is

    parts = [("training", dataset.train), ("validation", dataset.validation), ("test", dataset.test)]
    sizes = ", ".join(f"{len(rows):,} {name}" for name, rows in parts if rows is not None)
    shape = "x".join(map(str, dataset.sample_shape))
    return as_is(f"{model} on {data}: {sizes} samples of {shape}").plain


def _interrupted(folder: Path, code: int) -> int:
    from narrows.cli.console import err
    from narrows.runs.folder import Run

    run = Run(folder)
    if run.status == "finished":
        message = f"interrupted when all was done. Look at it: narrows show {folder}"
    elif (run.model_folder / "model.json").exists():
        message = f"interrupted in epoch {run.record['epoch']}; its model is saved. Look at it: narrows show {folder}. "
        message += f"Go on: narrows resume {folder}"
    else:
        message = f"interrupted before there was a model to save. Go on: narrows resume {folder}"
    err().print(message, soft_wrap=True, markup=False, style="yellow")
    return code
