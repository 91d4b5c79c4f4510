"""The frames of a training: the same samples, reconstructed after every epoch, and new samples, as numbers.

    frames/originals.safetensors     x, and labels where there are any
    frames/epoch_0001.safetensors    reconstruction, and samples where there is a prior

Images are stored as the grey levels or colours in which narrows draws them, uint8; tables and sequences as float32 in
the units of the data, NaN beyond the end of a sequence.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from narrows import figures
from narrows.data.arrays import Array
from narrows.errors import FormatError
from narrows.storage.tensors import read_tensors, write_tensors
from narrows.training import Report

MOST = 1000
"""Frames of a run at most, evenly spaced."""
BYTES = 2**27
"""Bytes of a run's frames at most: where samples are large, there are fewer frames."""
PAUSE = 0.2
"""Seconds of training between two frames, at least."""
SHARE, FREE = 0.02, 0.05
"""Share of the time of training that frames may take, beside seconds that are free: on slow disks they are rarer."""


class Frames:
    """The frames in a run's folder.

    Parameters
    ----------
    folder
        Of the frames; it exists once there is one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def epochs(self) -> list[int]:
        """The epochs that have a frame, in order."""
        numbers = (path.stem.removeprefix("epoch_") for path in self.folder.glob("epoch_*.safetensors"))
        return sorted(int(number) for number in numbers if number.isdecimal())

    def path_of(self, epoch: int) -> Path:
        """Return the path of an epoch's frame."""
        return self.folder / f"epoch_{epoch:04d}.safetensors"

    @property
    def originals(self) -> dict[str, Array]:
        """The samples that all frames show: "x" (n, ...), and "labels" (n,) where there are any.

        FormatError where there are none, or the file is not sound.
        """
        return read_tensors(self.folder / "originals.safetensors")

    def read(self, epoch: int) -> dict[str, Array]:
        """Return the frame of an epoch: "reconstruction" and, where there is a prior, "samples", both (n, ...).

        FormatError where there is none, or the file is not sound.
        """
        frame = read_tensors(self.path_of(epoch))
        if "reconstruction" not in frame or not frame.keys() <= {"reconstruction", "samples"}:
            raise FormatError(f"{self.path_of(epoch)}: must hold a reconstruction; it does not. The file was changed.")
        return frame

    def write(self, epoch: int, frame: Mapping[str, Array], originals: Mapping[str, Array]) -> None:
        """Write the frame of an epoch, and before the first one the originals."""
        first = self.folder / "originals.safetensors"
        if not first.exists():
            self.folder.mkdir(exist_ok=True)
            write_tensors(first, originals, lasting=False)
        write_tensors(self.path_of(epoch), frame, lasting=False)

    def rewind(self, epoch: int) -> None:
        """Remove the frames of the epochs after this one, which are trained again."""
        for later in self.epochs:
            if later > epoch:
                self.path_of(later).unlink(missing_ok=True)


class Recorder:
    """Writes the frames of a training as it goes.

    Parameters
    ----------
    frames
        Where they go.
    originals
        The samples that all frames show, as the data are.
    labels
        Of these samples, or None.
    """

    def __init__(self, frames: Frames, originals: Array, labels: Array | None) -> None:
        self.frames = frames
        self.display = _display(originals)
        self.originals = {"x": self.display(originals)}
        self.most = max(1, min(MOST, BYTES // (2 * self.originals["x"].nbytes)))
        if labels is not None:
            self.originals["labels"] = labels.astype(np.float32 if labels.dtype.kind == "f" else np.int32)
        self.last = -math.inf
        self.spent = 0.0

    def due(self, report: Report) -> bool:
        """Return whether the epoch that a report ends gets a frame: the first, the last, and others between."""
        if not report.end_of_epoch:
            return False
        if report.epoch in (1, report.epochs) or report.note:
            return True
        spaced = report.epoch % math.ceil(report.epochs / self.most) == 0
        return spaced and report.seconds - self.last >= PAUSE and self.spent <= FREE + SHARE * report.seconds

    def add(self, report: Report, reconstruction: Array, samples: Array | None, *, since: float) -> None:
        """Write the frame of an epoch from samples as the data are; making it began at the time `since`."""
        self.write(report.epoch, reconstruction, samples)
        if self.last > -math.inf:  # the first one prepares much, and tells nothing of the next
            self.spent += time.perf_counter() - since
        self.last = report.seconds

    def write(self, epoch: int, reconstruction: Array, samples: Array | None) -> None:
        """Write the frame of an epoch, whenever that ended."""
        frame = {"reconstruction": self.display(reconstruction)}
        if samples is not None:
            frame["samples"] = self.display(samples)
        self.frames.write(epoch, frame, self.originals)


def _display(originals: Array) -> Callable[[Array], Array]:
    """Return what makes of samples what a frame holds; the originals set the range of values of images."""
    shown = figures.scaled(originals)
    if figures.is_image(shown.shape[1:]):
        limits = figures.limits_of(shown)
        return lambda X: figures.levels_of(figures.scaled(X), limits, figures.LARGEST)
    return lambda X: figures.scaled(X) if _ragged(X) else np.asarray(X, np.float32)


def _ragged(X: Array) -> bool:
    """Return whether these are sequences of different lengths, which are filled up with NaN."""
    return isinstance(X, list) or X.dtype == object
