"""Thousands of spoiled data files: a named error or sound samples, and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("seed", "count"), [pytest.param(0, 200, marks=pytest.mark.slow), pytest.param(1, 8000, marks=pytest.mark.campaign)]
)
def test_spoiled_files(seed: int, count: int) -> None:
    command: list[str | Path] = [sys.executable, TESTS / "safety" / "data_files.py", str(seed), str(count)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    found = json.loads(done.stdout)
    assert found["crashes"] == []
    assert found["events"] == {}
    assert found["grown_mb"] < 256
    assert found["slowest"] < 2
    assert found["count"] == count
    assert sum(n for name, n in found["outcomes"].items() if name.endswith("refused")) > count / 2
