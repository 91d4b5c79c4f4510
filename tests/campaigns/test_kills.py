"""Trainings killed at random moments end bit for bit as if nothing had happened."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "safety" / "kills.py"


@pytest.mark.parametrize(("kills", "kind"), [
    pytest.param(3, [], marks=pytest.mark.slow),
    pytest.param(100, [], marks=pytest.mark.campaign),
    pytest.param(50, ["run"], marks=pytest.mark.campaign),
])  # fmt: skip
def test_killed_trainings(kills: int, kind: list[str]) -> None:
    command: list[str | Path] = [sys.executable, SCRIPT, "1", str(kills), *kind]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    found = json.loads(done.stdout)
    assert found["kills"] >= kills
    assert found["different"] == []
