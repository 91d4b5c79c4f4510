"""Run folders from anywhere, in any state: what they say is shown and not obeyed, and who holds one is known."""

import contextlib
import errno
import fcntl
import json
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from narrows import AE, VAE, load_dataset
from narrows.cli.app import main
from narrows.cli.console import out
from narrows.cli.runs import runs as listed
from narrows.cli.show import show
from narrows.data import Dataset
from narrows.errors import ConfigError, FormatError, TrainingError
from narrows.runs import Run, record, resume
from narrows.storage import process
from narrows.storage.lock import PROCESS, is_held, lock_of, locked
from narrows.storage.process import is_alive, this_process
from narrows.storage.record import read_record, write_record
from narrows.storage.tensors import read_tensors

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_dataset("cloud", samples=40, validation=0.2)


@pytest.fixture(scope="module")
def good(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good") / "good"
    list(record(VAE(latent_dim=1, network="mlp:4", epochs=2), data, folder))
    return folder


@pytest.fixture(scope="module")
def first(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was left after its first epoch."""
    folder = tmp_path_factory.mktemp("left") / "left"
    reports = record(AE(latent_dim=1, network="mlp:4", epochs=4, batch_size=8), data, folder, pictures=False)
    next(reports)
    reports.close()
    return folder


@pytest.fixture
def left(first: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(first, tmp_path / "left")


# What run.json says ---------------------------------------------------------------------------------------------------

NASTY: tuple[Any, ...] = (
    "[/x]", "\x1b]0;owned\x07", "\x1b[31m", "\u202e", None, 10**19, -(10**19), 1e308, -1e308, 0, [], {}, [None],
    {"a": None}, {"model": None}, {"a": {"b": [1] * 5}}, [{"at": "x", "step": -(10**19)}], "x" * 3000,
)  # fmt: skip
PLACES = (
    "status", "model", "started", "epoch", "seconds", "error", "resumed", "parameters", "parameters.network",
    "versions", "versions.torch", "data", "data.name", "data.source", "data.splits", "data.splits.train",
    "data.sample_shape", "data.place", "summary.split", "summary.samples", "summary.elbo", "summary.squared_error",
    "summary", "summary.squared_error.model", "summary.squared_error.pca", "summary.squared_error.mean",
    "summary.parameters", "analyses", "logged", "process", "extra",
)  # fmt: skip


CASES: tuple[tuple[str, Any], ...] = (
    ("started", "[/x]"), ("started", "\x1b]0;owned\x07"), ("summary.split", "[/x]"), ("model", "[/x]"),
    ("summary.split", "\x1b[31m"), ("resumed", [{"at": "x", "step": -(10**19)}]), ("epoch", 10**19),
    ("seconds", 1e308), ("status", "[/x]\x1b[31m"), ("data.splits", {"train": -5}), ("data.sample_shape", []),
    ("summary.squared_error", {}), ("summary.squared_error", {"model": None}), ("summary.squared_error.pca", None),
    ("summary.squared_error.mean", None), ("summary.elbo", "x"), ("parameters.network", {"a": {"b": [1] * 5}}),
    ("parameters", []), ("fields", {"a": {"b": [1] * 5}}), ("status", None), ("data", "cloud"), ("error", "\u202e"),
)  # fmt: skip


@pytest.fixture
def evil(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Any], None]:
    """Return a function that writes the record of a run, changed in one place, beside that of a good one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("good", "evil"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        shutil.copy(good / "run.json", tmp_path / "runs" / name)
    before = (good / "run.json").read_text()

    def write(place: str, value: Any) -> None:
        changed = json.loads(before)
        _set(changed, place, value)
        (tmp_path / "runs/evil/run.json").write_text(json.dumps(changed))

    return write


def _check(run: Callable[..., Any], capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what a command printed, which holds nothing that a terminal obeys; it ends well or by a named error."""
    with contextlib.suppress(FormatError):
        assert run(*arguments) in (None, 0, 2)
    printed = capsys.readouterr()
    assert not {"\x1b", "\x07", "\u202e"} & set(printed.out + printed.err)
    return printed.out


@pytest.mark.parametrize(("place", "value"), CASES)
def test_a_run_of_somebody_else_is_listed_and_shown_or_named(
    place: str, value: Any, evil: Callable[[str, Any], None], capsys: pytest.CaptureFixture[str]
) -> None:
    evil(place, value)
    assert " good " in _check(listed, capsys)
    _check(show, capsys, "evil")


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_any_record_is_listed_and_shown_or_named(
    place: str, evil: Callable[[str, Any], None], capsys: pytest.CaptureFixture[str]
) -> None:
    for value in NASTY:
        evil(place, value)
        shown = _check(main, capsys, ["runs"])  # type: ignore[arg-type]
        assert " good " in shown
        assert (main(["show", "evil"]) == 0) == (" evil " in shown)
        capsys.readouterr()


def test_what_is_printed_is_no_markup_and_no_escape(capsys: pytest.CaptureFixture[str]) -> None:
    out().print("[red]a[/] \x1b[31mb")
    assert capsys.readouterr().out == "[red]a[/] \\x1b[31mb\n"


# Who is at it ---------------------------------------------------------------------------------------------------------


def test_a_process_with_the_number_of_a_dead_one_is_another(left: Path) -> None:
    own = this_process()
    assert is_alive(own) is True
    assert is_alive({**own, "began": "before"}) is (None if own["began"] is None else False)
    assert is_alive({**own, "host": "elsewhere"}) is None
    assert is_alive({**own, "pid": 2**22 + 5}) is False
    assert is_alive({**own, "pid": -1}) is False
    content = json.loads((left / "run.json").read_text())
    for content["process"] in (own, {**own, "began": "before"}):  # which lives, and holds no lock
        (left / "run.json").write_text(json.dumps({**content, "status": "running"}))
        assert Run(left).status == "interrupted"
    with locked(lock_of(left)):
        assert Run(left).status == "running"


def test_where_locks_cannot_be_asked_the_process_tells(left: Path) -> None:
    content = json.loads((left / "run.json").read_text())
    lock_of(left).unlink()
    for began, status in ((this_process()["began"], "running"), ("before", "interrupted")):
        running = {"status": "running", "process": {**this_process(), "began": began}}
        (left / "run.json").write_text(json.dumps({**content, **running}))
        assert Run(left).status == status


def test_a_finished_run_says_nothing_of_its_process(good: Path) -> None:
    assert "process" not in Run(good).record
    assert platform.node() not in (good / "run.json").read_text() or len(platform.node()) < 6


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks."""

    def flock(file: int, what: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_one_process_holds_a_folder_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    assert is_held(path) is None
    with locked(path):
        assert is_held(path) is True
        with pytest.raises(TrainingError, match=f"process {os.getpid()} on"), locked(path):
            pass
        assert is_held(path) is True
    assert [file.name for file in tmp_path.iterdir()] == ["run.lock"]
    with locked(path):
        pass


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize("pid", [2**22 + 5, "living again"])
def test_without_locks_a_dead_process_holds_nothing(pid: Any, tmp_path: Path) -> None:
    claim = tmp_path / "run.process"
    claim.mkdir()
    dead = {**this_process(), "began": "before"} if pid == "living again" else {**this_process(), "pid": pid}
    (claim / PROCESS).write_text(json.dumps(dead))
    (tmp_path / "run.lock").touch()
    assert is_held(tmp_path / "run.lock") is False
    with locked(tmp_path / "run.lock"):
        assert json.loads((claim / PROCESS).read_text()) == this_process()
    assert [file.name for file in tmp_path.iterdir()] == ["run.lock"]


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize("content", [json.dumps({**this_process(), "host": "elsewhere"}), "{", "[]"])
def test_without_locks_who_cannot_be_asked_counts_as_living(content: str, tmp_path: Path) -> None:
    (tmp_path / "run.process").mkdir()
    (tmp_path / "run.process" / PROCESS).write_text(content)
    with pytest.raises(TrainingError, match="one process at a time"), locked(tmp_path / "run.lock"):
        pass
    assert (tmp_path / "run.process" / PROCESS).read_text() == content


@pytest.mark.usefixtures("no_locks")
@pytest.mark.slow
def test_without_locks_runs_are_recorded_and_resumed(data: Dataset, tmp_path: Path) -> None:
    reports = record(AE(latent_dim=1, network="mlp:4", epochs=3), data, tmp_path / "run")
    next(reports)
    assert Run(tmp_path / "run").status == "running"
    with pytest.raises(TrainingError, match="one process at a time"):
        next(resume(tmp_path / "run"))
    reports.close()
    assert Run(tmp_path / "run").status == "interrupted"
    list(resume(tmp_path / "run"))
    assert Run(tmp_path / "run").status == "finished"


def test_where_the_system_tells_no_beginning_the_number_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_began", lambda pid: None)
    assert is_alive({**this_process(), "began": "before"}) is True
    assert is_alive({**this_process(), "pid": 2**22 + 5}) is False


# Where it lies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["link", "link/run", "file/run", "file"])
def test_names_in_whose_place_nothing_can_be_made_are_named(name: str, data: Dataset, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="Run: folder must be"):
        next(record(AE(latent_dim=1, epochs=1), data, tmp_path / name))
    assert (tmp_path / "file").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"link", "file"}


def test_a_name_that_is_a_dangling_link_is_refused_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/x").symlink_to("nowhere")
    assert main(["train", "ae", "--data", "cloud", "--name", "x"]) == 2
    assert "got 'runs/x', which is a link to nothing. Choose another name." in capsys.readouterr().err


# What was left --------------------------------------------------------------------------------------------------------


def test_what_a_kill_in_a_save_left_is_removed_when_the_run_ends(left: Path) -> None:
    stem = "model-0123456789abcdef"
    litter = [left / "model" / name for name in (f".{stem}.safetensors.1.tmp", f"{stem}.safetensors", f"{stem}.jsonl")]
    for path in litter:
        path.touch()
    (left / "model/notes.txt").touch()
    list(resume(left))
    names = sorted(path.name.rpartition(".")[2] for path in (left / "model").iterdir())
    assert names == ["json", "jsonl", "safetensors", "txt"]


@pytest.mark.parametrize("full", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_a_picture_that_a_full_disk_did_not_take_is_drawn_on_resume(
    full: int, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = Run.draw

    def failing(self: Run, name: str, *arguments: Any) -> Path:
        if name == f"samples/epoch_{full:04d}.png":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return draw(self, name, *arguments)

    model = AE(latent_dim=1, network="mlp:4", epochs=4, batch_size=8)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "draw", failing)
        with pytest.raises(OSError, match="No space left"):
            list(record(model, data, tmp_path / "full"))
    assert not Run(tmp_path / "full").sample_of(full).exists()
    list(resume(tmp_path / "full"))
    assert [path.name for path in Run(tmp_path / "full").samples] == [f"epoch_{n:04d}.png" for n in (1, 2, 4)]


# Checkpoints whose numbers no training has ----------------------------------------------------------------------------


def _set(record: dict[str, Any], way: str, value: Any) -> None:
    *outer, last = way.split(".")
    for key in outer:
        record = record[key]
    record[last] = value


@pytest.mark.parametrize(
    ("way", "value"),
    [
        ("epoch", 0), ("epoch", -3), ("epoch", 10**18), ("epoch", "2"), ("epoch", 3), ("row", -8), ("row", 10**15),
        ("row", 3), ("step", -1), ("step", 10**18), ("step", None), ("seconds", -1.0), ("seconds", 1e300),
        ("means.count", -5), ("means.count", 7), ("means.n_terms", -1), ("means.n_terms", 99), ("means", []),
        ("means.groups", [None]), ("means.groups", ["nothing"]), ("best.epoch", 10**9), ("best.epoch", -1),
        ("best", None), ("first_loss", "x"), ("spiked", 3),
    ],
)  # fmt: skip
def test_numbers_that_no_training_has_are_refused_however_they_are_signed(way: str, value: Any, left: Path) -> None:
    def change(record: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        _set(record["state"], way, value)

    _resigned(left, change)
    with pytest.raises(FormatError, match="checkpoint"):
        next(resume(left))
    assert Run(left).status == "interrupted"


@pytest.mark.parametrize(
    ("name", "value"),
    [("module/", np.nan), ("optimizer/main/0/step", 0.0), ("exp_avg_sq", -1.0), ("random/noise", 7), ("best/", np.inf)],
)
def test_tensors_that_no_training_has_are_refused(name: str, value: float, left: Path) -> None:
    def change(record: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        chosen = next(key for key in tensors if name in key)
        tensors[chosen] = np.full_like(tensors[chosen], value)

    _resigned(left, change)
    with pytest.raises(FormatError, match="checkpoint"):
        next(resume(left))


def _resigned(run: Path, change: Any) -> None:
    """Change the checkpoints of a run, and sign them anew."""
    for path in (run / "checkpoints").glob("step-*.json"):
        content = read_record(path)
        stem = path.with_name(f"{path.stem}-{content['tensors'][:16]}.safetensors")
        lines = stem.with_name(f"{path.stem}-{content['lines'][:16]}.jsonl").read_text().splitlines()
        history = [json.loads(line) for line in lines]
        tensors = read_tensors(stem)
        change(content, tensors)
        write_record(path, content, tensors, history)
