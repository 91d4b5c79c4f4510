"""The models that are in use: loaded once, a few at a time, and each with a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from narrows.errors import DataError, NarrowsError
from narrows.page.calls import refusal, reply, steps
from narrows.page.codes import Maps
from narrows.page.explorer import Explorer
from narrows.page.mapping import stop
from narrows.page.wire import Message, pack
from narrows.runs import Run, dataset_of
from narrows.storage.record import read_record
from narrows.training.effort import use_one_thread

T = TypeVar("T")
MOST = 3
"""Models that are kept in memory."""
FOLDER = "page"
"""Where maps of codes are kept, in a run's folder."""


class Models:
    """The models of runs, by the names of these.

    Parameters
    ----------
    folder_of
        Returns the folder of a run, or None where there is none of that name.
    """

    def __init__(self, folder_of: Callable[[str], Path | None]) -> None:
        self.folder_of = folder_of
        self._workers: dict[str, Worker] = {}

    async def get(self, name: str, *, fresh: bool = False) -> Worker | None:
        """Return the model of a run, loaded; None where there is no such run.

        With `fresh` a model that has been saved anew is loaded again; without, a view goes on with the one it has.

        Raises: FormatError where the run has no model that can be loaded.
        """
        worker = self._workers.get(name)
        if worker is None or worker.failed or fresh or not worker.present:
            folder = await asyncio.to_thread(self.folder_of, name)
            worker = self._workers.pop(name, None)  # by now another request may have begun to load it
            if folder is None:
                return None
            if worker is None or worker.failed or (worker.folder, worker.saved) != (folder, _saved(folder)):
                worker = Worker(folder)
        self._workers.pop(name, None)
        self._workers[name] = worker  # the latest stands last
        for other in list(self._workers)[:-MOST]:
            del self._workers[other]  # its thread ends once nobody uses it any more
        await worker.loaded()
        return worker

    def close(self) -> None:
        """Let go of all models, and end what is still being computed."""
        self._workers.clear()
        stop()


class Worker:
    """A model and the one thread in which it works, from a run's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.saved, self.failed = folder, _saved(folder), False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"model of {folder.name}", initializer=use_one_thread)
        self._loading = self._thread.submit(load, folder)

    @property
    def present(self) -> bool:
        """Whether the run is still where it was."""
        return (self.folder / "run.json").exists()

    async def loaded(self) -> Maps:
        """Return the model with its data once it is loaded."""
        try:
            return await asyncio.shield(asyncio.wrap_future(self._loading))  # others may wait for it as well
        except BaseException:
            self.failed = self._loading.done()
            raise

    async def run(self, function: Callable[..., T], *given: Any) -> T:
        """Return what a function of the model with its data, and of what is given, returns."""
        maps = await self.loaded()
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: function(maps, *given))

    async def steps(self, message: Message) -> None:
        """Do what takes long in a call, in steps between which others may use the model."""
        maps = await self.loaded()
        todo: Iterator[float] = steps(maps, message)
        while await self.run(lambda _: next(todo, None)) is not None:
            pass

    async def reply(self, message: Message) -> bytes:
        """Return the answer to a call, packed; an error is a sentence in it."""
        try:
            if message.meta.get("do") in ("codes", "values"):
                await self.steps(message)
            return await self.run(lambda maps: pack(reply(maps, message)))
        except Exception as error:
            return pack(refusal(message, error))


def load(folder: Path) -> Maps:
    """Return the model of a run with its data, or, where these are gone, without and with the reason.

    Raises: FormatError where the run has no model that can be loaded.
    """
    run = Run(folder)
    model = run.load()
    dataset, gone = None, ""
    try:
        dataset = dataset_of(run, changed=lambda sentence: None)
        if dataset.sample_shape[-1:] != model.sample_shape_[-1:]:
            raise DataError(f"its data now have samples of shape {dataset.sample_shape}")
    except (NarrowsError, OSError) as error:
        dataset, gone = None, f"The data of this run cannot be read: {error}"
    explorer = Explorer(model, dataset, name=run.name, gone=gone)
    return Maps(explorer, folder / FOLDER, read_record(run.model_folder / "model.json")["tensors"])


def _saved(folder: Path) -> int:
    """Return when the model of a run was saved; 0 where there is none."""
    try:
        return (folder / "model" / "model.json").stat().st_mtime_ns
    except OSError:
        return 0
