"""Archives and servers of strangers: nothing is written outside the cache, whatever names they use."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("seed", "count"), [pytest.param(0, 24, marks=pytest.mark.slow), pytest.param(1, 400, marks=pytest.mark.campaign)]
)
def test_spoiled_archives(seed: int, count: int, tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, TESTS / "safety" / "archives.py", tmp_path, str(seed), str(count)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    found = json.loads(done.stdout)
    assert found["count"] == count
    assert found["must be refused"] > count / 4
    assert found["wrong"] == []
    assert found["changed outside"] == {}
    assert found["other content"] == []
    assert found["grown_mb"] < 256
