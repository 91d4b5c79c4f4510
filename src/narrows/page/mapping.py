"""Maps of codes that take long, t-SNE and UMAP, in a process of their own: the model stays free for its views.

The process is this module: it reads a message with the codes and the map's name, and writes one with the points.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys

import numpy as np

from narrows.data.arrays import Array
from narrows.errors import NarrowsError, TrainingError
from narrows.page.wire import Message, pack, unpack
from narrows.projection import tsne, umap

METHODS = {"tsne": tsne, "umap": umap}
SMALL = 300
"""Codes of which a map is made at once, in less time than a process takes to start."""
NICENESS = 10
"""By how much the process gives way to others, such as a training."""


def points_of(Z: Array, method: str) -> Array:
    """Return the map of codes (N, k), "tsne" or "umap": (N, 2), float32; the same for the same codes.

    Raises: TrainingError where the process ends before its time; ConfigError where a package is missing.
    """
    Z = Z.astype(np.float32)
    if len(Z) <= SMALL:
        return METHODS[method](Z).astype(np.float32)
    message = pack(Message({"method": method}, {"z": Z}))
    threads = str(max(1, (os.cpu_count() or 1) // 2))
    # The same interpreter and this module: nothing of the command comes from a file or the browser.
    process = subprocess.Popen(
        [sys.executable, "-m", "narrows.page.mapping"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads},
    )  # fmt: skip
    _RUNNING.add(process)
    try:
        out, errors = process.communicate(message)
    finally:
        _RUNNING.discard(process)
    if process.returncode:
        last = (errors.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise TrainingError(f"map: the process that computes it must end without an error; it ended with {last!r}.")
    answer = unpack(out, limit=None)
    if "error" in answer.meta:
        raise TrainingError(str(answer.meta["error"]))
    return answer.tensors["points"]


_RUNNING: set[subprocess.Popen[bytes]] = set()
"""Processes that are at work."""


@atexit.register
def stop() -> None:
    """End the processes that are at work, when Python or the server ends."""
    for process in list(_RUNNING):
        process.kill()


def main() -> None:
    """Read codes, and write the points of their map."""
    with contextlib.suppress(AttributeError, OSError):  # where the system has no such thing
        os.nice(NICENESS)
    message = unpack(sys.stdin.buffer.read(), limit=None)
    try:
        points = METHODS[message.meta["method"]](message.tensors["z"])
        answer = Message({}, {"points": points})
    except NarrowsError as error:
        answer = Message({"error": str(error)})
    sys.stdout.buffer.write(pack(answer))


if __name__ == "__main__":
    main()
