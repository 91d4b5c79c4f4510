"""Variants of the package that are broken on purpose, each by other functions in place of its own.

A test of safety must fail on each. pytest takes this file as a plugin, and the variant's name from the environment:

    NARROWS_VARIANT="lock ignored" python -m pytest -p campaigns.variants -n 0 tests/safety/test_resumed_runs.py
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from narrows.data import feeds
from narrows.data.readers import checks, decoding, images
from narrows.data.splits import SourceFiles
from narrows.errors import DivergedError, FormatError
from narrows.storage import atomic, json, lock, record, tensors
from narrows.training import guards, loop, signals
from narrows.training.checkpoints import Checkpoints
from narrows.training.state import State

Patch = pytest.MonkeyPatch


class Variant(NamedTuple):
    apply: Callable[[Patch], None]
    """Breaks the package that is imported here."""
    test: str
    """Which sees that, below tests/safety."""


VARIANTS: dict[str, Variant] = {}
RESUMED = "test_checkpoints.py::test_leaving_and_resuming"
POWER_CUT = "test_atomic_saves.py::test_a_power_cut_at_every_operation"
SPOILED = "test_checkpoints.py::test_a_spoiled_checkpoint_is_seen"
IMAGES = "../data/test_data_images.py"


def variant(name: str, test: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Add a variant to the list."""

    def add(apply: Callable[[Patch], None]) -> Callable[[Patch], None]:
        VARIANTS[name] = Variant(apply, test)
        return apply

    return add


def everywhere(patch: Patch, function: Callable[..., Any], broken: Callable[..., Any]) -> None:
    """Replace a function in all modules that hold it; those that are imported later take it from these."""
    for key, module in list(sys.modules.items()):
        if key.partition(".")[0] == "narrows" and vars(module).get(function.__name__) is function:
            patch.setattr(module, function.__name__, broken)


class System:
    """The module `os` with some functions changed."""

    def __init__(self, **changed: Callable[..., Any]) -> None:
        self.changed = changed

    def __getattr__(self, name: str) -> Any:
        return self.changed.get(name) or getattr(os, name)


# What a checkpoint restores

Restore = Callable[[State], Any]


def restoring(patch: Patch, before: Restore, after: Callable[[State, Any], object]) -> None:
    """Look at a state before it is restored, and change it afterwards."""
    real = State.restore

    def restore(self: State, *arguments: Any) -> None:
        kept = before(self)
        real(self, *arguments)
        after(self, kept)

    patch.setattr(State, "restore", restore)


@variant("noise starts again", RESUMED)
def _(patch: Patch) -> None:
    restoring(patch, lambda state: state.noise.get_state(), lambda state, kept: state.noise.set_state(kept))


@variant("dropout starts again", RESUMED)
def _(patch: Patch) -> None:
    restoring(patch, lambda state: state.layers.get_state(), lambda state, kept: state.layers.set_state(kept))


@variant("position within the epoch lost", RESUMED)
def _(patch: Patch) -> None:
    restoring(patch, lambda state: state.row, lambda state, kept: setattr(state, "row", kept))


@variant("optimiser starts again", RESUMED)
def _(patch: Patch) -> None:
    def after(state: State, kept: None) -> None:
        for optimizer in state.optimizers.values():
            optimizer.state.clear()

    restoring(patch, lambda state: None, after)


@variant("averaged weights lost", RESUMED)
def _(patch: Patch) -> None:
    def before(state: State) -> dict[str, torch.Tensor]:
        return {} if state.average is None else {k: t.clone() for k, t in state.average.state_dict().items()}

    def after(state: State, kept: dict[str, torch.Tensor]) -> None:
        if state.average is not None:
            state.average.load_state_dict(kept)

    restoring(patch, before, after)


@variant("best weights lost", RESUMED)
def _(patch: Patch) -> None:
    restoring(patch, lambda state: None, lambda state, kept: state.best.weights.clear())


@variant("running means lost", RESUMED)
def _(patch: Patch) -> None:
    restoring(patch, lambda state: None, lambda state, kept: state.means.sums.clear())


@variant("the order is drawn anew", RESUMED)
def _(patch: Patch) -> None:
    real = feeds.feed
    patch.setattr(loop, "feed", lambda data, size, seed, *at: real(data, size, time.time_ns() % 2**31, *at))


# Files


def unflushed(kind: Callable[[int], bool]) -> System:
    """Return a system that flushes all but a kind of files."""
    return System(fsync=lambda file: None if kind(os.fstat(file).st_mode) else os.fsync(file))


@variant("files not flushed", POWER_CUT)
def _(patch: Patch) -> None:
    patch.setattr(atomic, "os", unflushed(stat.S_ISREG))


@variant("folders not flushed", POWER_CUT)
def _(patch: Patch) -> None:
    patch.setattr(atomic, "os", unflushed(stat.S_ISDIR))


@variant("written in place", POWER_CUT)
def _(patch: Patch) -> None:
    def write_bytes(path: Path, data: bytes) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            os.write(file, data)
            os.fsync(file)
        finally:
            os.close(file)

    everywhere(patch, atomic.write_bytes, write_bytes)


@variant("old tensors removed first", POWER_CUT)
def _(patch: Patch) -> None:
    real = record.write_record

    def write_record(path: Path, *arguments: Any) -> None:
        for old in path.parent.glob(f"{path.stem}-*.safetensors"):
            old.unlink()
        real(path, *arguments)

    everywhere(patch, real, write_record)


@variant("litter of a failed save", "test_atomic_saves.py::test_an_error_at_every_operation")
def _(patch: Patch) -> None:
    real = atomic.write_bytes

    def write_bytes(path: Path, data: bytes) -> None:
        try:
            real(path, data)
        except BaseException:
            path.with_name(f".{path.name}.tmp").touch()
            raise

    everywhere(patch, real, write_bytes)


def reading(patch: Patch, change: Callable[[Path, dict[str, Any]], None]) -> None:
    """Change what is asked of a file of tensors before it is read."""
    real = tensors.read_tensors

    def read_tensors(path: Path, expected: Any = None, sha256: str | None = None) -> dict[str, np.ndarray]:
        asked: dict[str, Any] = {"expected": expected, "sha256": sha256}
        change(path, asked)
        return real(path, **asked)

    everywhere(patch, real, read_tensors)


@variant("tensors' checksum not read", SPOILED)
def _(patch: Patch) -> None:
    reading(patch, lambda path, asked: asked.update(sha256=None))


@variant("sizes not compared", "test_hostile_models.py::test_tensors_of_another_model")
def _(patch: Patch) -> None:
    reading(patch, lambda path, asked: asked.update(expected=None))


@variant("pickle accepted", "test_hostile_models.py::test_a_pickle_under_any_name")
def _(patch: Patch) -> None:
    def unpickle(path: Path, asked: dict[str, Any]) -> None:
        with contextlib.suppress(Exception):
            pickle.loads(path.read_bytes())

    reading(patch, unpickle)


@variant("record's checksum not read", SPOILED)
def _(patch: Patch) -> None:
    patch.setattr(record, "_checksum", lambda record: "0" * 64)


@variant("keys twice accepted", "test_hostile_models.py::test_json_that_is_not_sound")
def _(patch: Patch) -> None:
    patch.setattr(json, "_unique", dict)


@variant("lock ignored", "test_resumed_runs.py::test_two_processes_and_one_run")
def _(patch: Patch) -> None:
    patch.setattr(lock, "_take", lambda file: None)


# Training


@variant("silent restart", "test_checkpoints.py::test_no_sound_checkpoint_is_an_error")
def _(patch: Patch) -> None:
    real = Checkpoints._newest

    def newest(self: Checkpoints) -> Any:
        try:
            return real(self)
        except FormatError:
            return None

    patch.setattr(Checkpoints, "_newest", newest)


@variant("changed data accepted", "test_checkpoints.py::test_another_training_is_not_resumed")
def _(patch: Patch) -> None:
    patch.setattr(Checkpoints, "_compare", lambda self, before: None)


@variant("finite numbers checked too late", "test_checkpoints.py::test_what_is_not_finite_reaches_no_checkpoint")
def _(patch: Patch) -> None:
    real = guards.check_step

    def check_step(*arguments: Any) -> None:
        try:
            real(*arguments)
        except DivergedError:
            (state,) = (argument for argument in arguments if isinstance(argument, State))
            for optimizer in state.optimizers.values():
                optimizer.step()
            raise

    everywhere(patch, real, check_step)


@variant(
    "weights saved that are not finite", "test_checkpoints.py::test_weights_that_are_not_finite_reach_no_checkpoint"
)
def _(patch: Patch) -> None:
    patch.setattr(State, "finite", lambda self: True)


@variant("signals not heeded", "test_checkpoints.py::test_a_signal_stops_within_a_step")
def _(patch: Patch) -> None:
    patch.setattr(signals, "_handle", lambda number, frame: None)


# Data


@variant("drives accepted", f"{IMAGES}::test_a_zip_with_names_that_lead_out_is_refused")
def _(patch: Patch) -> None:
    real = checks.check_member_name
    everywhere(patch, real, lambda name, what: real(name[2:] if name[1:2] == ":" else name, what))


@variant("malformed files not counted", f"{IMAGES}::test_a_malformed_file_counts_in_the_limit")
def _(patch: Patch) -> None:
    def head(self: SourceFiles, count: int | None) -> SourceFiles:
        return self if count is None else self.select(np.arange(self.rows[min(count, len(self.rows)) - 1] + 1))

    patch.setattr(SourceFiles, "head", head)


@variant(
    "malformed files divided apart", f"{IMAGES}::test_a_malformed_file_changes_neither_order_nor_part_of_the_others"
)
def _(patch: Patch) -> None:
    def sound(names: tuple[str, ...], strata: np.ndarray | None, rows: np.ndarray) -> SourceFiles:
        kept = None if strata is None else strata[rows]
        return SourceFiles(tuple(names[row] for row in rows), kept, np.arange(len(rows)))

    patch.setattr(images, "SourceFiles", sound)


@variant("large images decoded", f"{IMAGES}::test_large_images_of_greedy_formats_are_refused_before_they_are_decoded")
def _(patch: Patch) -> None:
    patch.setattr(decoding, "_MAX_BYTES", math.inf)


if name := os.environ.get("NARROWS_VARIANT"):
    VARIANTS[name].apply(pytest.MonkeyPatch())
