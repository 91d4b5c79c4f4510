"""One thread for every test, so that times and bits do not depend on the machine; no processes in the fast suite; data.

Tests marked slow, gpu or campaign may start processes and open sockets; in all others both raise.
"""

import gc
import multiprocessing.process
import os
import platform
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.font_manager  # noqa: F401 - where it has no cache yet, its import starts fc-list
import numpy as np
import pytest
import scipy.linalg  # noqa: F401 - as scikit-learn, it has threads of its own, which are limited once it is there
import sklearn.cluster  # noqa: F401
import torch
from joblib import cpu_count
from matplotlib.backends.backend_agg import FigureCanvasAgg
from threadpoolctl import threadpool_limits

import narrows.figures.style
from drawn import structured

torch.set_num_threads(1)
threadpool_limits(1)  # of numpy and scikit-learn
cpu_count(only_physical_cores=True)  # scikit-learn asks for it; joblib starts lscpu the first time, and remembers
platform.platform()  # starts uname the first time, and remembers

STARTS: list[tuple[Any, str]] = [
    (subprocess.Popen, "__init__"),
    (multiprocessing.process.BaseProcess, "start"),
    (os, "fork"),
    (os, "posix_spawn"),
    (socket.socket, "__init__"),
]
"""What starts a process or opens a socket; those that the system lacks are passed over."""
LOCAL = getattr(socket, "AF_UNIX", None)
MAY_START = {"slow", "gpu", "campaign"}

SHAPES = {"table": (6,), "sequence": (5, 3), "image": (1, 7, 6), "pixels": (1, 7, 6)}


def pytest_collection_finish(session):
    """Leave what is imported and collected out of garbage collection: looking through it takes a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


@pytest.fixture(autouse=True, scope="session")
def _no_flushing():
    """Wait for no disk: what tests write need not survive a power cut (those that are simulated are in safety/disk)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(autouse=True)
def _neither_processes_nor_sockets(request, monkeypatch):
    """Keep the fast suite fast, and the same on every machine."""
    if MAY_START.intersection(mark.name for mark in request.node.iter_markers()):
        return
    for owner, name in STARTS:
        monkeypatch.setattr(owner, name, refusal(owner, name), raising=False)


def refusal(owner, name):
    original, name = getattr(owner, name, None), f"{owner.__name__}.{name}"

    def refuse(*args, **kwargs):
        if owner is socket.socket and args[1:2] == (LOCAL,):
            return original(*args, **kwargs)  # by which an event loop wakes itself
        pytest.fail(f"{name} was called: a test that starts processes or opens sockets needs @pytest.mark.slow")

    return refuse


DRAW = FigureCanvasAgg.draw


@contextmanager
def pictures_left_blank():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FigureCanvasAgg, "draw", lambda self: setattr(self, "renderer", self.get_renderer()))
        patch.setattr(narrows.figures.style, "_replace_missing_glyphs", lambda figure: None)
        yield


@pytest.fixture(scope="module")
def blank_pictures():
    """Leave pictures blank, of the right size: to draw them takes most of a small run's time."""
    with pictures_left_blank():
        yield


@pytest.fixture
def drawn_pictures(monkeypatch):
    """Draw pictures all the same, for a test that looks at them."""
    monkeypatch.setattr(FigureCanvasAgg, "draw", DRAW)


@pytest.fixture
def blank_pictures_here():
    """Leave the pictures of one test blank."""
    with pictures_left_blank():
        yield


@pytest.fixture(params=list(SHAPES))
def X(request):
    """A table, sequences, images, and images of uint8 pixels."""
    data = structured(SHAPES[request.param])
    return (data * 255).round().astype(np.uint8) if request.param == "pixels" else data


@pytest.fixture
def table():
    return structured((6,))


@pytest.fixture(scope="session")
def real_data():
    """The folder of real data sets, where the machine has one."""
    folder = os.environ.get("NARROWS_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("NARROWS_DATA does not name a folder of data sets")
    return Path(folder)
