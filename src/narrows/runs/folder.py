"""The run folder: what was trained on what, how it went, the pictures, and the model.

    run.json        what, when, versions, seed, data and their hash, status, summary
    metrics.jsonl   the history: one line per epoch, with terms on training and validation data, and times
    samples/        epoch_0001.png, ...: the same samples and their reconstructions during training
    *.png           reconstructions, samples, curves, latent: the model as it was saved
    model/          JSON + safetensors
    checkpoints/    until it is finished: what training resumes from
    logs/           for TensorBoard, where that was asked for

A run can be copied anywhere: nothing in it points outside it, and its parts are found by their relative paths.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from narrows.components import from_record
from narrows.data.schema import Schema
from narrows.errors import FormatError
from narrows.estimators import ESTIMATORS
from narrows.estimators.base import Autoencoder
from narrows.estimators.loading import load_model, read_schema
from narrows.params import Param, fields, write_value
from narrows.runs import notebook
from narrows.runs.form import FORMAT, RECORD
from narrows.storage.atomic import write_bytes, write_text
from narrows.storage.form import check_form
from narrows.storage.json import parse_json, read_json, write_json
from narrows.storage.lock import check_vacant
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

        Raises
        ------
        ConfigError
            The folder holds something, such as another run: it is left as it is.
        """
        folder = Path(folder)
        while True:
            check_vacant(folder)
            with contextlib.suppress(FileExistsError):
                (folder / "checkpoints").mkdir(parents=True)  # of two processes at this point, one makes it
                break
        try:
            write_json(folder / "run.json", {"format": FORMAT, "status": "running", "pid": os.getpid(), **record})
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
        status = str(self.record.get("status"))
        return "interrupted" if status == "running" and not _alive(self.record.get("pid")) else status

    @property
    def failure(self) -> str:
        """The type of the error that ended it, or an empty string."""
        return str(self.record.get("error", "")).partition(":")[0]

    @property
    def settings(self) -> str:
        """The model, and its parameters that differ from the defaults."""
        cls = ESTIMATORS.get(self.record["model"])
        known = {} if cls is None else {field.name: field for field in fields(cls)}
        values = {name: tuple(v) if isinstance(v, list) else v for name, v in self.record["parameters"].items()}
        changed = {name: v for name, v in values.items() if name not in known or known[name].default != v}
        shown = [f"{name}={_text(known.get(name), value)}" for name, value in changed.items()]
        return f"{self.record['model']}: {', '.join(shown) or 'all defaults'}"

    @property
    def is_pca(self) -> bool:
        """Whether the errors are those of PCA itself, so that a comparison with PCA would say nothing."""
        if self.summary is None or "pca" not in (errors := self.summary["squared_error"]):
            return False
        difference = abs(errors["model"] - errors["pca"])
        return difference <= ROUNDING * errors["mean"] and self.summary["latent_dim"] == self.summary["pca_latent_dim"]

    @property
    def history(self) -> list[dict[str, Any]]:
        """One record per epoch that ended."""
        path = self.folder / "metrics.jsonl"
        epochs = []
        for line in path.read_bytes().splitlines() if path.exists() else []:
            with contextlib.suppress(FormatError):  # the last line may have been cut by a crash
                epoch = parse_json(line, path)
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

    def load(self, **objects: Any) -> Autoencoder:
        """Return the fitted estimator."""
        return load(self.folder, **objects)

    def update(self, **values: Any) -> None:
        """Change entries of run.json."""
        self.record.update(values)
        write_json(self.folder / "run.json", self.record)

    def add(self, report: Report) -> None:
        """Append an epoch to metrics.jsonl."""
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(_line(report.record()))

    def rewind(self, history: Iterable[Mapping[str, Any]]) -> None:
        """Bring metrics.jsonl back to the epochs of a checkpoint: those after it are trained again."""
        write_text(self.folder / "metrics.jsonl", "".join(map(_line, history)))

    def draw(self, name: str, picture: Image.Image, out: Path | None = None) -> Path:
        """Write a picture, `name` relative to the folder, or to `out` where that is given."""
        path = self.folder / name if out is None else out
        path.parent.mkdir(parents=out is not None, exist_ok=True)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", optimize=True)
        write_bytes(path, buffer.getvalue())
        return path

    def discard(self) -> None:
        """Remove a run in which nothing began; other files in its folder stay."""
        _discard(self.folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, {self.record.get('model')}, {self.status})"

    def _repr_html_(self) -> str:
        return notebook.html(self)


def load(folder: str | Path, **objects: Any) -> Autoencoder:
    """Return the fitted estimator of a run or of a saved model.

    Parameters
    ----------
    folder
        A run's folder, or the one that `save` wrote.
    objects
        Parameters that were objects of your own (a network, a likelihood), which no file holds.

    Raises
    ------
    FormatError
        The folder does not hold a sound model.
    """
    folder = Path(folder)
    model = folder / "model"
    return load_model(model if (model / "model.json").exists() or (folder / "run.json").exists() else folder, **objects)


def next_folder(root: str | Path, name: str, data: str) -> Path:
    """Make and return the next free folder of a name such as `runs/vae-mnist-5k-1`.

    Parameters
    ----------
    root
        Where runs lie.
    name
        Of the model or the recipe.
    data
        The data set's name or path, which adds to the folder's name; may be empty.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", Path(data).name.split(".")[0].lower()).strip("-") or "data"
    stem = f"{name}-{slug}" if data else name
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    matches = (re.fullmatch(rf"{re.escape(stem)}-(\d+)", path.name) for path in root.iterdir())
    number = max((int(match[1]) for match in matches if match), default=0) + 1
    while True:  # another process may take the same number at this moment
        try:
            (root / f"{stem}-{number}").mkdir()
        except FileExistsError:
            number += 1
        else:
            return root / f"{stem}-{number}"


def _discard(folder: Path) -> None:
    (folder / "run.json").unlink(missing_ok=True)
    shutil.rmtree(folder / "checkpoints")
    if not any(folder.iterdir()):
        folder.rmdir()


def _line(epoch: Mapping[str, Any]) -> str:
    line = json.dumps(epoch)
    if "NaN" in line or "Infinity" in line:  # not JSON: such values become null
        line = json.dumps(json.loads(line, parse_constant=lambda _: None))
    return line + "\n"


def _text(field: Param | None, value: Any) -> str:
    """Return a parameter as one would write it on the command line."""
    if isinstance(value, dict) and field is not None and field.axis is not None and "object" not in value:
        return str(from_record(field.axis, value))
    return str(value.get("object")) if isinstance(value, dict) else write_value(value)


def _alive(pid: Any) -> bool:
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (OSError, TypeError, ValueError, OverflowError):
        return False
    return True
