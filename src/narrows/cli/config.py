"""What a training is asked to do: flags, a TOML file with any of them, and the defaults."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from narrows.cli.arguments import data_options, values_of_flags
from narrows.errors import ConfigError, did_you_mean
from narrows.params import fields, validate

if TYPE_CHECKING:
    from narrows.data import Dataset
    from narrows.estimators.base import Autoencoder

FLAGS = {
    "validation": "Share of the training samples held out to choose the best epoch; 0 for none.",
    "name": "Name of the run folder, in place of MODEL-DATA-NUMBER.",
    "checkpoint_every": "Time or epochs after which a checkpoint is written, to resume from: 5min, 1epoch.",
    "log": "Also write every epoch into logs/ of the run folder, for: tensorboard.",
    "config": "A TOML file with any of these flags; flags on the command line win.",
}
"""Flags of a training beside those of data and the parameters of the model, and their help."""
TEXTS = ("data", "out", "name", "checkpoint_every", "log")
VALIDATION = 0.1
"""Share held out where nothing else is said and the model is trained in epochs."""


@dataclass(frozen=True)
class Plan:
    """A training, defaults filled in."""

    model: str
    values: dict[str, Any]
    """Parameters of the model that were given."""
    data: str = "mnist-5k"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of `load_dataset`."""
    out: str = "runs"
    validation: float | None = None
    """Share to hold out; None: as the data set has it, or 0.1."""
    name: str | None = None
    checkpoint_every: str = "10s"
    log: str | None = None

    def estimator(self) -> Autoencoder:
        """Return the estimator, not fitted."""
        from narrows.estimators import ESTIMATORS

        return ESTIMATORS[self.model](**self.values)

    def dataset(self) -> Dataset:
        """Load the data, and hold out validation samples."""
        from narrows.data import load_dataset

        dataset = load_dataset(self.data, **self.options)
        share = self.validation
        if share is None:
            share = 0.0 if dataset.validation is not None or len(dataset.train) * VALIDATION < 1 else VALIDATION
        how = {name: value for name, value in self.options.items() if name in ("seed", "shuffle")}
        return dataset.with_validation(share, **how) if share else dataset


def has_epochs(cls: type[Autoencoder]) -> bool:
    """Return whether a model is trained in epochs; without them validation data have nothing to choose."""
    return any(each.name == "epochs" for each in fields(cls))


def plan(model: str, given: Mapping[str, Any]) -> Plan:
    """Join the flags that were given, those of data included, with the TOML file and the defaults.

    Raises ConfigError where a key of the file is unknown, or a value is not what it must be.
    """
    from narrows.estimators import ESTIMATORS

    cls = ESTIMATORS[model]
    flags = dict(given)
    path = flags.pop("config", None)
    from_file = {} if path is None else _read(path, model)
    options = {**from_file.pop("data_option", {}), **data_options(flags)}
    merged = {**from_file, **flags}
    rest = {name: merged.pop(name) for name in (*FLAGS, *TEXTS) if name in merged}
    values = values_of_flags(cls, merged)
    validate(cls(**values))
    if "validation" in rest:
        rest["validation"] = _share(rest["validation"])
    elif not has_epochs(cls):
        rest["validation"] = 0.0
    return Plan(model, values, options=options, **rest)


def _share(value: Any) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = -1.0
    if not 0 <= share < 1:
        raise ConfigError(f"train: validation must be a share >= 0 and < 1; got {value!r}. 0 is for none.")
    return share


def _read(path: str, model: str) -> dict[str, Any]:
    """Read the TOML file: keys are the flags, with _ or -; data options are a table."""
    from narrows.estimators import ESTIMATORS

    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"train: config must be an existing file; got {path!r}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"train: config must be a TOML file; {path!r} is none: {problem}.") from None
    parameters = [each.name for each in fields(ESTIMATORS[model])]
    known = ["model", "data_option", *TEXTS, *(name for name in FLAGS if name != "config"), *parameters]
    values: dict[str, Any] = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        name = "data_option" if name == "data_options" else name
        if name not in known:
            raise ConfigError(
                f"{path}: keys must be flags of `narrows train {model}`; got {key!r}.{did_you_mean(name, known)}"
            )
        values[name] = value
    if values.pop("model", model) != model:
        raise ConfigError(f"{path}: model must be {model!r}, as on the command line; got {content['model']!r}.")
    if not isinstance(values.get("data_option", {}), dict):
        raise ConfigError(f"{path}: data_options must be a table; got {values['data_option']!r}. Write [data_options].")
    for name in TEXTS:
        if not isinstance(values.get(name, ""), str):
            raise ConfigError(f"{path}: {name} must be a string; got {values[name]!r}.")
    return values
