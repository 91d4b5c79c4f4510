"""The reports of a training, read to their end, and what is said then."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

from narrows.errors import NarrowsError
from narrows.storage.atomic import FULL

if TYPE_CHECKING:
    from narrows.data import Dataset
    from narrows.estimators.base import Autoencoder
    from narrows.runs import Run
    from narrows.training import Report


def read_beside(reports: Generator[Report, None, None]) -> int:
    """Read reports to their end; a signal reaches the first process too, with which all end."""
    from narrows.training import signals
    from narrows.training.report import read_all

    with signals.deferred():
        try:
            read_all(reports)
        except NarrowsError:
            if not signals.pending():
                raise
    return 0


def followed(
    folder: Path,
    reports: Generator[Report, None, Run],
    model: Autoencoder | None,
    dataset: Dataset | None = None,
    after_epoch: Callable[[], None] = lambda: None,
) -> int:
    """Show a training to its end, give advice, and say how to resume where it did not get there.

    Advice during training needs `model`, which is trained. Where `dataset` is None, what the run was trained on is
    loaded again where it is needed.
    """
    from narrows.cli.console import error
    from narrows.cli.progress import follow

    try:
        run = follow(reports, model, after_epoch)
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
        return error(f"{problem}. The last checkpoint is intact. {first}, then: narrows resume {folder}", 1)
    from narrows.cli.advice import advise  # half a second that the first step need not wait for
    from narrows.cli.summary import results

    results(run)
    advise(run, dataset)
    return 0


def opening(model: str, dataset: Dataset) -> str:
    """Return the line that says what is trained on what."""
    from narrows.cli.console import as_is
    from narrows.data.dataset import sizes_of

    shape = "x".join(map(str, dataset.sample_shape))
    return as_is(f"{model} on {dataset.name}: {sizes_of(dataset.splits)} samples of {shape}").plain


def _interrupted(folder: Path, code: int) -> int:
    from narrows.cli.console import err
    from narrows.runs import Run

    run = Run(folder)
    if run.status == "finished":
        message = f"interrupted after training was finished. Look at it: narrows show {folder}"
    elif (run.model_folder / "model.json").exists():
        message = f"interrupted in epoch {run.record['epoch']}; its model is saved. Look at it: narrows show {folder}. "
        message += f"Resume: narrows resume {folder}"
    else:
        message = f"interrupted before there was a model to save. Resume: narrows resume {folder}"
    err().print(message, soft_wrap=True, style="yellow")
    return code
