"""The views of a model in a notebook: `narrows.explore` and `Run.show`.

The front end is the page's; its calls come over the notebook's channel: the JSON of a call as the content of a message,
its tensors as a safetensors buffer, and answers likewise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from narrows.data import Dataset
from narrows.data.arrays import Array
from narrows.errors import ConfigError, DataError, FormatError
from narrows.estimators.base import Autoencoder
from narrows.page.calls import refusal, reply
from narrows.page.codes import Maps
from narrows.page.explorer import Explorer
from narrows.page.info import info
from narrows.page.lanes import Lanes
from narrows.page.models import load
from narrows.page.saving import save
from narrows.page.wire import Message, pack, unpack
from narrows.runs import Run
from narrows.storage.json import plain

STATIC = Path(__file__).with_name("static")
MISSING = "export default { render({ el }) { el.textContent = %r; } };"
"""The front end where it has not been built."""


def explore(model: Autoencoder | Run, X: Any = None, y: Any = None) -> Any:
    """Return a widget with a model's codes, to look around in, combine samples and remove noise from them.

    Parameters
    ----------
    model
        A fitted estimator; or a run, with its own data.
    X
        Samples, as `transform` takes them.
    y
        Their labels (N,): classes or numbers, for colours and for models with a condition.

    Raises
    ------
    ConfigError
        anywidget is not installed.
    DataError
        X does not fit the model, or there are more or fewer labels.
    """
    widget = _widget()
    if isinstance(model, Run):
        return widget(load(model.folder), model.folder)
    check_is_fitted(model)
    if X is None:
        raise ConfigError(
            "explore: X must be samples for a model; got None. Pass samples, or a run, which has its own."
        )
    explorer = Explorer(model, _dataset(X, y), name=type(model).__name__)
    _ = explorer.on().arrays  # an X that does not fit is told at once
    return widget(Maps(explorer), None)


def _dataset(X: Any, y: Any) -> Dataset:
    """Return samples and labels of a notebook as a data set of one split."""
    samples = X.toarray() if hasattr(X, "toarray") else X
    if y is None:
        return Dataset("X", samples)
    labels = np.asarray(y)
    if labels.shape != (len(samples),):
        raise DataError(f"explore: y must have one label per sample, ({len(samples)},); got {labels.shape}.")
    if labels.dtype.kind in "iuf":
        return Dataset("X", samples, train_labels=labels)
    names, numbers = np.unique(labels.astype(str), return_inverse=True)
    return Dataset("X", samples, train_labels=numbers, label_names=tuple(names.tolist()))


class Channel:
    """Answers the calls of a notebook's front end, in a thread of its own: the kernel only takes them in.

    Parameters
    ----------
    maps
        The model with its data.
    folder
        Of the run, where results are saved; None where there is none.
    send
        Takes an answer: JSON, and buffers.
    """

    def __init__(self, maps: Maps, folder: Path | None, send: Callable[[dict[str, Any], list[bytes]], object]) -> None:
        self.maps, self.folder, self.send = maps, folder, send
        self._lanes, self._lock = Lanes(), threading.Lock()
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="narrows.explore")

    def receive(self, content: Any, buffers: Sequence[Any]) -> None:
        """Let a call wait for its answer; a newer one of its lane takes its place."""
        meta = dict(content) if isinstance(content, Mapping) else {}
        try:
            tensors: Mapping[str, Array] = unpack(bytes(buffers[0]), None).tensors if buffers else {}
            with self._lock:
                new = self._lanes.put(Message(meta, tensors))
        except (FormatError, ConfigError) as error:
            self.send(dict(refusal(Message(meta), error).meta), [])
            return
        if new:
            self.thread.submit(self._answer_next)

    def _answer_next(self) -> None:
        with self._lock:
            message = self._lanes.take()
        result = self._saved(message) if message.meta.get("do") == "save" else reply(self.maps, message)
        self.send(plain(result.meta), [pack(Message({}, result.tensors))])

    def _saved(self, message: Message) -> Message:
        try:
            if self.folder is None:
                raise ConfigError("save: there must be a run to save into; this is a model alone.")
            file = save(self.maps.explorer, self.folder, message)
        except Exception as error:
            return refusal(message, error)
        return Message({"seq": message.meta.get("seq"), "file": file})


@cache
def _widget() -> Any:
    """Return the class of the widget; anywidget is imported only here.

    Raises: ConfigError where it is not installed.
    """
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise ConfigError(
            'explore: anywidget must be installed; it is not. Run: pip install "narrows[page]".'
        ) from None

    class ModelWidget(anywidget.AnyWidget):
        """The views of a model."""

        _esm = _file("widget.js") or MISSING % "The front end is missing from this copy: npm run build, in web/."
        _css = _file("widget.css")
        info: Any = traitlets.Dict().tag(sync=True)

        def __init__(self, maps: Maps, folder: Path | None) -> None:
            super().__init__(info=plain(info(maps.explorer)))
            self.channel = Channel(maps, folder, lambda answer, parts: self.send(answer, buffers=parts))
            self.on_msg(lambda _, content, buffers: self.channel.receive(content, buffers))

    return ModelWidget


def _file(name: str) -> str:
    path = STATIC / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""
