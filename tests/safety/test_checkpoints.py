"""Resuming from checkpoints: the same to the last bit, from the last good one, by one process, and never silently."""

import errno
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from narrows import AE, PCA, VAE
from narrows.data.batches import Batches
from narrows.errors import DivergedError, FormatError, TrainingError
from narrows.estimators.neural import NeuralAutoencoder
from narrows.module import Batch
from narrows.storage import json as storage_json
from narrows.storage.record import lines_path, read_record, tensor_path
from narrows.training import Checkpoints, Report, checkpoints, fingerprint, loop
from narrows.training.state import State
from safety.clock import ends_within, within
from safety.disk import Disk, PowerCut

X = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
IMAGES = np.random.default_rng(0).integers(0, 256, (30, 1, 7, 6), dtype=np.uint8)
SEQUENCES = np.random.default_rng(0).normal(size=(30, 5, 3)).astype(np.float32)
SMALL: dict[str, Any] = {"latent_dim": 2, "network": "mlp:4", "epochs": 3, "batch_size": 16}

CASES: dict[str, tuple[Callable[[], NeuralAutoencoder], np.ndarray]] = {
    "ae, averaged, corrupted": (lambda: AE(**SMALL, averaging=0.9, corruption="gaussian:0.1"), X),
    "ae, bf16": (lambda: AE(**SMALL, precision="bf16"), X),
    "ae, two phases in bf16": (lambda: AE(**SMALL, precision="bf16", penalty="adversarial:1"), X),
    "conv, batch norm": (lambda: AE(**{**SMALL, "network": "conv:4,batch_norm=True"}), IMAGES),
    "recurrent, sgd": (
        lambda: AE(**{**SMALL, "network": "recurrent:4"}, optimizer="sgd", momentum=0.9, learning_rate=1e-4),
        SEQUENCES,
    ),
    "vae, rmsprop, clip": (lambda: VAE(**SMALL, optimizer="rmsprop", clip=1.0), X),
    "vae, adagrad, patience": (lambda: VAE(**SMALL, optimizer="adagrad", patience=1), X),
    "vae, adamax, warm-up": (lambda: VAE(**SMALL, optimizer="adamax", kl_warmup=0.5), X),
    "own modules with dropout": (
        lambda: AE(**{**SMALL, "network": (nn.Sequential(nn.Dropout(0.3), nn.Linear(6, 2)), nn.Linear(2, 6))}),
        X,
    ),
}


def timeless(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in epoch.items() if k not in ("seconds", "samples_per_second")} for epoch in history]


def assert_same(a: NeuralAutoencoder, b: NeuralAutoencoder) -> None:
    first, second = a.module_.state_dict(), b.module_.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert timeless(a.history_) == timeless(b.history_)


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report after every step."""
    monkeypatch.setattr(loop, "INTERVAL", -1.0)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("every_step")
def test_leaving_and_resuming(case: str, tmp_path: Path) -> None:
    make, data = CASES[case]
    torch.manual_seed(0)
    whole = make().fit(data, validation=0.2)
    stops = 0
    for stop in range(1, 100):
        torch.manual_seed(0)
        reports = make().fit_iter(data, validation=0.2, resume=tmp_path / str(stop))
        ended = True
        for number, _ in enumerate(reports, 1):
            if number == stop:
                reports.close()
                ended = False
        torch.manual_seed(stop)
        assert_same(make().fit(data, validation=0.2, resume=tmp_path / str(stop)), whole)
        if ended:
            break
        stops += 1
    assert stops >= 6


@pytest.mark.parametrize("option", [{"seconds": 0.0}, {"epochs": 1}])
def test_checkpoints_do_not_change_the_training(option: dict[str, Any], tmp_path: Path) -> None:
    saved = Checkpoints(tmp_path, **option)
    assert_same(AE(**SMALL).fit(X, validation=0.2, resume=saved), AE(**SMALL).fit(X, validation=0.2))


def test_the_last_two_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHARE", 1e9)
    AE(**SMALL).fit(X, resume=Checkpoints(tmp_path, seconds=0))
    assert [path.name for path in sorted(tmp_path.glob("*.json"))] == [
        "step-000000000011.json",
        "step-000000000012.json",
    ]
    assert len(list(tmp_path.iterdir())) == 7  # two records, their tensors and histories, and the lock


def test_a_step_in_epochs(tmp_path: Path) -> None:
    AE(**{**SMALL, "epochs": 5}).fit(X, resume=Checkpoints(tmp_path, epochs=2))
    assert [read_record(path)["state"]["epoch"] for path in sorted(tmp_path.glob("*.json"))] == [5, 6]


def test_a_slow_disk_is_written_to_less_often(tmp_path: Path) -> None:
    saved = Checkpoints(tmp_path, seconds=0)
    AE(**{**SMALL, "epochs": 20}).fit(X, resume=saved)
    assert saved._due > time.monotonic()


def test_what_is_fitted_in_one_step_begins_anew(tmp_path: Path) -> None:
    assert np.array_equal(PCA(latent_dim=2).fit(X, resume=tmp_path).components_, PCA(latent_dim=2).fit(X).components_)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder with two checkpoints."""
    folder = tmp_path / "two"
    AE(**SMALL).fit(X, validation=0.2, resume=Checkpoints(folder, epochs=1))
    assert len(list(folder.glob("*.json"))) == 2
    return folder


def last_of(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what training would resume from."""
    record = read_record(next(folder.glob("*.json")))
    saved = Checkpoints(folder)
    with saved.opened(record["identity"]):
        assert saved._last is not None
        return saved._last


def spoil(path: Path, rng: random.Random, how: str) -> None:
    data = bytearray(path.read_bytes())
    at = rng.randrange(len(data) - 2)  # the newline at the end could be cut, and nothing would be lost
    if how == "cut":
        del data[at:]
    else:
        data[at] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["cut", "flip"])
@pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.campaign)])
def test_a_spoiled_checkpoint_is_seen(how: str, count: int, two: Path, tmp_path: Path) -> None:
    rng = random.Random(0)
    paths = sorted(two.glob("*.json"))
    old, new = (read_record(path)["state"]["step"] for path in paths)
    files = [paths[1], tensor_path(paths[1], read_record(paths[1])), lines_path(paths[1], read_record(paths[1]))]
    harmless = 0
    for number in range(count):
        folder = tmp_path / "trial"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(two, folder)
        spoil(folder / files[number % 3].name, rng, how)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            record, _ = last_of(folder)
        if record["step"] == new:  # 1e-05 became 1E-05: the same number
            harmless += 1
            assert how == "flip"
        else:
            assert record["step"] == old
            assert "Resuming from the checkpoint before" in str(told[0].message)
    assert harmless <= count / 50


def test_no_sound_checkpoint_is_an_error(two: Path) -> None:
    for path in two.glob("*.json"):
        spoil(path, random.Random(0), "cut")
    for _ in range(2):  # and stays one
        with pytest.raises(FormatError, match="must hold a sound checkpoint; none of 2 is"):
            AE(**SMALL).fit(X, validation=0.2, resume=two)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with checkpoints after the first and the second of three epochs."""
    folder = tmp_path_factory.mktemp("begun")
    reports = AE(**SMALL).fit_iter(X, resume=Checkpoints(folder, epochs=1))
    next(reports)
    next(reports)
    reports.close()
    assert steps(folder) == [4, 8]
    return folder


def steps(folder: Path) -> list[int]:
    return [read_record(path)["state"]["step"] for path in sorted(folder.glob("*.json"))]


@pytest.fixture(scope="module")
def third(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> State:
    """The state after the third epoch."""

    class Kept(Checkpoints):
        def save(self, state: State) -> None:
            self.state = state

    folder = tmp_path_factory.mktemp("third") / "x"
    shutil.copytree(begun, folder)
    saved = Kept(folder)
    AE(**SMALL).fit(X, resume=saved)
    return saved.state


def save_third(begun: Path, third: State, folder: Path, disk: Disk) -> None:
    """Save the third epoch in a copy of the folder while the disk is watched."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(begun, folder)
    saved = Checkpoints(folder)
    with saved.opened(read_record(next(folder.glob("*.json")))["identity"]), disk.watched():
        saved.save(third)


@pytest.mark.slow
def test_a_power_cut_at_every_operation_of_a_save(begun: Path, third: State, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    disk = Disk(folder)
    save_third(begun, third, folder, disk)
    assert steps(folder) == [8, 12]
    seen = set()
    for number in range(1, len(disk.names) + 1):
        for done in (0, 0.5, 1):
            for renames_lost in (None, False, True):
                failing = Disk(folder, number, done=done)
                with pytest.raises(PowerCut):
                    save_third(begun, third, folder, failing)
                if renames_lost is not None:
                    failing.forget(renames_lost)
                record, _ = last_of(folder)
                assert record["step"] in (8, 12), (number, disk.names[number - 1], done, renames_lost)
                seen.add(record["step"])
    assert seen == {8, 12}
    model = AE(**SMALL).fit(X, resume=folder)
    assert_same(model, AE(**SMALL).fit(X))
    assert len(list(folder.iterdir())) == 7  # what the dead left is gone


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
def test_an_error_at_every_operation_of_a_save(code: int, begun: Path, third: State, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    disk = Disk(folder)
    save_third(begun, third, folder, disk)
    for number in range(1, len(disk.names) + 1):
        failing = Disk(folder, number, OSError(code, os.strerror(code)))
        with pytest.raises(OSError, match=os.strerror(code)):
            save_third(begun, third, folder, failing)
        assert steps(folder) in ([4, 8], [4, 8, 12], [8, 12])
        assert not list(folder.glob(".*"))
        for suffix in ("safetensors", "jsonl"):
            assert len(list(folder.glob(f"*.{suffix}"))) == len(steps(folder)) or disk.names[number - 1] == "unlink"
        last_of(folder)


CHANGES: dict[str, tuple[dict[str, Any], np.ndarray, str]] = {
    "data": ({}, X + 1, "data.x was"),
    "fewer data": ({}, X[:-1], "data.x was"),
    "a field": ({"learning_rate": 0.1}, X, "parameters.learning_rate was 0.002 and is 0.1"),
    "batch size": ({"batch_size": 15}, X, "parameters.batch_size was 16 and is 15"),
    "epochs": ({"epochs": 4}, X, "parameters.epochs was 3 and is 4"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_training_is_not_resumed(change: str, begun: Path, tmp_path: Path) -> None:
    fields, data, words = CHANGES[change]
    shutil.copytree(begun, tmp_path / "x")
    model = AE(**{**SMALL, **fields})
    with pytest.raises(TrainingError, match=f"must resume with what it began with; .*{words}"):
        model.fit(data, resume=tmp_path / "x")
    assert steps(tmp_path / "x") == [4, 8]
    with pytest.warns(UserWarning, match=f"Resuming though it changed: .*{words}"):
        model.fit(data, resume=Checkpoints(tmp_path / "x", force=True))
    assert len(model.history_) == model.epochs


def test_another_model_is_not_resumed(begun: Path, tmp_path: Path) -> None:
    shutil.copytree(begun, tmp_path / "x")
    with pytest.raises(TrainingError, match="model was 'AE' and is 'VAE'"):
        VAE(**SMALL).fit(X, resume=tmp_path / "x")
    with pytest.warns(UserWarning, match="changed"), pytest.raises(FormatError, match="does not fit"):
        AE(**{**SMALL, "network": "mlp:5"}).fit(X, resume=Checkpoints(tmp_path / "x", force=True))


def test_validation_data_belong_to_it(begun: Path, tmp_path: Path) -> None:
    shutil.copytree(begun, tmp_path / "x")
    with pytest.raises(TrainingError, match="validation was None"):
        AE(**SMALL).fit(X, validation=X, resume=tmp_path / "x")


def test_another_version_is_told(begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(begun, tmp_path / "x")
    monkeypatch.setattr(torch, "__version__", "9.9")
    with pytest.warns(UserWarning, match=r"Last digits may differ .*versions.torch was .* and is '9.9'"):
        AE(**SMALL).fit(X, resume=tmp_path / "x")


def test_fields_of_numpys_types(tmp_path: Path) -> None:
    for _ in range(2):
        AE(**{**SMALL, "latent_dim": np.int64(2), "adam_betas": (np.float64(0.9), 0.99)}).fit(X, resume=tmp_path)
    assert steps(tmp_path)[-1] == 12


def test_fingerprints() -> None:
    assert fingerprint(X) == fingerprint(X.copy(order="F"))
    assert fingerprint(X)["sha256"] != fingerprint(X[::-1])["sha256"]
    changed = X.copy()
    changed[-1, -1] += 1e-6
    assert fingerprint(X)["sha256"] != fingerprint(changed)["sha256"]


@pytest.mark.parametrize("fault", ["loss", "gradient"])
def test_what_is_not_finite_reaches_no_checkpoint(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = AE(**SMALL)
    reports = model.fit_iter(X, resume=Checkpoints(tmp_path, epochs=1))
    next(reports)
    next(reports)
    before = {name: t.clone() for name, t in model.module_.state_dict().items()}
    if fault == "loss":
        bad = Batch(torch.full((16, 6), torch.nan))
        monkeypatch.setattr(Batches, "take", lambda self, index, **_: bad)
    else:
        parameter = next(model.module_.parameters())
        parameter.register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(DivergedError, match="must be finite"):
        next(reports)
    assert all(torch.equal(before[name], t) for name, t in model.module_.state_dict().items())
    assert steps(tmp_path) == [4, 8]
    assert all(np.isfinite(array).all() for array in last_of(tmp_path)[1].values())


def test_weights_that_are_not_finite_reach_no_checkpoint(tmp_path: Path) -> None:
    model = AE(**SMALL)
    reports = model.fit_iter(X, resume=Checkpoints(tmp_path, epochs=1))
    next(reports)
    with torch.no_grad():
        next(model.module_.parameters()).fill_(torch.inf)
    reports.close()
    assert steps(tmp_path) == []


CHILD = """
import sys, time, numpy as np
from narrows import AE
from narrows.training import Checkpoints
rows = np.random.default_rng(0).normal(size=(400, 6)).astype("f")
model = AE(latent_dim=2, network="mlp:4", epochs=10**6, batch_size=16)
for report in model.fit_iter(rows, validation={validation}, resume=Checkpoints(sys.argv[1], seconds=1e9)):
    if report.epoch == 2 and report.end_of_epoch:
        print("training", flush=True)
    {reader}
"""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a training without end in another process, and wait until it is under way."""
    started: list[subprocess.Popen[str]] = []

    def start(validation: str = "None", reader: str = "pass") -> subprocess.Popen[str]:
        code = CHILD.format(validation=validation, reader=reader)
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "x")], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "training\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


STOPS = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit}


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize("moment", ["step", "evaluation", "reader"])
def test_a_signal_stops_within_a_step(
    number: signal.Signals, moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    take, evaluate = Batches.take, loop.evaluate

    def raising(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 2:
                signal.raise_signal(number)
            return real(*arguments, **options)

        return call

    if moment == "step":
        monkeypatch.setattr(Batches, "take", raising(take))
    if moment == "evaluation":
        monkeypatch.setattr(loop, "evaluate", raising(evaluate))
    model = AE(**SMALL)
    reports = model.fit_iter(X, validation=0.2, resume=Checkpoints(tmp_path))
    with pytest.raises(STOPS[number]):  # noqa: PT012
        for report in reports:
            if moment == "reader" and report.epoch == 2:
                signal.raise_signal(number)
    assert steps(tmp_path) == [{"step": 1, "evaluation": 6, "reader": 6}[moment]]
    monkeypatch.undo()
    assert_same(AE(**SMALL).fit(X, validation=0.2, resume=tmp_path), AE(**SMALL).fit(X, validation=0.2))


def test_a_signal_in_the_evaluation_after_a_smaller_last_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The means are over fewer samples than the rows that whole batches have."""
    evaluate = loop.evaluate
    calls: list[None] = []

    def raising(*arguments: Any, **options: Any) -> Any:
        calls.append(None)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return evaluate(*arguments, **options)

    monkeypatch.setattr(loop, "evaluate", raising)
    fields = {**SMALL, "batch_size": 11}
    with pytest.raises(KeyboardInterrupt):
        AE(**fields).fit(X, validation=0.2, resume=tmp_path)
    monkeypatch.undo()
    assert int(len(X) * 0.8) % 11
    assert_same(AE(**fields).fit(X, validation=0.2, resume=tmp_path), AE(**fields).fit(X, validation=0.2))


CAMPAIGN = pytest.mark.campaign


@pytest.mark.parametrize(("number", "moment"), [
    pytest.param(number, moment, marks=CAMPAIGN)
    for moment in ("training", "evaluation", "reader") for number in (signal.SIGTERM, signal.SIGINT)
])  # fmt: skip
def test_a_signal_ends_the_process(
    number: signal.Signals, moment: str, child: Callable[..., Any], tmp_path: Path
) -> None:
    process = {
        "training": lambda: child(),
        "evaluation": lambda: child(validation="np.zeros((10**5, 6), 'f')"),
        "reader": lambda: child(reader="time.sleep(0.2)"),
    }[moment]()
    time.sleep(0.3)
    process.send_signal(number)
    ends_within(process, 5)
    assert process.returncode == (-signal.SIGINT if number == signal.SIGINT else 128 + signal.SIGTERM)
    assert len(steps(tmp_path / "x")) == 1  # the only checkpoint is the one that the signal asked for


@CAMPAIGN
def test_two_trainings_in_one_folder(child: Callable[..., Any], tmp_path: Path) -> None:
    process = child()
    with within(2), pytest.raises(TrainingError, match=f"at a time; process {process.pid} on .* is at it"):
        AE(**SMALL).fit(X, resume=tmp_path / "x")
    process.kill()
    process.wait()
    AE(**SMALL).fit(X, resume=tmp_path / "x")  # a dead holder holds nothing
    assert steps(tmp_path / "x")[-1] == 12


def test_elsewhere_than_in_the_main_thread(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=lambda: AE(**SMALL).fit(X, resume=tmp_path))
    thread.start()
    thread.join()
    assert steps(tmp_path)[-1] == 12
    assert signal.getsignal(signal.SIGINT) is before


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def begun_training(folder: Path) -> Generator[Report, None, None]:
    reports = AE(**SMALL).fit_iter(X, resume=folder)
    next(reports)
    return reports


def test_handlers_are_put_back(tmp_path: Path) -> None:
    before = handlers()
    reports = begun_training(tmp_path)
    assert handlers() != before
    reports.close()
    assert handlers() == before


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_trainings_that_end_in_any_order(order: tuple[int, ...], tmp_path: Path) -> None:
    before = handlers()
    trainings = [begun_training(tmp_path / str(i)) for i in range(3)]
    for position, i in enumerate(order):
        trainings[i].close()
        assert (handlers() == before) == (position == 2)


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_stops_one_of_several_trainings(number: signal.Signals, tmp_path: Path) -> None:
    before = handlers()
    first, second = (begun_training(tmp_path / name) for name in ("first", "second"))
    signal.raise_signal(number)
    with pytest.raises(STOPS[number]):
        next(first)
    assert handlers() != before  # the second has its own chance to save
    assert list(second)
    assert handlers() == before
    assert_same(AE(**SMALL).fit(X, resume=tmp_path / "first"), AE(**SMALL).fit(X, resume=tmp_path / "second"))


def test_a_second_signal_acts_at_once(tmp_path: Path) -> None:
    reports = begun_training(tmp_path)
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):  # the first, which no step has heeded
        reports.close()


def test_a_handler_that_another_set_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = handlers()
    reports = begun_training(tmp_path)
    signal.signal(signal.SIGTERM, other := lambda number, frame: None)
    reports.close()
    after = handlers()
    signal.signal(signal.SIGTERM, before[1])
    assert after == [before[0], other]


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        reports = begun_training(tmp_path)
        signal.raise_signal(signal.SIGINT)
        assert list(reports)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_training_closed_by_another_thread(tmp_path: Path) -> None:
    """Which cannot set handlers: the one that is left does what the one before it would."""
    before = handlers()
    thread = threading.Thread(target=begun_training(tmp_path / "first").close)
    thread.start()
    thread.join()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert handlers() == before
    thread = threading.Thread(target=begun_training(tmp_path / "second").close)
    thread.start()
    thread.join()
    begun_training(tmp_path / "third").close()
    assert handlers() == before


def test_another_threads_training_heeds_no_signal(tmp_path: Path) -> None:
    mine = begun_training(tmp_path / "mine")
    signal.raise_signal(signal.SIGINT)
    thread = threading.Thread(target=lambda: AE(**SMALL).fit(X, resume=tmp_path / "theirs"))
    thread.start()
    thread.join()
    assert steps(tmp_path / "theirs")[-1] == 12
    with pytest.raises(KeyboardInterrupt):
        next(mine)


@pytest.mark.slow
def test_a_history_longer_than_one_json_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_json, "MAX_VALUES", 400)
    monkeypatch.setattr(storage_json, "MAX_BYTES", 20_000)
    model = AE(**{**SMALL, "epochs": 200}).fit(X, resume=tmp_path)
    assert timeless(AE(**{**SMALL, "epochs": 200}).fit(X, resume=tmp_path).history_) == timeless(model.history_)
