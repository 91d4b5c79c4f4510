"""Run folders from strangers: every command ends with a result or a named error, and never with a traceback."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from narrows import VAE, load_dataset
from narrows.cli.app import main
from narrows.runs import record
from safety.mutations import spoiled_bytes, spoiled_value

pytestmark = pytest.mark.usefixtures("blank_pictures")

COMMANDS = (["show", "x"], ["runs"], ["encode", "x"], ["sample", "x", "-n", "2"], ["resume", "x"])


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """A finished run and one that was interrupted."""
    options: dict[str, Any] = {"validation": 0.2}
    data = load_dataset("cloud", **options)
    found = {}
    for finished in (True, False):
        found[finished] = tmp_path_factory.mktemp("good") / "x"
        reports = record(VAE(latent_dim=2, network="mlp:4", epochs=2), data, found[finished])
        if finished:
            list(reports)
        else:
            next(reports)
            reports.close()
    return found


@pytest.mark.parametrize(
    ("seed", "count"), [pytest.param(0, 6, marks=pytest.mark.slow), pytest.param(1, 400, marks=pytest.mark.campaign)]
)
@pytest.mark.filterwarnings("ignore")
def test_spoiled_runs(
    seed: int, count: int, good: dict[bool, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = random.Random(seed)
    codes = []
    for number in range(count):
        run = tmp_path / "runs" / "x"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(good[number % 2 == 0], run)
        text = (run / "run.json").read_bytes()
        if rng.random() < 0.8:
            (run / "run.json").write_text(json.dumps(spoiled_value(json.loads(text), rng)))
        else:
            (run / "run.json").write_bytes(spoiled_bytes(text, rng))
        victims = sorted(path for path in run.rglob("*") if path.suffix in (".json", ".jsonl", ".safetensors"))
        if rng.random() < 0.5:
            victim = rng.choice(victims)
            victim.write_bytes(spoiled_bytes(victim.read_bytes() or b"x", rng))
        for command in COMMANDS:
            codes.append(main(command))
            assert codes[-1] in (0, 2), (number, command)
    assert {0, 2} == set(codes)
