"""Fitting as a generator of reports: from X to a schema and arrays, from these to a module, and what is kept of it."""

from __future__ import annotations

import atexit
import contextlib
import weakref
from collections.abc import Generator, Mapping, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from narrows.data.arrays import Array, Arrays, on_disk, subset
from narrows.data.order import Division
from narrows.data.schema import Schema
from narrows.data.stored import StoredRows
from narrows.data.types_stored import StoredTable, chosen_rows
from narrows.data.types_table import MixedTable
from narrows.errors import ConfigError, DataError
from narrows.estimators import inference
from narrows.estimators.memory import check_memory
from narrows.estimators.parameters import ComponentParameters
from narrows.estimators.persistence import describe_all
from narrows.estimators.validation import check_samples
from narrows.module import Module
from narrows.params import validate
from narrows.rng import Seeded
from narrows.training import Checkpoints, Report, Settings, Trainer
from narrows.training.effort import apart

if TYPE_CHECKING:
    from narrows.estimators.base import Autoencoder

KEPT, KEPT_VALUES = 5000, 2**20
"""Training samples whose codes a model keeps at most, and values of codes in all."""

_OPEN: weakref.WeakSet[Generator[Report, None, None]] = weakref.WeakSet()
"""Fits that are not at their end."""


@atexit.register
def _close() -> None:
    """End the fits that are open when Python ends, while there is enough left of it to save a checkpoint."""
    for reports in list(_OPEN):
        reports.close()


def begin(
    estimator: Autoencoder,
    X: ArrayLike,
    y: Any,
    *,
    validation: Any,
    resume: str | Path | Checkpoints | None,
    axes: str | None,
    columns: Sequence[str] | None,
    warm_start: bool | Autoencoder,
    trainer: Trainer,
) -> Generator[Report, None, None]:
    """Check and encode samples, and return the steps of the fit; see `Autoencoder.fit_iter`."""
    before = dict(vars(estimator))
    try:
        validate(estimator)
        y = y if estimator._takes_condition else None
        start = _begin_at(estimator, warm_start)
        if start is not None:
            trainer = partial(_continued, trainer, start.module_.state_dict(), start, estimator)
        held_out: Any = None
        if isinstance(validation, float | np.floating) and isinstance(X, StoredRows):  # each part is read once
            X, y, validation = _split(estimator, X, y, float(validation))
            validation = validation if estimator._takes_condition else validation[0]
        samples = check_samples(
            estimator, X, start and start.schema_, missing=estimator.takes_missing, axes=axes, columns=columns
        )
        if isinstance(validation, float | np.floating):
            samples, y, held_out = _split(estimator, samples, y, float(validation))
        schema = start.schema_ if start is not None else Schema.of(
            samples, y, scale=estimator._scale(), columns=columns, like=X, owner=type(estimator).__name__,
            double=estimator.takes_float64, types=estimator.get_params(deep=False).get("columns"),
        )  # fmt: skip
        if start is not None and columns is not None and schema.columns not in (None, tuple(columns)):
            raise DataError(
                f"{type(estimator).__name__}: X must have the columns of warm_start, {', '.join(schema.columns)}; got "
                f"{', '.join(columns)}."
            )
        estimator.schema_ = schema
        estimator.latent_dim_ = estimator.latent_size(schema)
        data = estimator._encode(samples, y, learned=start is None)
        held = None
        if held_out is not None:
            held = estimator._encode(*held_out)
        elif validation is not None:
            pair = validation if isinstance(validation, tuple) and estimator._takes_condition else (validation, None)
            held = estimator.arrays(*pair)
        fitted = {name: value for name, value in vars(estimator).items() if before.get(name) is not value}
    finally:
        estimator.__dict__.clear()
        estimator.__dict__.update(before)
    checkpoints = Checkpoints(resume) if isinstance(resume, str | Path) else resume
    reports = _fit(estimator, fitted, data, held, checkpoints, trainer)
    _OPEN.add(reports)
    return reports


def _fit(
    estimator: Autoencoder, fitted: Mapping[str, Any], data: Arrays, validation: Arrays | None,
    checkpoints: Checkpoints | None, trainer: Trainer,
) -> Generator[Report, None, None]:  # fmt: skip
    before = dict(vars(estimator))
    if "feature_names_in_" not in fitted:
        estimator.__dict__.pop("feature_names_in_", None)
    estimator.__dict__.update(fitted)
    learned = False
    try:
        estimator.history_, estimator.codes_, estimator._densities = [], None, {}
        check_memory(estimator, estimator.schema_)
        estimator.__dict__.pop("_steps", None)
        with Seeded(estimator._seed):
            estimator.module_ = estimator.build(estimator.schema_)
        # Closed by name: what the last save has to say must reach whoever leaves.
        with contextlib.closing(estimator.optimise(data, validation, checkpoints, trainer)) as reports:
            for report in reports:
                learned = True
                if report.end_of_epoch:
                    estimator.history_.append(report.record())
                yield report
    finally:
        if learned or vars(estimator).get("history_"):
            _keep_codes(estimator, data)
        else:  # nothing was learned: what there was before is better than random weights
            estimator.__dict__.clear()
            estimator.__dict__.update(before)


def _split(estimator: Autoencoder, X: Any, y: Any, share: float) -> tuple[Any, Any, tuple[Any, Any]]:
    """Return the samples and labels to train on, and those held out."""
    n = round(share * len(X)) if 0 < share < 1 else 0
    if not 0 < n < len(X):
        raise DataError(
            f"{type(estimator).__name__}: validation must be a share that leaves samples on both sides; got {share!r} "
            f"of {len(X)} samples. Give a larger share or more samples."
        )
    kept, held = apart(len(X), n, estimator._seed)
    if on_disk(X) or isinstance(X, StoredTable):
        division = Division(len(X), n, estimator._seed)
        kept, held = division.kept(np.arange(len(X) - n)), division.held(np.arange(n))

    def rows(values: Any, index: Array) -> Any:
        if values is None:
            return None
        if on_disk(values) or isinstance(values, StoredTable):
            return chosen_rows(values, len(index), index.__getitem__, f" divided {share} by {estimator._seed}")
        if isinstance(values, list):
            return [values[i] for i in index]
        return values[index] if isinstance(values, MixedTable) else np.asarray(values)[index]

    return rows(X, kept), rows(y, kept), (rows(X, held), rows(y, held))


def _begin_at(estimator: Autoencoder, warm_start: bool | Autoencoder) -> Autoencoder | None:
    """Return the fitted model that training begins at, whose features count as those of this one; else None."""
    start = estimator if warm_start is True else warm_start
    if start is False:
        return None
    name = type(estimator).__name__
    if not isinstance(start, ComponentParameters) or type(start).__name__ != name:
        raise ConfigError(f"{name}: warm_start must be True or a fitted {name}; got {repr(start)[:100]}.")
    check_is_fitted(start)
    if "epochs" not in estimator.get_params(deep=False):
        raise ConfigError(f"{name}: warm_start must be False for a model that is fitted in one step. Fit it anew.")
    for attribute in ("n_features_in_", "feature_names_in_"):
        if attribute in vars(start):
            setattr(estimator, attribute, copy(getattr(start, attribute)))
    return start


def _keep_codes(estimator: Autoencoder, data: Arrays) -> None:
    """Keep some codes for `sample`; none where those of weights that diverged are not finite."""
    size = max(1, int(np.prod(estimator.code_.shape)))
    rows = subset(len(data.x), max(1, min(KEPT, KEPT_VALUES // size)), estimator._seed)
    try:
        estimator.codes_ = _codes(estimator, data.chosen(len(rows), rows.__getitem__, " chosen"))
    except DataError:
        estimator.codes_ = np.empty((0, *estimator.code_.shape), estimator.computing_dtype)


def _codes(estimator: Autoencoder, data: Arrays) -> Array:
    """Return codes in the type that the estimator keeps them in."""
    codes = inference.map_batches(estimator, estimator.module_.encode, data, exact=True)
    return codes.astype(estimator.computing_dtype) if codes.dtype.kind == "f" else codes


def _continued(
    trainer: Trainer, weights: Mapping[str, Any], start: Autoencoder, model: Autoencoder, module: Module, *rest: Any
) -> Generator[Report, None, None]:
    """Train a module from the weights of a fitted model, which may be the same estimator."""
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        before, now = describe_all(start), describe_all(model)
        differ = [name for name in now if now[name] != before[name] and name not in Settings.__dataclass_fields__]
        raise ConfigError(
            f"{type(model).__name__}: warm_start must be a model with the same network; it differs in "
            f"{', '.join(differ) or 'its modules'}. Set what it has, or fit anew."
        ) from error
    yield from trainer(module, *rest)
