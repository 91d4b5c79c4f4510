"""Small models that are served: in this process, and in one of its own."""

import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from starlette.testclient import TestClient

from narrows import AE, PCA, VAE, load_dataset
from narrows.data.dataset import Dataset
from narrows.http.security import Place
from narrows.runs import Run, record
from narrows.serve.admission import Admission
from narrows.serve.app import application
from narrows.serve.batching import Limits
from narrows.serve.guard import Guard
from narrows.serve.metrics import Metrics
from narrows.serve.models import Models
from server_process import ServerProcess

TOKEN = "a-token-for-tests-only"
BASE = "http://127.0.0.1:8080"
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (60, 1, 4, 5), np.uint8)
COLOURS = RNG.integers(0, 256, (60, 5, 4, 3), np.uint8)
TABLE = RNG.normal(size=(60, 3))
SEQUENCES = [RNG.normal(size=(n % 4 + 2, 2)) for n in range(60)]
LABELS = np.arange(60) % 3


def _dataset(name, X, **more):
    ends = slice(0, 50), slice(50, 60)
    train, test = (X[each] for each in ends)
    return Dataset(name, train, test=test, **more)


@cache
def _kept():
    return tempfile.TemporaryDirectory(prefix="narrows-tests-")


@cache
def run_of(kind):
    """Train a small model into a run, once for all tests."""
    small = {"latent_dim": 2, "epochs": 1, "batch_size": 25}
    model, data = {
        "pixels": lambda: (VAE(network="mlp:8", **small), _dataset("pixels", PIXELS)),
        "table": lambda: (PCA(latent_dim=2), _dataset("table", TABLE, columns=("a", "b", "c"))),
        "cloud": lambda: (AE(network="mlp:8", **small), load_dataset("cloud", samples=60)),
    }[kind]()
    folder = Path(_kept().name) / kind
    list(record(model, data, folder))
    return Run(folder)


class Fitted:
    """A run of a model that was fitted without a data set."""

    def __init__(self, name, model):
        self.name, self.model, self.record = name, model, {"data": {"options": {}}}
        self.folder = self.model_folder = Path(_kept().name) / "of no data set"

    def load(self):
        return self.model


@cache
def fitted(kind):
    """Return a fitted model, as a run."""
    small = {"latent_dim": 2, "epochs": 1, "batch_size": 25, "network": "mlp:8"}
    model = {
        "nhwc": lambda: VAE(**small).fit(COLOURS, axes="NHWC"),
        "ragged": lambda: VAE(**{**small, "network": "recurrent:4"}).fit(SEQUENCES),
        "steps": lambda: VAE(**{**small, "network": "recurrent:4"}).fit(np.stack([s[:2] for s in SEQUENCES])),
        "vq": lambda: AE(**small, code="vq:8").fit(PIXELS),
        "classes": lambda: VAE(**small, condition="concat").fit(TABLE, np.array(["x", "y", "z"])[LABELS]),
        "numbers": lambda: VAE(**small, condition="concat").fit(TABLE, TABLE[:, :2] + 0.5),
        "ae": lambda: AE(**small).fit(TABLE),
        "integers": lambda: AE(**small).fit((TABLE * 100).astype(np.int64)),
    }[kind]()
    return Fitted(kind, model)


@contextmanager
def client(*runs, limits=None, token=None, **headers):
    """Serve runs in this process, and return a client."""
    metrics = Metrics()
    models = Models(runs, limits or Limits(), metrics.computed)
    problems = []
    app = application(models, metrics, report=problems.append)
    guard = Guard(app, Admission(10_000, metrics), token=token, place=Place())
    with TestClient(guard, BASE, headers=headers, raise_server_exceptions=False) as opened:
        yield opened
    assert problems == []


def tensor(name, array, datatype=None):
    """Return a tensor of the protocol in JSON."""
    names = {
        "float64": "FP64",
        "float32": "FP32",
        "int64": "INT64",
        "uint8": "UINT8",
        "bool": "BOOL",
        "object": "BYTES",
    }
    datatype = datatype or names[array.dtype.name]
    return {"name": name, "datatype": datatype, "shape": list(array.shape), "data": array.ravel().tolist()}


def infer(client, model, **arrays):
    """Return the output of a model as an array; fails where the answer is none."""
    body = {"inputs": [tensor(name, array) for name, array in arrays.items()]}
    answer = client.post(f"/v2/models/{model}/infer", json=body)
    assert answer.status_code == 200, answer.text
    return array_of(answer.json()["outputs"][0])


def array_of(output):
    """Return an output of the protocol as an array."""
    return np.array(output["data"], NUMPY[output["datatype"]]).reshape(output["shape"])


NUMPY = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "UINT8": np.uint8}


class Server(ServerProcess):
    """`narrows serve` in a process of its own."""

    def __init__(self, *words, code=""):
        start = [sys.executable, "-m", "narrows"] if not code else [sys.executable, "-c", code]
        self.process = subprocess.Popen(
            [*start, "serve", *map(str, words), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        lines = []
        while "Ctrl-C" not in (lines[-1] if lines else ""):
            line = self.process.stdout.readline()
            assert line, "".join(lines)
            lines.append(line)
        self.address = next(line.strip() for line in lines if line.startswith("http"))
        self.port = int(self.address.rpartition(":")[2])


def body_of(X):
    """Return a request of the protocol with samples x."""
    return json.dumps({"inputs": [tensor("x", X)]}).encode()
