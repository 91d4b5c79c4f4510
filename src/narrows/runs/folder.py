"""The run folder: what was trained on what, how it went, the pictures, and the model.

    run.json        what, when, versions, seed, data and their hash, status, summary
    metrics.jsonl   the history: one line per epoch, with terms on training and validation data, and times
    samples/        epoch_0001.png, ...: the same samples and their reconstructions during training
    frames/         the same of every epoch, as numbers
    *.png           reconstructions, samples, curves, latent: the model as it was saved
    model/          JSON + safetensors
    checkpoints/    until it is finished: what training resumes from
    page/           maps of the codes that the live page computed
    logs/           for TensorBoard, where that was asked for

A run can be copied anywhere: its parts are found by their relative paths, and it needs nothing outside it but the data,
whose place and checksum it records.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from narrows.components import from_record
from narrows.data.schema import Schema
from narrows.errors import ConfigError, FormatError
from narrows.estimators import ESTIMATORS
from narrows.estimators.base import Autoencoder
from narrows.estimators.loading import read_schema
from narrows.params import Param, fields, write_value
from narrows.runs import notebook
from narrows.runs.form import FORMAT, RECORD
from narrows.runs.frames import Frames
from narrows.runs.loading import load
from narrows.storage.atomic import write_png
from narrows.storage.form import check_form
from narrows.storage.json import read_json, write_json
from narrows.storage.lines import append_line, read_lines, write_lines
from narrows.storage.lock import check_vacant, is_held, lock_of
from narrows.storage.process import is_alive, this_process
from narrows.training import EPOCH, Report

if TYPE_CHECKING:
    from PIL import Image

PICTURES = {
    "reconstructions.png": "originals above their reconstructions",
    "samples.png": "new samples",
    "curves.png": "loss by epoch",
    "latent.png": "map of the codes",
}
"""Of the finished model, in the order in which one looks at them, and what they show."""
ROUNDING = 1e-12
"""An error, or a difference of errors, below this share of the mean sample's error is rounding, and counts as 0."""


class Run:
    """One run folder; the only place that knows its layout.

    Parameters
    ----------
    folder
        An existing run.

    Raises
    ------
    FormatError
        The folder does not hold a run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        path = self.folder / "run.json"
        self.record = read_json(path)
        version = self.record.get("format")
        if version != FORMAT:
            raise FormatError(f"{path}: format must be {FORMAT}; got {version!r}. Update narrows.")
        check_form(self.record, RECORD, path, "run")

    @classmethod
    def create(cls, folder: str | Path, record: Mapping[str, Any]) -> Self:
        """Make a new run in a folder that does not exist yet, or is empty.

        Where the folder holds something, such as another run, it is left as it is, and ConfigError is raised.
        """
        folder = Path(folder)
        check_vacant(folder)
        try:
            (folder / "checkpoints").mkdir(parents=True)
        except (FileExistsError, NotADirectoryError):
            check_vacant(folder)  # of two processes at this point, one has made it
            raise ConfigError(
                f"Run: folder must be one that can be made; got {str(folder)!r}, on whose way there is a file, or a "
                "link to nothing. Choose another folder."
            ) from None
        try:
            process = {"process": this_process()}
            write_json(folder / "run.json", {"format": FORMAT, "status": "running", **process, **record})
            return cls(folder)
        except BaseException:  # an interrupt too: half a run would be in the way of the next
            _discard(folder)
            raise

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def status(self) -> str:
        """running, finished, interrupted or failed; a run whose process has died counts as interrupted."""
        status = str(self.record["status"])
        if status != "running":
            return status
        held = is_held(lock_of(self.folder))  # the system knows it, whatever the record says
        if held is None and (process := self.record.get("process")) is not None:
            held = is_alive(process)
        return status if held else "interrupted"

    @property
    def resumable(self) -> bool:
        """Whether it ended before it was finished and can be resumed."""
        return self.status in ("interrupted", "failed") and self.checkpoints_folder.is_dir()

    @property
    def failure(self) -> str:
        """The type of the error that ended it, or an empty string."""
        return str(self.record.get("error", "")).partition(":")[0]

    @property
    def settings(self) -> str:
        """The model, and its parameters that differ from the defaults."""
        shown = [f"{name}={text}" for name, text in self.changed.items()]
        return f"{self.record['model']}: {', '.join(shown) or 'all defaults'}"

    @property
    def changed(self) -> dict[str, str]:
        """The parameters that differ from the defaults, as one would write them on the command line."""
        known = self._fields()
        values = {name: tuple(v) if isinstance(v, list) else v for name, v in self.record["parameters"].items()}
        changed = {name: v for name, v in values.items() if name not in known or known[name].default != v}
        return {name: _text(known.get(name), value) for name, value in changed.items()}

    def text_of(self, name: str, value: Any) -> str:
        """Return a parameter's value as one would write it on the command line."""
        return _text(self._fields().get(name), value)

    def _fields(self) -> dict[str, Param]:
        cls = ESTIMATORS.get(self.record["model"])
        return {} if cls is None else {field.name: field for field in fields(cls)}

    @property
    def is_pca(self) -> bool:
        """Whether the errors are those of PCA itself, so that a comparison with PCA would say nothing."""
        errors = self.errors
        if self.summary is None or not {"model", "pca", "mean"} <= errors.keys():
            return False
        difference = abs(errors["model"] - errors["pca"])
        return difference <= ROUNDING * errors["mean"] and self.summary["latent_dim"] == self.summary["pca_latent_dim"]

    @property
    def errors(self) -> dict[str, float]:
        """The squared errors of the summary that are numbers: of "model", "pca" and "mean", as far as there are any."""
        errors = {} if self.summary is None else self.summary["squared_error"]
        return {name: float(error) for name, error in errors.items() if error is not None}

    @property
    def history(self) -> list[dict[str, Any]]:
        """One record per epoch that ended."""
        path = self.folder / "metrics.jsonl"
        epochs = []
        for epoch in read_lines(path, appended=True) if path.exists() else []:
            with contextlib.suppress(FormatError):
                check_form(epoch, EPOCH, path, "a line")
                epochs.append(epoch)
        return epochs

    @property
    def summary(self) -> dict[str, Any] | None:
        """What `summarise` returned at the end, or None where the run did not get that far."""
        return self.record.get("summary")

    @property
    def pictures(self) -> dict[Path, str]:
        """The existing pictures of the finished model, and what each shows."""
        paths = {self.folder / name: caption for name, caption in PICTURES.items()}
        return {path: caption for path, caption in paths.items() if path.exists()}

    @property
    def samples(self) -> list[Path]:
        """The pictures made during training, by epoch."""
        return sorted((self.folder / "samples").glob("epoch_*.png"))

    def sample_of(self, epoch: int) -> Path:
        """Return the path of an epoch's picture, which exists only for some epochs."""
        return self.folder / "samples" / f"epoch_{epoch:04d}.png"

    @property
    def frames(self) -> Frames:
        """Reconstructions and new samples of the epochs of training, as numbers."""
        return Frames(self.folder / "frames")

    @property
    def logs_folder(self) -> Path:
        """What `narrows.runs.trackers` writes, where it is asked to."""
        return self.folder / "logs"

    @property
    def schema(self) -> Schema | None:
        """The form of the data, without the numbers of their scale; None before there is a sound saved model."""
        with contextlib.suppress(FormatError):
            return read_schema(self.model_folder)
        return None

    @property
    def model_folder(self) -> Path:
        """The saved model, once there is one."""
        return self.folder / "model"

    @property
    def checkpoints_folder(self) -> Path:
        """What training resumes from; it exists until the run is finished."""
        return self.folder / "checkpoints"

    @property
    def start_folder(self) -> Path:
        """The model at whose weights training began, until the run is finished; there only after a warm start."""
        return self.checkpoints_folder / "start"

    def load(self, **objects: Any) -> Autoencoder:
        """Return the fitted estimator; FormatError where none was saved, or it is not sound."""
        if self.status != "finished" and not (self.model_folder / "model.json").exists():
            advice = f"Resume it: narrows resume {self.folder}" if self.resumable else "Wait until there is one"
            raise FormatError(f"{self.folder}: must have a model; it is {self.status}, with none saved yet. {advice}.")
        return load(self.folder, **objects)

    def show(self) -> Any:
        """Return a widget for a notebook with the model and its data; see `narrows.explore`."""
        from narrows import explore  # what is shown stands far after this in the order of imports

        return explore(self)

    def update(self, **values: Any) -> None:
        """Change entries of run.json."""
        self.record.update(values)
        if self.record["status"] != "running":
            self.record.pop("process", None)
        write_json(self.folder / "run.json", self.record)

    def add(self, report: Report) -> None:
        """Append an epoch to metrics.jsonl."""
        append_line(self.folder / "metrics.jsonl", report.record())

    def rewind(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Bring metrics.jsonl and frames back to the epochs of a checkpoint: those after it are trained again."""
        write_lines(self.folder / "metrics.jsonl", history)
        self.frames.rewind(history[-1]["epoch"] if history else 0)

    def draw(self, name: str, picture: Image.Image, out: Path | None = None) -> Path:
        """Write a picture, `name` relative to the folder, or to `out` where that is given."""
        path = self.folder / name if out is None else out
        path.parent.mkdir(parents=out is not None, exist_ok=True)
        write_png(path, picture)
        return path

    def discard(self) -> None:
        """Remove a run in which nothing began; other files in its folder stay."""
        _discard(self.folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, {self.record.get('model')}, {self.status})"

    def _repr_html_(self) -> str:
        return notebook.html(self)


def _discard(folder: Path) -> None:
    (folder / "run.json").unlink(missing_ok=True)
    shutil.rmtree(folder / "checkpoints")
    remove_empty(folder)


def remove_empty(folder: Path) -> None:
    """Remove a folder that was made for a run in which nothing began."""
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()


def _text(field: Param | None, value: Any) -> str:
    """Return a parameter as one would write it on the command line."""
    if isinstance(value, dict) and field is not None and field.axis is not None and "object" not in value:
        with contextlib.suppress(ConfigError):  # of another version, or changed: it is shown as it is written
            return str(from_record(field.axis, value))
    return str(value.get("object", value)) if isinstance(value, dict) else write_value(value)
