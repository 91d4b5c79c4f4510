"""Runs for tests of the page, and a client that the page lets in."""

import http.client
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from starlette.testclient import TestClient

from narrows import VAE, load_dataset
from narrows.page.app import application
from narrows.page.security import Guard
from narrows.runs import record
from narrows.storage.process import this_process
from server_process import ServerProcess

TOKEN = "a-token-for-tests-only"
BASE = "http://127.0.0.1:8765"


def client(folder, **options):
    """Return a client of the page on a folder, with the token."""
    return TestClient(guarded(folder, **options), BASE, headers={"Authorization": f"Bearer {TOKEN}"})


def stranger(folder, **options):
    """Return a client that has no token."""
    return TestClient(guarded(folder, **options), BASE, follow_redirects=False)


def guarded(folder, **options):
    return Guard(application(Path(folder), **options), TOKEN)


def run_record(**changed):
    """Return the record of a run, as run.json holds it."""
    return {
        "format": 1, "status": "finished", "model": "vae", "parameters": {"latent_dim": 3}, "seed": 0,
        "data": {
            "name": "cloud", "options": {"samples": 100}, "sha256": "0" * 64, "source": "", "licence": "",
            "splits": {"train": 80, "validation": 20, "test": 25}, "sample_shape": [2],
        },
        "started": "2026-01-01T00:00:00.000+00:00", "epoch": 3, "seconds": 1.5,
    } | changed  # fmt: skip


def epoch(number, epochs=3, loss=None):
    """Return a line of a history."""
    loss = 10.0 / number if loss is None else loss
    return {
        "epoch": number, "epochs": epochs, "step": number, "train": {"loss": loss}, "validation": {"loss": loss + 1},
        "seconds": 0.5 * number, "learning_rate": 0.1,
    }  # fmt: skip


def written(folder, name, epochs=3, **changed):
    """Write a run with a record and a history, and return its folder."""
    run = Path(folder) / name
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps(run_record(**changed)))
    (run / "metrics.jsonl").write_text("".join(json.dumps(epoch(n + 1)) + "\n" for n in range(epochs)))
    return run


def running(folder, name, **changed):
    """Write a run that this process seems to train."""
    run = written(folder, name, **{"status": "running", "process": this_process(), **changed})
    (run / "checkpoints").mkdir()
    return run


def append(run, line):
    """Append a line to a history, whole or not."""
    text = line if isinstance(line, str) else json.dumps(line) + "\n"
    with (run / "metrics.jsonl").open("a") as file:
        file.write(text)


@cache
def _trained():
    """Train a small model into a run, once for all tests."""
    folder = tempfile.TemporaryDirectory(prefix="narrows-tests-")
    data = load_dataset("cloud", samples=100, validation=0.2)
    list(record(VAE(latent_dim=1, network="mlp:4", epochs=3), data, Path(folder.name) / "cloud"))
    return folder


def trained(folder):
    """Put the run of a small model into a folder, and return its own."""
    return shutil.copytree(Path(_trained().name) / "cloud", Path(folder) / "cloud")


class Server(ServerProcess):
    """`narrows open` in a process of its own."""

    signal_to_end = signal.SIGINT

    def __init__(self, folder, *flags):
        command = [sys.executable, "-m", "narrows", "open", str(folder), "--no-browser", "--token", TOKEN, *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.address, self.words = (self.process.stdout.readline().strip() for _ in range(2))
        self._open = []
        self.netloc = urlsplit(self.address).netloc

    def request(self, path, method="GET", timeout=30, body=None):
        """Send a request with the token, and return the answer, which may be a stream."""
        connection = http.client.HTTPConnection(self.netloc, timeout=timeout)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
        answer = connection.getresponse()
        self._open += [answer, connection]
        return answer

    def json(self, path, method="GET", **options):
        """Return an answer in JSON."""
        return json.loads(self.request(path, method, **options).read())

    def stop(self, number=None, patience=20):
        """End the server and the streams that are open; see `ServerProcess.stop`."""
        try:
            return super().stop(number, patience)
        finally:
            for each in self._open:
                each.close()
