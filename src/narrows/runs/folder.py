"""The run folder: what was trained on what, how it went, the pictures, and the model.

    run.json        what, when, versions, seed, data and their hash, status, summary
    metrics.jsonl   one line per epoch: terms on training and validation data, times
    samples/        epoch_0001.png, ...: the same samples and their reconstructions as training went on
    *.png           reconstructions, samples, curves, latent: the model as it was saved
    model/          JSON + safetensors
    checkpoints/    while it is not finished: what training goes on from
    logs/           for TensorBoard, where that was asked for

A run can be copied anywhere: nothing in it points outside it, and what is inside is found by its place.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import platform
import re
import shutil
import sys
import time
import warnings
from collections.abc import Generator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from narrows import __version__, figures
from narrows.figures import notebook
from narrows.estimators.base import Array, Autoencoder
from narrows.errors import FormatError, NarrowsError, TrainingError
from narrows.storage.lock import check_vacant, lock_of, locked
from narrows.objectives import kl, negative_log_likelihood
from narrows.estimators import ESTIMATORS, PCA
from narrows.estimators.loading import described_estimator, load_model
from narrows.params import fields
from narrows.storage.atomic import write_bytes, write_text
from narrows.storage.form import check_form
from narrows.storage.json import parse_json, read_json, write_json
from narrows.training import EPOCH, EVERY, Checkpoints, Report, Rows, Trainer, interval, train

if TYPE_CHECKING:
    from PIL import Image

    from narrows.data import Dataset

__all__ = ["PICTURES", "Run", "load", "next_folder", "record", "resume", "summarise"]

FORMAT = 1
"""Version of the folder's layout."""
NUMBER = float | int | None
RECORD = {
    "status": str,
    "pid?": int | str | None,
    "model": str,
    "fields": dict,
    "seed?": int | None,
    "data": {
        "name": str, "options": dict, "sha256": str, "source": str, "licence": str,
        "splits": {"train?": int | None, "validation?": int | None, "test?": int | None}, "sample_shape": [int],
    },
    "command?": [str],
    "checkpoint_every?": str,
    "pictures?": bool,
    "started": str,
    "versions?": {str: str},
    "epoch?": int,
    "seconds?": NUMBER,
    "error?": str,
    "resumed?": [{"at": str, "step": int}],
    "logged?": {"to": str, "folder": str, "scalars": [str], "images": [str], "epoch": int},
    "summary?": ({
        "part": str, "samples": int, "squared_error": {str: NUMBER}, "latent_dim": int, "pca_latent_dim": int,
        "pca_samples": int, "elbo": NUMBER, "kl": NUMBER, "parameters": int,
    }, type(None)),
}  # fmt: skip
"""The form of run.json."""
PICTURES = {
    "reconstructions.png": "originals above their reconstructions",
    "samples.png": "new samples",
    "curves.png": "loss by epoch",
    "latent.png": "map of the codes",
}
"""Of the finished model, in the order in which one looks at them, and what they show."""
ROUNDING = 1e-12
"""An error, or a difference, of less than so much of the mean sample's is one of rounding, and counts as none."""
GENERATED = 64
"""Samples in samples.png."""
MAPPED = 10_000
"""At most so many codes are drawn in latent.png."""
WIDE = 4096
"""Samples with more numbers than this are compared with PCA of so many samples: its cost grows with the cube."""


def load(folder: str | Path, **objects: Any) -> Autoencoder:
    """Return the fitted estimator of a run or of a saved model.

    Parameters
    ----------
    folder
        A run's folder, or the one that `save` wrote.
    objects
        Fields that were one's own objects (a network, a likelihood), which no file holds.

    Raises
    ------
    FormatError
        The folder does not hold a sound model.
    """
    folder = Path(folder)
    inner = folder / "model"
    return load_model(inner if (inner / "model.json").exists() or (folder / "run.json").exists() else folder, **objects)


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
        self.record = read_json(self.folder / "run.json")
        found = self.record.get("format")
        if found != FORMAT:
            path = self.folder / "run.json"
            raise FormatError(f"{path}: format must be {FORMAT}; got {found!r}. Update narrows.")
        check_form(self.record, RECORD, self.folder / "run.json", "run")

    @classmethod
    def create(cls, folder: str | Path, record: Mapping[str, Any]) -> Self:
        """Make a new run in a folder that is not there yet, or is empty.

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
            _remove(folder)
            raise

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def status(self) -> str:
        """running, finished, interrupted or failed; a run whose process is gone counts as interrupted."""
        status = str(self.record.get("status"))
        return "interrupted" if status == "running" and not _alive(self.record.get("pid")) else status

    @property
    def settings(self) -> str:
        """The model, and its fields that differ from the defaults."""
        cls = ESTIMATORS.get(self.record["model"])
        defaults = {} if cls is None else {field.name: field.default for field in fields(cls)}
        values = {name: tuple(v) if isinstance(v, list) else v for name, v in self.record["fields"].items()}
        changed = {name: v for name, v in values.items() if name not in defaults or defaults[name] != v}
        shown = [f"{name}={','.join(map(str, v)) if isinstance(v, tuple) else v}" for name, v in changed.items()]
        return f"{self.record['model']}: {', '.join(shown) or 'all defaults'}"

    @property
    def is_pca(self) -> bool:
        """Whether the errors are those of PCA itself, so that to hold them against PCA's would say nothing."""
        if self.summary is None or "pca" not in (errors := self.summary["squared_error"]):
            return False
        apart = abs(errors["model"] - errors["pca"])
        return apart <= ROUNDING * errors["mean"] and self.summary["latent_dim"] == self.summary["pca_latent_dim"]

    @property
    def history(self) -> list[dict[str, Any]]:
        """One record per epoch that ended."""
        path = self.folder / "metrics.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        found = []
        for line in lines:
            with contextlib.suppress(FormatError):  # the last line may have been cut by a crash
                epoch = parse_json(line, path)
                check_form(epoch, EPOCH, path, "a line")
                found.append(epoch)
        return found

    @property
    def summary(self) -> dict[str, Any] | None:
        """What `summarise` found at the end, or None where it did not get that far."""
        return self.record.get("summary")

    @property
    def pictures(self) -> list[Path]:
        """The pictures of the finished model that are there."""
        return [self.folder / name for name in PICTURES if (self.folder / name).exists()]

    @property
    def samples(self) -> list[Path]:
        """The pictures made on the way, by epoch."""
        return sorted((self.folder / "samples").glob("epoch_*.png"))

    def sample_of(self, epoch: int) -> Path:
        """Where the picture of an epoch is, if it gets one."""
        return self.folder / "samples" / f"epoch_{epoch:04d}.png"

    @property
    def logs_folder(self) -> Path:
        """What `narrows.runs.trackers` writes, where it is asked to."""
        return self.folder / "logs"

    @property
    def model_folder(self) -> Path:
        """Where the model is, or will be."""
        return self.folder / "model"

    @property
    def checkpoints_folder(self) -> Path:
        """What training goes on from; it is there until the run is finished."""
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
        """Bring metrics.jsonl back to the epochs that a checkpoint knows of: those after it come again."""
        write_text(self.folder / "metrics.jsonl", "".join(map(_line, history)))

    def draw(self, name: str, picture: Image.Image, out: Path | None = None) -> Path:
        """Write a picture, `name` relative to the folder, or to `out` where that is given."""
        path = self.folder / name if out is None else out
        path.parent.mkdir(parents=out is not None, exist_ok=True)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", optimize=True)
        write_bytes(path, buffer.getvalue())
        return path

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, {self.record.get('model')}, {self.status})"

    def _repr_html_(self) -> str:
        return notebook.run(self.name, self.status, self._about(), self._figures())

    def _about(self) -> list[tuple[str, str]]:
        """Return what is known of the run, in words."""
        record, data = self.record, self.record["data"]
        parts = (("train", "training"), ("validation", "validation"), ("test", "test"))
        sizes = ", ".join(f"{data['splits'][part]:,} {name}" for part, name in parts if data["splits"].get(part))
        rows = [("model", self.settings), ("data", f"{data['name']}: {sizes}")]
        if history := self.history:
            of = "" if self.status == "finished" else f" of {history[-1]['epochs']:,}"
            rows.append(("epochs", f"{history[-1]['epoch']:,}{of} in {history[-1]['seconds']:,.0f} s"))
        if found := self.summary:
            names = {"model": "", "pca": "PCA ", "mean": "the mean sample "}
            errors = [
                f"{names[name]}{error:.4g}"
                for name, error in found["squared_error"].items()
                if not (name == "pca" and self.is_pca)
            ]
            rows.append((f"squared error per {found['part']} sample", "; ".join(errors)))
            rows += [
                (f"{name.upper()}, nats", f"{found[name]:.4g}") for name in ("elbo", "kl") if found[name] is not None
            ]
        return [*rows, ("error", record["error"])] if record.get("error") else rows

    def _figures(self) -> list[str]:
        """Return the pictures of the finished model; before there are any, how far it is."""
        if found := [notebook.figure(path.read_bytes(), PICTURES[path.name]) for path in self.pictures]:
            return found
        if len(history := self.history) > 1:
            found.append(notebook.drawn(figures.curves(history), PICTURES["curves.png"]))
        return found + [notebook.figure(path.read_bytes(), f"epoch {int(path.stem[6:])}") for path in self.samples[-1:]]


def _remove(folder: Path) -> None:
    """Remove a run in which nothing began; what else is in its folder stays."""
    (folder / "run.json").unlink(missing_ok=True)
    shutil.rmtree(folder / "checkpoints")
    if not any(folder.iterdir()):
        folder.rmdir()


def _line(epoch: Mapping[str, Any]) -> str:
    line = json.dumps(epoch)
    if "NaN" in line or "Infinity" in line:  # not JSON: such values become null
        line = json.dumps(json.loads(line, parse_constant=lambda _: None))
    return line + "\n"


def next_folder(root: str | Path, name: str, what: str) -> Path:
    """Make and return the next free folder of a name such as `runs/vae-mnist-5k-1`: a model, and a name or path."""
    slug = re.sub(r"[^a-z0-9]+", "-", Path(what).name.split(".")[0].lower()).strip("-") or "data"
    stem = f"{name}-{slug}" if what else name
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    found = (re.fullmatch(rf"{re.escape(stem)}-(\d+)", path.name) for path in root.iterdir())
    number = max((int(match[1]) for match in found if match), default=0) + 1
    while True:  # another process may take the same number at this moment
        try:
            (root / f"{stem}-{number}").mkdir()
        except FileExistsError:
            number += 1
        else:
            return root / f"{stem}-{number}"


def record(
    estimator: Autoencoder,
    dataset: Dataset,
    folder: str | Path,
    *,
    options: Mapping[str, Any] | None = None,
    command: Sequence[str] | None = None,
    checkpoint_every: str = EVERY,
    pictures: bool = True,
    trainer: Trainer = train,
) -> Generator[Report, None, Run]:
    """Train an estimator on a data set into a run folder: a generator of reports that returns the run.

    Leave it, interrupt it, or let it fail: the model of that moment is saved, and the run says what happened.

    Parameters
    ----------
    estimator
        Not fitted; it is fitted in place.
    dataset
        Its validation part, where there is one, chooses the best weights; its test part is for the summary.
    folder
        New or empty.
    options
        What `load_dataset` was given beside the name, so that commands on the run can load the same data again.
    command
        The command line, for the record.
    checkpoint_every
        Time or epochs between two checkpoints: "30s", "5min", "1h", "2 epochs".
    pictures
        Whether to draw any; with a small model they take most of the time.
    trainer
        What trains the module, where others are trained at once with it; there are then no checkpoints.

    Raises
    ------
    ConfigError
        The folder holds something, or a field is out of bounds.

    Examples
    --------
    >>> import tempfile, narrows
    >>> data = narrows.load_dataset("cloud")
    >>> reports = record(narrows.PCA(latent_dim=1), data, tempfile.mkdtemp())
    >>> [report.epoch for report in reports]
    [1]
    """
    checkpoints = Checkpoints(Path(folder) / "checkpoints", **interval(checkpoint_every))
    left = checkpoints if trainer is train else None
    reports = estimator.fit_iter(dataset.train, validation=dataset.validation, resume=left, trainer=trainer)
    description = _description(estimator, dataset, options, command)
    run = Run.create(folder, {**description, "checkpoint_every": checkpoint_every, "pictures": pictures})
    with locked(lock_of(run.folder)):
        yield from _followed(run, estimator, dataset, reports, checkpoints)
    return run


def resume(folder: str | Path, *, force: bool = False, **objects: Any) -> Generator[Report, None, Run]:
    """Go on with an interrupted run from its last good checkpoint: a generator of reports that returns the run.

    The result is that of a run that was never interrupted, bit for bit; only times differ.

    Parameters
    ----------
    folder
        Of the run.
    force
        Go on though the data have changed since.
    objects
        Fields that were one's own objects (a network, a likelihood), which no file holds.

    Raises
    ------
    TrainingError
        The run is finished, another process is at it, or its data have changed.
    FormatError
        The folder does not hold a run, or none of its checkpoints is sound.
    """
    run = Run(folder)
    if run.status == "finished" or not run.checkpoints_folder.is_dir():
        raise TrainingError(f"{folder}: must have been interrupted to be gone on with; it is {run.status}. Train anew.")
    with locked(lock_of(run.folder)):
        run = Run(folder)  # what another process wrote before it let go
        estimator = described_estimator(run.folder / "run.json", run.record, objects)
        dataset = _recorded(run, force)
        every = interval(run.record.get("checkpoint_every", EVERY))
        checkpoints = Checkpoints(run.checkpoints_folder, force=force, **every)
        reports = estimator.fit_iter(dataset.train, validation=dataset.validation, resume=checkpoints)
        yield from _followed(run, estimator, dataset, reports, checkpoints, again=True)
    return run


def _recorded(run: Run, force: bool) -> Dataset:
    """Return the data that a run was trained on."""
    from narrows.data import load_dataset

    match run.record.get("data"):
        case {"name": str(name), "options": dict(options), "sha256": str(sha256)}:
            dataset = load_dataset(name, **options)
        case _:
            raise FormatError(f"{run.folder / 'run.json'}: must say what data it was trained on; it does not.")
    if dataset.sha256 != sha256:
        told = f"sha256 was {sha256[:12]}... and is {dataset.sha256[:12]}..."
        if not force:
            raise TrainingError(
                f"{name}: must be the data that the run began with; {told}. Bring those back, or force it."
            )
        warnings.warn(f"Going on though {name} changed: {told}.", stacklevel=2)
    return dataset


def _followed(
    run: Run,
    estimator: Autoencoder,
    dataset: Dataset,
    reports: Generator[Report, None, None],
    checkpoints: Checkpoints,
    *,
    again: bool = False,
) -> Generator[Report, None, None]:
    """Pass on the reports, and write down what they say and how it ends."""
    shown = _fixed(dataset)
    started = time.perf_counter() - float(run.record.get("seconds") or 0.0)
    learned, epoch, status = again, run.record.get("epoch", 0), "failed"
    begun, unwritten = not again, False
    drawn = run.record.get("pictures", True)
    try:
        with contextlib.closing(reports):  # from then on the estimator holds the best weights seen
            for report in reports:
                if not begun:
                    _begin_again(run, checkpoints)
                begun = learned = True
                epoch = report.epoch
                if report.end_of_epoch:
                    run.add(report)
                    if drawn and (_is_shown(report.epoch, report.epochs) or report.note):
                        run.draw(f"samples/{run.sample_of(epoch).name}", _compared(estimator, shown))
                yield report
        if not begun:  # only what comes after training was missing
            _begin_again(run, checkpoints)
            begun = True
        status = "finished"
    except (KeyboardInterrupt, GeneratorExit, SystemExit):
        status = "interrupted"
        raise
    except NarrowsError as error:
        if not learned:  # nothing began: a folder for every mistyped field would be clutter
            _remove(run.folder)
        elif begun:
            _fail(run, error)
        raise
    except Exception as error:
        if begun:
            _fail(run, error)
        unwritten = isinstance(error, OSError)
        raise
    finally:
        if run.folder.exists() and begun:
            seconds = time.perf_counter() - started
            try:
                # The status first: whoever interrupts the rest finds a true record all the same.
                told = status if status != "finished" else "running"
                run.update(status=told, ended=_now(), seconds=seconds, epoch=epoch)
                if learned:
                    estimator.save(run.model_folder)
                    if drawn:
                        _draw_all(run, estimator, dataset, shown)
                if status == "finished":
                    run.update(summary=summarise(estimator, dataset))
                    run.update(status="finished")
                    shutil.rmtree(run.checkpoints_folder)
            except (KeyboardInterrupt, SystemExit):
                if Run(run.folder).record["status"] == "running":
                    run.update(status="interrupted")
                raise
            except Exception as error:
                _fail(run, error)
                if not (unwritten and isinstance(error, OSError)):  # the same disk: the first error says it
                    raise


def _fail(run: Run, error: Exception) -> None:
    """Write down why a run failed; a disk that is full does not take that either, and the error itself goes on."""
    with contextlib.suppress(OSError):
        run.update(status="failed", error=f"{type(error).__name__}: {error}")


def _begin_again(run: Run, checkpoints: Checkpoints) -> None:
    """Write down that a run goes on, and from which step."""
    if not checkpoints.step:
        warnings.warn(f"{run.folder}: had no checkpoint yet; training begins anew.", stacklevel=2)
    run.rewind(checkpoints.history)
    run.record.pop("error", None)
    resumed = [*run.record.get("resumed", []), {"at": _now(), "step": checkpoints.step}]
    run.update(status="running", pid=os.getpid(), resumed=resumed)


def summarise(estimator: Autoencoder, dataset: Dataset) -> dict[str, Any]:
    """Return how well a fitted estimator does on test data, beside PCA of the same size and the mean sample.

    Parameters
    ----------
    estimator
        Fitted to the data set's training part.
    dataset
        Where there is no test part, the validation part is used, or else the training part; the result says which.

    Returns
    -------
    dict
        `part`, `samples`; `squared_error`: means per sample, of the squared differences summed over its values, for
        "model", "pca" and "mean"; `pca_latent_dim`, `pca_samples`: what PCA was fitted with; `elbo`, `kl`: nats per
        sample, for probabilistic models, else None: the bound itself, whatever beta was; `parameters`.
    """
    part, X, _ = dataset.evaluation_split
    k = min(estimator.latent_dim_, *dataset.train.shape[:1], estimator.n_features_in_)
    rows = dataset.train if estimator.n_features_in_ <= WIDE else dataset.train[:WIDE]
    k = min(k, len(rows))
    errors: dict[str, float] = {"model": _squared_error(estimator, X)}
    if len(rows) > 1:
        kind: Any = PCA
        pca = kind(latent_dim=k).fit(rows)
        errors["pca"] = _squared_error(pca, X)
        errors["mean"] = _squared_error(pca, X, np.zeros((1, k), np.float32))
    bound = _bound(estimator, X) if estimator.module_.probabilistic else {"elbo": None, "kl": None}
    return {
        "part": part,
        "samples": len(X),
        "squared_error": errors,
        "latent_dim": estimator.latent_dim_,
        "pca_latent_dim": k,
        "pca_samples": len(rows),
        **bound,
        "parameters": sum(p.numel() for p in estimator.module_.parameters()),
    }


def _chunks(X: Array) -> Iterable[Array]:
    size = max(1, 2**24 // max(1, int(np.prod(X.shape[1:]))))
    return (X[start : start + size] for start in range(0, len(X), size))


def _squared_error(estimator: Autoencoder, X: Array, code: Array | None = None) -> float:
    """Return the mean per sample; with `code`, of the one reconstruction from that code."""
    total = 0.0
    fixed = None if code is None else estimator.inverse_transform(code)
    for x in _chunks(X):
        rebuilt = estimator.reconstruct(x) if fixed is None else fixed
        scaled = x / np.float32(255) if x.dtype == np.uint8 else x
        total += float(np.square(scaled - rebuilt, dtype=np.float64).sum())
    return total / len(X)


def _bound(estimator: Autoencoder, X: Array, seed: int = 0) -> dict[str, float]:
    """Return E log p(x | z) - KL and KL, means per sample in nats, from one code per sample.

    A row's noise is drawn by its position, so that the size of the chunks does not change a value.
    """
    module: Any = estimator.module_.eval()
    noise = torch.randn(len(X), estimator.latent_dim_, generator=torch.Generator().manual_seed(seed))
    elbo = divergence = 0.0
    start = 0
    with torch.no_grad():
        for x in Rows(X, module.device, module.dtype).chunks(max(1, 2**21 // estimator.n_features_in_)):
            posterior = module.posterior(x)
            z = posterior.mean + posterior.stddev * noise[start : start + len(x)].to(x.device, x.dtype)
            start += len(x)
            nats = kl(posterior, module.prior()).sum(1)
            elbo -= float((negative_log_likelihood(module.likelihood(z), x) + nats).double().sum())
            divergence += float(nats.double().sum())
    return {"elbo": elbo / len(X), "kl": divergence / len(X)}


def _description(
    estimator: Autoencoder, dataset: Dataset, options: Mapping[str, Any] | None, command: Sequence[str] | None
) -> dict[str, Any]:
    import sklearn

    return {
        "model": type(estimator).__name__.lower(),
        "fields": {field.name: estimator._described(field.name) for field in fields(estimator)},
        "seed": getattr(estimator, "seed", None),
        "data": {
            "name": dataset.name,
            "options": dict(options or {}),
            "sha256": dataset.sha256,
            "source": dataset.source,
            "licence": dataset.licence,
            "splits": dict(dataset.splits),
            "sample_shape": dataset.sample_shape,
        },
        "command": list(command or sys.argv),
        "started": _now(),
        "versions": {
            "narrows": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "python": platform.python_version(),
        },
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _alive(pid: Any) -> bool:
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (OSError, TypeError, ValueError, OverflowError):
        return False
    return True


def _is_shown(epoch: int, epochs: int) -> bool:
    """Tell whether an epoch gets a picture: 1, 2, 5, 10, 20, 50, ... and the last."""
    return epoch == epochs or epoch in {m * 10**p for p in range(9) for m in (1, 2, 5)}


def _fixed(dataset: Dataset) -> Array:
    """Return the samples that all pictures show: the first ones, class by class where there are few classes."""
    _, X, labels = dataset.evaluation_split
    n = min(figures.room(dataset.sample_shape), len(X))
    if labels is None or labels.dtype.kind == "f" or n > 10:
        return np.asarray(X[:n])
    classes = np.unique(labels)
    if len(classes) > 10:
        return np.asarray(X[:n])
    ranks = np.empty(len(labels), int)
    for c in classes:
        rows = np.flatnonzero(labels == c)
        ranks[rows] = np.arange(len(rows))
    order = np.lexsort((labels, ranks))[:n]
    return np.asarray(X[order])


def _compared(estimator: Autoencoder, shown: Array) -> Image.Image:
    new = estimator.sample(len(shown), seed=0) if estimator.module_.probabilistic else None
    return figures.compare({"original": shown, "reconstruction": estimator.reconstruct(shown)}, samples=new)


def _draw_all(run: Run, estimator: Autoencoder, dataset: Dataset, shown: Array) -> None:
    rows = {"original": shown, "reconstruction": estimator.reconstruct(shown)}
    run.draw("reconstructions.png", figures.compare(rows))
    if estimator.module_.probabilistic:
        new = estimator.sample(GENERATED, seed=0)
        # A few values below black would make all of it grey.
        run.draw("samples.png", figures.gallery(new.clip(0, 1) if estimator.pixels_ else new))
    if history := run.history:
        run.draw("curves.png", figures.curves(history))
    _, X, labels = dataset.evaluation_split
    Z = estimator.transform(X[:MAPPED])
    run.draw("latent.png", figures.latent_map(Z, None if labels is None else labels[:MAPPED], dataset.label_names))
