"""A contender's process: started, asked, and ended, with its errors told in one line."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import environments
from works import Contender

SCRIPTS = Path(__file__).resolve().parent / "contenders"


class ContenderError(Exception):
    """A contender failed, fell silent, or answered what nobody understands."""


def variables(threads: int, data: Path) -> dict[str, str]:
    """Return the environment variables that all contenders run with."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "MKL_", "PYTHON", "VIRTUAL_ENV"))}
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    quiet = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return kept | counts | quiet | {"NARROWS_BENCHMARK_DATA": str(data)}


class Process:
    """A contender at work; a context that ends it."""

    def __init__(self, contender: Contender, env: dict[str, str], patience: float) -> None:
        self.patience = patience
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 closed with the process
        self.started = time.perf_counter()
        self.child = subprocess.Popen(
            [environments.python(contender.environment), SCRIPTS / contender.script],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, env=env,
        )  # fmt: skip

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.kill()
        self.child.wait()
        self.log.close()
        self.child.stdout.close()
        try:
            self.child.stdin.close()
        except BrokenPipeError:  # it ended before it had read everything
            return

    def ask(self, **what: Any) -> dict[str, Any]:
        """Ask for one thing, and wait for the answer."""
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        try:
            self.child.stdin.write(json.dumps(what).encode() + b"\n")
            self.child.stdin.flush()
        except BrokenPipeError as error:
            raise ContenderError(self._last_words()) from error
        if not select.select([self.child.stdout], [], [], self.patience)[0]:
            raise ContenderError(f"no answer to {what['do']!r} within {self.patience:g} s")
        line = self.child.stdout.readline()
        if not line:
            raise ContenderError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def finish(self) -> float:
        """End it in order, and return the seconds from its start to its end."""
        assert self.child.stdin is not None
        self.child.stdin.close()
        self.child.wait(self.patience)
        return time.perf_counter() - self.started

    def _last_words(self) -> str:
        self.child.wait(10)
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"ended with code {self.child.returncode} and said nothing"


class Bare:
    """The MB that the bare import of a contender's library takes, measured once per environment."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env
        self.found: dict[tuple[str, str], float] = {}

    def of(self, contender: Contender) -> float:
        key = contender.environment, contender.library
        if key not in self.found:
            code = f"import resource, {contender.library}; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
            command = [environments.python(contender.environment), "-c", code]
            units = 1e6 if sys.platform == "darwin" else 1e6 / 1024
            self.found[key] = int(subprocess.check_output(command, env=self.env, text=True)) / units
        return self.found[key]
