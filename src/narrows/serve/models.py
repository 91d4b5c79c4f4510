"""The runs that are served: a model of each, with one thread, and what is asked of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import numpy as np

from narrows.data.arrays import Array
from narrows.errors import ConfigError, DataError, NarrowsError
from narrows.runs import Run
from narrows.serve.batching import Batcher, Limits
from narrows.serve.exported import exported
from narrows.serve.samples import Bodies
from narrows.serve.tensors import numpy_type
from narrows.serve.verbs import VERBS, Question, Tensors, Verb
from narrows.training.effort import use_one_thread

P = ParamSpec("P")
T = TypeVar("T")
SMALL = 2**16
"""Bytes that are read in the event loop; more are read in a thread."""


class Served:
    """A verb of a run, as it is served.

    Parameters
    ----------
    run
        The name of the run.
    verb
        What is asked.
    bodies
        Reads what people send with curl.
    thread
        Of the model.
    limits
        Of batches.
    observe
        Called with the name of the model and the rows of every batch.
    """

    def __init__(
        self, run: str, verb: Verb, bodies: Bodies, thread: ThreadPoolExecutor, limits: Limits,
        observe: Callable[[str, int], object],
    ) -> None:  # fmt: skip
        self.run, self.verb, self.bodies = run, verb, bodies
        self.name = f"{run}-{verb.name}"
        self.platform = "pytorch" if verb.onnx is None else "onnxruntime_onnx"
        self.batcher: Batcher[Question, Array] = Batcher(
            verb.answers, thread, limits, lambda rows: observe(self.name, rows)
        )

    def question(self, tensors: Tensors) -> Question:
        """Return a request that is sound. Raises: DataError with the sentence of the estimator."""
        try:
            return self.verb.question(tensors)
        except NarrowsError:
            raise
        except (ValueError, TypeError) as error:  # as scikit-learn's checks raise
            raise DataError(f"{self.verb.owner}: {error}") from error

    async def answer(self, question: Question) -> Array:
        """Return the answer, computed together with others. Raises: BusyError where too many rows wait."""
        return await self.batcher.submit(question)


class Models:
    """What is served, by name: `{run}-{verb}`.

    Parameters
    ----------
    runs
        Runs with a model.
    limits
        Of batches.
    observe
        Called with the name of a model and the rows of every batch.

    use_onnx
        Whether a run's export is used where there is one.

    Raises
    ------
    ConfigError
        Two runs have one name.
    FormatError
        A run has no sound model.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        limits: Limits,
        observe: Callable[[str, int], object] = lambda name, rows: None,
        *,
        use_onnx: bool = True,
    ) -> None:
        self.runs = [run.name for run in runs]
        if twice := sorted({name for name in self.runs if self.runs.count(name) > 1}):
            raise ConfigError(f"serve: runs must have different names; got {twice[0]!r} twice. Rename one.")
        self.served: dict[str, Served] = {}
        self._threads: list[ThreadPoolExecutor] = []
        for run in runs:
            model, onnx = run.load(), exported(run) if use_onnx else None
            thread = ThreadPoolExecutor(1, thread_name_prefix=f"model of {run.name}", initializer=use_one_thread)
            self._threads.append(thread)
            for cls in VERBS.values():
                verb = cls(model, onnx)
                served = Served(run.name, verb, Bodies(verb, run.record["data"]), thread, limits, observe)
                self.served[served.name] = served
                thread.submit(_warm, served).result()

    def of_run(self, run: str, verb: str) -> Served | None:
        """Return a verb of a run."""
        return self.served.get(f"{run}-{verb}")

    def close(self) -> None:
        """Finish what is computed."""
        for thread in self._threads:
            thread.shutdown()


def _warm(served: Served) -> None:
    """Ask once, with zeros, so that the first request finds everything there that is made at first use."""
    ports = [port for port in served.verb.inputs if not port.optional and port.name != "y"]
    tensors = {port.name: np.zeros([1 if n == -1 else n for n in port.shape], numpy_type(*port[:2])) for port in ports}
    with contextlib.suppress(NarrowsError):
        served.verb.answers([served.question(tensors)])


async def apart(size: int, function: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Return what a function returns: at once where it has little to do, else from a thread."""
    if size <= SMALL:
        return function(*given, **named)
    return await asyncio.to_thread(function, *given, **named)
