"""Training that is written down in a run folder as it goes, and resumed where it was interrupted."""

from __future__ import annotations

import contextlib
import shutil
import time
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from narrows.data import Dataset
from narrows.data.axes import AS_MODELS
from narrows.errors import NarrowsError, TrainingError
from narrows.estimators.base import Autoencoder
from narrows.estimators.loading import described_estimator, load_model
from narrows.estimators.validation import typed_table
from narrows.runs.dataset import own_data, place_of
from narrows.runs.description import description_of, now
from narrows.runs.folder import Run
from narrows.runs.pictures import EpochPictures, draw_all, representative
from narrows.runs.summary import summarise
from narrows.storage.lock import lock_of, locked
from narrows.storage.process import this_process
from narrows.storage.record import remove_others
from narrows.training import EVERY, Checkpoints, Report, interval


def record(
    estimator: Autoencoder,
    dataset: Dataset,
    folder: str | Path,
    *,
    warm_start: Autoencoder | None = None,
    command: Sequence[str] | None = None,
    checkpoint_every: str = EVERY,
    pictures: bool = True,
) -> Generator[Report, None, Run]:
    """Train an estimator on a data set into a run folder: a generator of reports that returns the run.

    Leave it, interrupt it, or let it fail: the model of that moment is saved, and the run says what happened.

    Parameters
    ----------
    estimator
        Not fitted; it is fitted in place.
    dataset
        From `load_dataset`, so that commands on the run can load the same data again. Its validation split, where
        there is one, chooses the best weights; its test split is for the summary.
    folder
        New or empty.
    warm_start
        A fitted model, at whose weights and schema training begins; see `fit`.
    command
        The command line, for the record.
    checkpoint_every
        Time or epochs between two checkpoints: "30s", "5min", "1h", "2 epochs".
    pictures
        Whether to draw any; with a small model they take most of the time.

    Raises
    ------
    ConfigError
        The folder holds something, or a parameter is out of bounds.

    Examples
    --------
    >>> import tempfile, narrows
    >>> data = narrows.load_dataset("cloud")
    >>> reports = record(narrows.PCA(latent_dim=1), data, tempfile.mkdtemp())
    >>> [report.epoch for report in reports]
    [1]
    """
    checkpoints = Checkpoints(Path(folder) / "checkpoints", **interval(checkpoint_every))
    reports = _training(estimator, dataset, checkpoints, warm_start)
    description = description_of(estimator, dataset, Path(folder), command)
    # Rows of text, times and codes are no pictures.
    pictures = pictures and not dataset.typed and typed_table(estimator, dataset.train, dataset.columns) is None
    run = Run.create(folder, {**description, "checkpoint_every": checkpoint_every, "pictures": pictures})
    with locked(lock_of(run.folder)):
        if warm_start is not None:
            warm_start.save(run.start_folder)  # before there is a checkpoint, a run that is resumed begins there
        yield from _written(run, estimator, dataset, reports, checkpoints)
    return run


def resume(
    folder: str | Path, *, data: str | None = None, force: bool = False, **objects: Any
) -> Generator[Report, None, Run]:
    """Resume an interrupted run from its last good checkpoint: a generator of reports that returns the run.

    The result is that of a run that was never interrupted, bit for bit; only times differ.

    Parameters
    ----------
    folder
        Of the run.
    data
        Where its data are now, where they are no longer in their place.
    force
        Resume although the data have changed since.
    objects
        Parameters that were objects of your own (a network, a likelihood), which no file holds.

    Raises
    ------
    TrainingError
        The run is finished, another process holds it, or its data have changed.
    FormatError
        The folder does not hold a run, or none of its checkpoints is sound.
    """
    run = Run(folder)
    if run.status == "finished" or not run.checkpoints_folder.is_dir():
        raise TrainingError(f"{folder}: must have been interrupted to be resumed; it is {run.status}. Train a new run.")

    def changed(what: str) -> None:
        if not force:
            raise TrainingError(f"{folder}: data must not have changed; {what}. Restore them, or force it.")
        warnings.warn(f"Resuming although the data have changed: {what}.", stacklevel=2)

    with locked(lock_of(run.folder)):
        run = Run(folder)  # what another process wrote before it let go
        estimator = described_estimator(run.folder / "run.json", run.record, objects)
        dataset = own_data(run, path=data, changed=changed)
        if data is not None:
            run.update(data={**run.record["data"], "place": place_of(data, run.folder)})
        every = interval(run.record.get("checkpoint_every", EVERY))
        checkpoints = Checkpoints(run.checkpoints_folder, force=force, **every)
        start = load_model(run.start_folder, **objects) if run.start_folder.is_dir() else None
        reports = _training(estimator, dataset, checkpoints, start)
        yield from _written(run, estimator, dataset, reports, checkpoints, resumed=True)
    return run


def followed(
    estimator: Autoencoder, dataset: Dataset, *, warm_start: Autoencoder | None = None
) -> Generator[Report, None, None]:
    """Train as `record` does, without a folder: what processes do that train together with the one that records."""
    return _training(estimator, dataset, None, warm_start)


def followed_again(folder: str | Path, *, data: str | None = None, **objects: Any) -> Generator[Report, None, None]:
    """Train as `resume` does, without writing: the state comes from the process that resumes."""
    run = Run(folder)
    estimator = described_estimator(run.folder / "run.json", run.record, objects)
    start = load_model(run.start_folder, **objects) if run.start_folder.is_dir() else None
    return _training(estimator, own_data(run, path=data, changed=lambda what: None), None, start)


def _training(
    estimator: Autoencoder, dataset: Dataset, checkpoints: Checkpoints | None, start: Autoencoder | None
) -> Generator[Report, None, None]:
    validation: Any = dataset.validation
    if validation is not None and estimator.get_params(deep=False).get("condition") is not None:
        validation = validation, dataset.validation_labels
    return estimator.fit_iter(
        dataset.train, dataset.train_labels, validation=validation, resume=checkpoints, columns=dataset.columns,
        axes=AS_MODELS.get(dataset.train.ndim), warm_start=start or False,
    )  # fmt: skip


def _written(
    run: Run,
    estimator: Autoencoder,
    dataset: Dataset,
    reports: Generator[Report, None, None],
    checkpoints: Checkpoints,
    *,
    resumed: bool = False,
) -> Generator[Report, None, None]:
    """Pass on the reports, and write down what they say and how it ends."""
    with_pictures = run.record.get("pictures", True)
    shown = representative(dataset) if with_pictures else None
    started = time.perf_counter() - float(run.record.get("seconds") or 0.0)
    epoch, note, status, disk_failed = run.record.get("epoch", 0), "", "failed", False
    has_model, has_begun = resumed, not resumed
    pictures = None if shown is None else EpochPictures(run, estimator, shown)
    if pictures is not None and resumed:
        checkpoints.restored = pictures.add_missing
    try:
        with contextlib.closing(reports):  # from then on the estimator holds the best weights seen
            for report in reports:
                if not has_begun:
                    _mark_resumed(run, checkpoints)
                has_begun = has_model = True
                epoch, note = report.epoch, "" if report.end_of_epoch else report.note
                if report.end_of_epoch:
                    run.add(report)
                    if pictures is not None:
                        pictures.add(report)
                yield report
        if not has_begun:  # only what comes after training was missing
            _mark_resumed(run, checkpoints)
            has_begun = True
        status = "finished"
    except (KeyboardInterrupt, GeneratorExit, SystemExit):
        status = "interrupted"
        raise
    except NarrowsError as error:
        if not has_model:  # nothing began: a folder for every mistyped parameter would be clutter
            run.discard()
        elif has_begun:
            _fail(run, error)
        raise
    except Exception as error:
        if has_begun:
            _fail(run, error)
        disk_failed = isinstance(error, OSError)
        raise
    finally:
        if run.folder.exists() and has_begun:
            seconds = time.perf_counter() - started
            try:
                # The status first: whoever interrupts the rest finds a true record all the same.
                ended = status if status != "finished" else "running"
                run.update(status=ended, ended=now(), seconds=seconds, epoch=epoch)
                if has_model:
                    estimator.save(run.model_folder)
                    remove_others(run.model_folder / "model.json")  # what a kill in a save left: the run is ours
                    if shown is not None:
                        draw_all(run, estimator, dataset, shown)
                if status == "finished":
                    if note:  # of what followed the last epoch, of which the history tells nothing
                        run.record["note"] = note
                    run.update(summary=summarise(estimator, dataset))
                    run.update(status="finished")
                    shutil.rmtree(run.checkpoints_folder)
            except (KeyboardInterrupt, SystemExit):
                if Run(run.folder).record["status"] == "running":
                    run.update(status="interrupted")
                raise
            except Exception as error:
                _fail(run, error)
                if not (disk_failed and isinstance(error, OSError)):  # the same disk: the first error says it
                    raise


def _fail(run: Run, error: Exception) -> None:
    """Write down why a run failed; a full disk does not take that either, and the error itself is raised."""
    with contextlib.suppress(OSError):
        run.update(status="failed", error=f"{type(error).__name__}: {error}")


def _mark_resumed(run: Run, checkpoints: Checkpoints) -> None:
    """Write down that a run was resumed, and from which step."""
    if not checkpoints.step:
        warnings.warn(f"{run.folder}: had no checkpoint yet; training starts again.", stacklevel=2)
    run.rewind(checkpoints.history)
    run.record.pop("error", None)
    resumed = [*run.record.get("resumed", []), {"at": now(), "step": checkpoints.step}]
    run.update(status="running", process=this_process(), resumed=resumed)
