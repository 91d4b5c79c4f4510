"""Folders and zips of malformed images among sound ones: left out by name, and nothing else is changed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from safety.spoiled_images import write

TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("seed", "count"), [pytest.param(0, 30, marks=pytest.mark.slow), pytest.param(1, 1000, marks=pytest.mark.campaign)]
)
def test_spoiled_images(seed: int, count: int, tmp_path: Path) -> None:
    write(tmp_path, seed, count)
    command: list[str | Path] = [sys.executable, TESTS / "safety" / "spoiled_images.py", tmp_path]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    found = json.loads(done.stdout)
    assert sum(found["kinds"].values()) == count == found["sound"] + found["malformed"]
    assert found["skipped"] == found["malformed"] > count / 5
    assert found["rows"] == found["sound"]
    for fact in ("list is exact", "zip skips the same", "split as without damage", "order as without the files"):
        assert found[fact], fact
    assert found["strict names the first"] == [True, True]
    assert found["wrong pixels"] == []
    assert found["events"] == {}
    assert found["grown_mb"] < 256
