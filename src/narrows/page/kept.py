"""Maps that take long: computed in the background, one after the other, and kept in the run's folder."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

import numpy as np

from narrows.data.arrays import Array
from narrows.errors import FormatError
from narrows.page.mapping import SMALL, points_of
from narrows.storage.record import read_record, tensor_path, write_record
from narrows.storage.tensors import read_tensors

NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
"""Maps, as one writes their names."""


class Progress(NamedTuple):
    """What there is to say of a map that is still being computed."""

    sentence: str


class KeptMaps:
    """Maps of one model that take long.

    Parameters
    ----------
    folder
        Where they are kept; None for memory alone.
    model
        What tells this model from others whose maps lie there.
    """

    def __init__(self, folder: Path | None, model: str) -> None:
        self.folder, self.model = folder, model
        self._maps: dict[str, Future[Array]] = {}
        self._since: dict[str, float] = {}

    def points(self, name: str, method: str, Z: Array) -> Array | Progress:
        """Return a map of codes (N, k), (N, 2): as it was kept, or computed; or that it is being computed.

        An error of the computation is raised once; then it is tried again.
        """
        if name not in self._maps and (kept := self._read(name, len(Z))) is not None:
            self._maps[name] = Future()
            self._maps[name].set_result(kept)
        if name not in self._maps:
            self._maps[name], self._since[name] = Future(), time.monotonic()
            if len(Z) <= SMALL:
                self._compute(name, method, Z)
            else:
                # Nobody waits for the thread when Python ends; its process is ended then.
                threading.Thread(target=self._compute, args=(name, method, Z), daemon=True).start()
        future = self._maps[name]
        if not future.done():
            seconds = time.monotonic() - self._since[name]
            return Progress(f"{NAMES[method]} of {len(Z):,} codes is being computed, for {seconds:.0f} s so far.")
        if future.exception() is not None:
            del self._maps[name]
        return future.result()

    def _compute(self, name: str, method: str, Z: Array) -> None:
        future = self._maps[name]
        try:
            with _ONE_AT_A_TIME:
                points = points_of(Z, method)
            self._write(name, points)
        except Exception as error:  # it belongs to whoever asked for the map
            future.set_exception(error)
        else:
            future.set_result(points)

    def _read(self, name: str, n: int) -> Array | None:
        """Return what was kept of this model; None where there is nothing sound."""
        if self.folder is None:
            return None
        path = self.folder / f"{name}.json"
        with contextlib.suppress(FormatError):
            record = read_record(path)
            if record.get("model") == self.model:
                form = {"points": (np.dtype(np.float32), (n, 2))}
                return read_tensors(tensor_path(path, record), form, record["tensors"])["points"]
        return None

    def _write(self, name: str, points: Array) -> None:
        if self.folder is not None and self.folder.parent.is_dir():  # the run may have been deleted meanwhile
            with contextlib.suppress(OSError):  # a full disk: the map stays in memory
                self.folder.mkdir(exist_ok=True)
                write_record(self.folder / f"{name}.json", {"model": self.model}, {"points": points})


_ONE_AT_A_TIME = threading.Lock()
