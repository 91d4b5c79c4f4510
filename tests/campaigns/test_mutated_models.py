"""Thousands of spoiled model files: none crashes, none is executed, none takes memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "safety" / "mutations.py"


@pytest.mark.parametrize(("seed", "count"), [(0, 150), pytest.param(1, 10_000, marks=pytest.mark.campaign)])
def test_spoiled_models(seed: int, count: int) -> None:
    done = subprocess.run([sys.executable, SCRIPT, str(seed), str(count)], capture_output=True, text=True, check=True)
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
