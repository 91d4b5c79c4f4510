"""What a training is asked to do: flags, a TOML file with any of them, and the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from narrows.cli.arguments import data_options, values_of_flags
from narrows.cli.config_file import read_config
from narrows.errors import ConfigError
from narrows.params import fields, shown, validate

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
    others = (*(name for name in FLAGS if name != "config"), *(each.name for each in fields(cls)))
    from_file = {} if path is None else read_config(path, model, TEXTS, others)
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
    except (TypeError, ValueError, OverflowError):
        share = -1.0
    if not 0 <= share < 1:
        raise ConfigError(f"train: validation must be a share >= 0 and < 1; got {shown(value)}. 0 is for none.")
    return share
