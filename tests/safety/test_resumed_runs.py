"""Runs that are interrupted, failed or killed are resumed, and end as if they never stopped."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from narrows import PCA, VAE, load_dataset
from narrows.cli.app import main
from narrows.data import Dataset
from narrows.errors import ConfigError, FormatError, TrainingError
from narrows.runs import Run, record, resume
from narrows.storage.json import parse_json, write_json
from narrows.training import checkpoints, loop
from safety.clock import ends_within

OPTIONS: dict[str, Any] = {"validation": 0.2}
TIMES = ("seconds", "samples_per_second")
pytestmark = pytest.mark.filterwarnings("ignore:.*had no checkpoint yet")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_dataset("cloud", **OPTIONS)


def estimator(**changed: Any) -> VAE:
    return VAE(**{"latent_dim": 2, "network": "mlp:4", "epochs": 4, "batch_size": 100, **changed})


@pytest.fixture(scope="module")
def whole(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was left alone."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    list(record(estimator(), data, folder))
    return Run(folder)


def assert_same(run: Run, whole: Run) -> None:
    """Assert that a finished run is like another in all but times."""
    assert run.status == whole.status == "finished"
    timeless = [[{k: v for k, v in epoch.items() if k not in TIMES} for epoch in r.history] for r in (run, whole)]
    assert timeless[0] == timeless[1]
    weights = [r.load().module_.state_dict() for r in (run, whole)]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[1])
    assert run.summary == whole.summary
    assert {p.name for p in run.folder.iterdir()} == {p.name for p in whole.folder.iterdir()}
    assert [p.read_bytes() for p in run.samples] == [p.read_bytes() for p in whole.samples]
    assert not run.checkpoints_folder.exists()


@pytest.mark.parametrize(
    "stop",
    [pytest.param(7, marks=pytest.mark.slow), *(pytest.param(n, marks=pytest.mark.campaign) for n in (1, 12, 15))],
)
def test_left_and_resumed(
    stop: int,
    data: Dataset,
    whole: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(loop, "INTERVAL", -1.0)  # a report after every step
    folder = tmp_path / "run"
    reports = record(estimator(), data, folder)
    for _ in range(stop):
        next(reports)
    reports.close()
    run = Run(folder)
    assert run.status == "interrupted"
    assert run.checkpoints_folder.exists()
    list(resume(folder))
    run = Run(folder)
    assert [entry["step"] for entry in run.record["resumed"]] == [stop]
    assert_same(run, whole)
    assert main(["show", str(folder)]) == 0
    assert f"from step {stop}" in capsys.readouterr().out
    with pytest.raises(TrainingError, match="must have been interrupted to be resumed; it is finished"):
        next(resume(folder))


@pytest.mark.campaign
def test_left_again_and_again(data: Dataset, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "INTERVAL", -1.0)
    folder = tmp_path / "run"
    reports = record(estimator(), data, folder)
    while True:
        for _ in range(3):
            if next(reports, None) is None:
                break
        else:
            reports.close()
            reports = resume(folder)
            continue
        break
    assert len(Run(folder).record["resumed"]) == 5
    assert_same(Run(folder), whole)


@pytest.mark.slow
def test_stopped_while_evaluated(data: Dataset, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"

    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("narrows.runs.recording.summarise", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(record(estimator(), data, folder))
    assert Run(folder).summary is None
    assert list(resume(folder)) == []
    assert_same(Run(folder), whole)


@pytest.mark.campaign
def test_what_comes_after_the_checkpoint_is_not_counted_twice(data: Dataset, whole: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    reports = record(estimator(), data, folder)
    next(reports)
    reports.close()
    with (folder / "metrics.jsonl").open("a") as file:  # a kill after this line, and before the next checkpoint
        file.write(json.dumps({"epoch": 2}) + "\n" + '{"epoch": 3, "tr')
    list(resume(folder))
    assert_same(Run(folder), whole)


@pytest.mark.usefixtures("blank_pictures_here")
def test_changed_data_are_refused(data: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    reports = record(estimator(), data, folder)
    next(reports)
    reports.close()
    before = Run(folder).record
    write_json(folder / "run.json", {**before, "data": {**before["data"], "options": {"validation": 0.4}}})
    with pytest.raises(TrainingError, match="cloud is not what the run was trained on: sha256 was"):
        next(resume(folder))
    assert Run(folder).status == "interrupted"
    reports = resume(folder, force=True)
    with pytest.warns(match="the data have changed: cloud is not"), pytest.warns(match="though it changed"):
        next(reports)
    reports.close()
    assert Run(folder).record["resumed"][0]["step"] == 4


@pytest.mark.usefixtures("blank_pictures_here")
def test_changed_fields_are_refused(data: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    reports = record(estimator(), data, folder)
    next(reports)
    reports.close()
    before = Run(folder).record
    for fields, error, words in (
        ({"beta": 2.0}, TrainingError, "parameters.beta was 1.0 and is 2.0"),
        ({"beta": -1}, ConfigError, "beta must be"),
        ({"network": "../x"}, FormatError, "not a path"),
        ({"betta": 2}, FormatError, "no parameter 'betta'"),
    ):
        write_json(folder / "run.json", {**before, "parameters": {**before["parameters"], **fields}})
        with pytest.raises(error, match=words):
            next(resume(folder))
    changes: list[dict[str, Any]] = [
        {"model": "os.system"}, {"parameters": []}, {"data": "cloud"}, {"data": {"name": "cloud"}}
    ]  # fmt: skip
    for change in changes:
        write_json(folder / "run.json", {**before, **change})
        with pytest.raises(FormatError):
            next(resume(folder))
    write_json(folder / "run.json", before)
    assert Run(folder).status == "interrupted"


@pytest.mark.usefixtures("blank_pictures_here")
def test_two_processes_and_one_run(data: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first = record(estimator(), data, folder)
    next(first)
    with pytest.raises(TrainingError, match=f"one process at a time; process {os.getpid()} on"):
        next(resume(folder))
    with pytest.raises(ConfigError, match="which holds another run"):
        next(record(estimator(), data, folder))
    list(first)
    assert Run(folder).status == "finished"


def test_a_mistake_leaves_no_folder(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="patience"):
        list(record(VAE(patience=3, epochs=5), load_dataset("cloud"), tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_one_step(data: Dataset, tmp_path: Path) -> None:
    list(record(PCA(latent_dim=1), data, tmp_path / "run"))
    assert Run(tmp_path / "run").status == "finished"
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.campaign
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_command_line(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ["--data", "cloud", "--latent-dim", "1", "--epochs", "300", "--name", "x"]
    code = "import sys; from narrows.cli.app import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "train", "vae", *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    while not process.stdout.readline().startswith("epoch"):
        assert process.poll() is None
    process.send_signal(number)
    printed = ends_within(process, 5)
    assert process.returncode == {2: 130, 15: 143, 9: -9}[number]
    run = Run("runs/x")
    assert run.status == "interrupted"
    if number != signal.SIGKILL:
        assert "narrows resume runs/x" in printed
        assert run.load().score_samples(np.asarray(load_dataset("cloud").test)).shape == (125,)
        assert list(run.checkpoints_folder.glob("step-*.json"))
    assert main(["resume", "x"]) == 0
    run = Run("runs/x")
    assert (run.status, len(run.history)) == ("finished", 300)
    assert main(["resume", "x"]) == 2  # there is nothing left to do


@pytest.mark.usefixtures("blank_pictures_here")
@pytest.mark.parametrize(
    "saves", [pytest.param(30, marks=pytest.mark.slow), pytest.param(500, marks=pytest.mark.campaign)]
)
def test_a_reader_never_sees_a_partial_file(
    saves: int, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of a run's folder is read again and again, while a checkpoint is written after every step."""
    monkeypatch.setattr(checkpoints, "SHARE", 1e6)
    folder, errors = tmp_path / "run", []

    def write() -> None:
        try:
            model = VAE(latent_dim=1, network="mlp:4", epochs=saves // 4, batch_size=100)
            list(record(model, data, folder, checkpoint_every="0s"))
        except BaseException as error:
            errors.append(error)

    writer, seen, steps = threading.Thread(target=write), Counter[str](), set()
    writer.start()
    while writer.is_alive():
        for path in listed(folder):
            if path.name.startswith(".") or not path.is_file():
                continue
            try:
                steps |= {path.stem} if sound(path) else set()
            except FileNotFoundError:  # superseded since it was listed
                continue
            seen[path.suffix] += 1
    writer.join()
    assert errors == []
    assert {".json", ".jsonl", ".safetensors"} <= set(seen)
    assert len(steps) > saves / 20
    assert Run(folder).status == "finished"


def listed(folder: Path) -> list[Path]:
    """Return what is in a folder, or nothing where a part of it goes while it is listed."""
    try:
        return list(folder.rglob("*"))
    except FileNotFoundError:
        return []


def sound(path: Path) -> bool:
    """Read a file, which fails if it is a part of one, and tell whether it is a checkpoint."""
    content = path.read_bytes()
    match path.suffix:
        case ".json":
            found = parse_json(content, path)
            return path.name.startswith("step-") and len(found["sha256"]) == 64
        case ".jsonl":
            assert content.endswith(b"\n") or not content
            assert all("epoch" in json.loads(line) for line in content.splitlines())
        case ".safetensors" if path.parent.name == "frames":
            assert safetensors.numpy.load(content)
        case ".safetensors":
            assert hashlib.sha256(content).hexdigest().startswith(path.stem.rpartition("-")[2])
        case ".png":
            Image.open(io.BytesIO(content)).load()
    return False
