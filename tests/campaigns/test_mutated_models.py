"""Thousands of spoiled model files: none crashes, none is executed, none takes memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("seed", "count"),
    [pytest.param(0, 150, marks=pytest.mark.slow), pytest.param(1, 10_000, marks=pytest.mark.campaign)],
)
def test_spoiled_models(seed: int, count: int) -> None:
    command: list[str | Path] = [sys.executable, TESTS / "safety" / "mutations.py", str(seed), str(count)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(done.stdout)
    assert found["crashes"] == []
    assert found["events"] == {}
    assert found["grown_mb"] < 64
    assert found["slowest"] < 2
    outcomes = found["outcomes"]
    assert sum(outcomes.values()) == count
    assert all(outcomes[f"{kind}: refused"] > 0 for kind in ("record bytes", "tensor bytes", "header value, signed"))
    assert outcomes["numbers, signed: loaded"] > 0  # the checks do not just refuse everything
