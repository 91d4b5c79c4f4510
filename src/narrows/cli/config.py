"""What a training is asked to do: flags, a TOML file with any of them, and the defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from narrows.cli.arguments import data_options, values_of_flags
from narrows.cli.config_file import read_config
from narrows.errors import ConfigError
from narrows.params import fields, shown, validate

if TYPE_CHECKING:
    from narrows.data import Dataset
    from narrows.estimators.base import Autoencoder

FLAGS = {
    "validation": "Share of the training samples held out to choose the best epoch, 0.1 by default; 0 for none. With "
    "--epochs auto, the default, the model holds out some by itself, unless a share is given, there is no test split, "
    "or rows are in the order of time.",
    "name": "Name of the run folder, in place of MODEL-DATA-NUMBER.",
    "checkpoint_every": "Time or epochs after which a checkpoint is written, to resume from: 5min, 1epoch.",
    "log": "Also write every epoch into logs/ of the run folder, for: tensorboard.",
    "open": "Open the page on this run in a browser; narrows open RUNS does so later.",
    "config": "A TOML file with any of these flags; flags on the command line win.",
}
"""Flags of a training beside those of data and the parameters of the model, and their help."""
TEXTS = ("data", "out", "name", "checkpoint_every", "log")
DATA = "mnist-5k"
VALIDATION = 0.1
"""Share held out where nothing else is said, the model is trained in epochs, and it holds out none by itself."""


@dataclass(frozen=True)
class Start:
    """What `--from` names: the fitted model that training begins at."""

    folder: Path
    model: str
    """The name of its class."""
    is_run: bool

    @classmethod
    def of(cls, name: str) -> Start:
        """Return what a name stands for; ConfigError or FormatError where it is no run and no saved model."""
        from narrows.cli.locate import located
        from narrows.estimators import ESTIMATORS
        from narrows.storage.json import read_json

        saved = Path(name) / "model.json"
        path = saved if saved.is_file() else located(name) / "run.json"
        model = str(read_json(path).get("model"))
        if model not in ESTIMATORS:
            raise ConfigError(f"--from must name a model of this version; {path} is of {model[:50]!r}.")
        return cls(path.parent, model, path != saved)

    @cached_property
    def fitted(self) -> Autoencoder:
        """The model."""
        from narrows.runs import load

        return load(self.folder)

    def dataset(self, data: str | None, options: Mapping[str, Any]) -> Dataset:
        """Return the run's own data, or others that are divided anew, with the columns of the model."""
        from narrows.cli.console import note
        from narrows.data import load_dataset
        from narrows.runs import Run
        from narrows.runs.dataset import training_data

        if self.is_run:
            return training_data(Run(self.folder), data, options, changed=note)
        if data is None:
            raise ConfigError(f"train: --data must be given with a saved model; {self.folder} names none.")
        return load_dataset(data, **options)


@dataclass(frozen=True)
class Plan:
    """A training, defaults filled in."""

    model: str
    values: dict[str, Any]
    """Parameters of the model that were given."""
    data: str | None = None
    """None for mnist-5k, or that of the run it begins at."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of `load_dataset`."""
    out: str = "runs"
    validation: float | None = None
    """Share to hold out; None: as the data set has it, what the model holds out, or 0.1."""
    name: str | None = None
    checkpoint_every: str = "10s"
    log: str | None = None
    open: bool = False
    """Whether to open the page on the run."""
    start: Start | None = None
    """Where training begins, if not at new weights."""

    def estimator(self) -> Autoencoder:
        """Return the estimator, not fitted."""
        from narrows.estimators import ESTIMATORS

        return ESTIMATORS[self.model](**self.values)

    def dataset(self) -> Dataset:
        """Load the data, and hold out validation samples."""
        from narrows.data import load_dataset

        share, options = self.validation, self.options
        if self.start is None:
            dataset = load_dataset(self.data or DATA, **options)
        else:  # a share that is given takes the place of the run's
            dataset = self.start.dataset(self.data, options if share is None else {**options, "validation": 0})
        if share is None:
            enough = dataset.validation is None and len(dataset.train) * VALIDATION >= 1
            share = VALIDATION if enough and not self._leaves_it_to_the_model(dataset) else 0.0
        how = {name: value for name, value in self.options.items() if name in ("seed", "shuffle")}
        return dataset.with_validation(share, **how) if share else dataset

    def _leaves_it_to_the_model(self, dataset: Dataset) -> bool:
        """Return whether the model holds out samples as `fit` does, so that a command trains what Python trains.

        It knows nothing of the order of time, in which neighbours are alike; and where nothing is there to test it by,
        what is held out has to do.
        """
        shuffle = self.options.get("shuffle")
        in_order = dataset.ordered if shuffle is None else not shuffle
        auto = self.estimator().get_params(deep=False).get("epochs") == "auto"
        return auto and dataset.test is not None and not in_order


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
    start = None if (name := flags.pop("start", None)) is None else Start.of(name)
    if start is not None and start.model != model:
        raise ConfigError(f"train: --from must name a run of {model}; {start.folder} is of {start.model}.")
    merged = {**from_file, **flags}
    rest = {name: merged.pop(name) for name in (*FLAGS, *TEXTS) if name in merged}
    columns = _columns(merged.pop("column", None) or [])
    values = values_of_flags(cls, merged)
    if columns:
        values["columns"] = {**(values.get("columns") or {}), **columns}
    if start is not None:
        values = {**start.fitted.get_params(deep=False), **values}
    validate(cls(**values))
    if "validation" in rest:
        rest["validation"] = _share(rest["validation"])
    elif not has_epochs(cls):
        rest["validation"] = 0.0
    return Plan(model, values, options=options, start=start, **rest)


def _columns(pairs: Sequence[str]) -> dict[str, str]:
    """Return the kinds of columns, written NAME=KIND; a name may hold an equals sign itself."""
    kinds = {}
    for pair in pairs:
        name, equals, kind = pair.rpartition("=")
        if not equals or not name:
            raise ConfigError(f"--column must be written NAME=KIND; got {pair!r}. For example zip=category.")
        kinds[name] = kind.strip()
    return kinds


def _share(value: Any) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError, OverflowError):
        share = -1.0
    if not 0 <= share < 1:
        raise ConfigError(f"train: validation must be a share >= 0 and < 1; got {shown(value)}. 0 is for none.")
    return share
