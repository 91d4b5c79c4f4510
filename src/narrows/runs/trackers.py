"""Training that is written down for TensorBoard as it goes, in the run's folder. It only reads the reports."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from narrows.errors import ConfigError, did_you_mean
from narrows.runs.folder import Run
from narrows.training import Report


def _tensorboard() -> Callable[..., Any]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        message = 'log: tensorboard must be installed; it is not. Run: pip install "narrows[track]".'
        raise ConfigError(message) from None
    return SummaryWriter


WRITERS: dict[str, Callable[[], Callable[..., Any]]] = {"tensorboard": _tensorboard}
"""What can be written for; each entry returns what makes a writer."""


def writer_of(to: str) -> Callable[..., Any]:
    """Return what makes a writer, by name; ConfigError where there is none, or its package is not installed."""
    if to not in WRITERS:
        raise ConfigError(f"log must be one of {', '.join(WRITERS)}; got {to!r}.{did_you_mean(to, WRITERS)}")
    return WRITERS[to]()


def logged(
    reports: Generator[Report, None, Run], folder: str | Path, to: str = "tensorboard"
) -> Generator[Report, None, Run]:
    """Pass on the reports of a run, not yet begun, and write every epoch into event files in its folder `logs/`.

    Scalars: every term on training and validation data (`loss/train`, `loss/validation`, ...), `learning_rate` and
    `samples_per_second`, as in metrics.jsonl, in single precision. Images: `reconstructions`, at the epochs at which
    one is drawn into samples/. The step is the epoch. run.json says under `logged` what was written.

    Logging resumes with the run: an epoch that is trained again takes the place of what was written of it, and
    what came before the first epoch that is logged is taken from metrics.jsonl and samples/.

    Raises
    ------
    ConfigError
        `to` is no name in `WRITERS`, or its package is not installed: at once, before training begins.
    """
    return _passed_on(reports, Path(folder), to, writer_of(to))


def _passed_on(
    reports: Generator[Report, None, Run], folder: Path, to: str, make: Callable[..., Any]
) -> Generator[Report, None, Run]:
    log = None
    try:
        with contextlib.closing(reports):
            for report in reports:
                if log is None:  # only now is it certain that the run has begun
                    log = _Log(Run(folder), to, make, report.epoch)
                if report.end_of_epoch:
                    log.add(report.record())
                yield report
    finally:
        if log is not None:
            log.close()
    return Run(folder)


class _Log:
    """The event files of a run, from an epoch on."""

    def __init__(self, run: Run, to: str, make: Callable[..., Any], epoch: int) -> None:
        self.run, self.to = run, to
        self.written: dict[str, Any] = run.record.get("logged") or {"scalars": [], "images": [], "epoch": 0}
        earlier = [path.stat().st_mtime for path in run.logs_folder.glob("events.*")]
        if earlier:
            # They are read in the order of their names, which hold seconds without a fraction.
            time.sleep(min(1.0, max(0.0, int(max(earlier)) + 1 - time.time())))
        self.writer = make(str(run.logs_folder), purge_step=epoch)
        for past in [] if earlier else run.history:
            if past["epoch"] < epoch:
                self.add(past)
        self._update_record()

    def add(self, epoch: Mapping[str, Any]) -> None:
        """Write the scalars and the picture of an epoch, as metrics.jsonl has them."""
        step = epoch["epoch"]
        scalars = {name: epoch.get(name) for name in ("learning_rate", "samples_per_second")}
        for part in ("train", "validation"):
            scalars |= {f"{name}/{part}": value for name, value in (epoch[part] or {}).items()}
        for name, value in scalars.items():
            if value is not None:  # metrics.jsonl has that for a value that was not finite
                self.writer.add_scalar(name, value, step)
        if (picture := self.run.sample_of(step)).exists():
            self.writer.add_image("reconstructions", _pixels(picture), step, dataformats="HWC")
            self.written["images"] = ["reconstructions"]
        self.written |= {"scalars": sorted({*self.written["scalars"], *scalars}), "epoch": step}
        # Before the next checkpoint is written, so that training never resumes from an epoch that is missing here.
        self.writer.flush()

    def _update_record(self) -> None:
        """Put into run.json what was written."""
        Run(self.run.folder).update(logged={**self.written, "to": self.to, "folder": self.run.logs_folder.name})

    def close(self) -> None:
        """End the file, and write down what it holds: the run has written its record without this."""
        self.writer.close()
        self._update_record()


def _pixels(path: Path) -> Any:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))
