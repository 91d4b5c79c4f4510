"""Deliberately broken variants of the package: the tests of safety catch every one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import narrows

SOURCE = Path(narrows.__file__).parent
TESTS = Path(__file__).parent.parent


class Variant(NamedTuple):
    file: str
    old: str
    """Stands there once."""
    new: str
    test: str
    """Which catches it, below tests/safety."""


RESUMING = "test_checkpoints.py::test_leaving_and_resuming"
POWER_CUT = "test_atomic_saves.py::test_a_power_cut_at_every_operation"
IMAGES = "../data/test_data_images.py"
SPOILED = "test_checkpoints.py::test_a_spoiled_checkpoint_is_seen"

VARIANTS = {
    "noise starts again": Variant(
        "training/state.py", 'self.noise.set_state(groups["random"]["noise"])', "pass", RESUMING),
    "dropout starts again": Variant(
        "training/state.py", 'torch.set_rng_state(groups["random"]["torch"])', "pass", RESUMING),
    "position within the epoch lost": Variant(
        "training/state.py", 'record["row"], record["step"]', '0, record["step"]', RESUMING),
    "optimiser starts again": Variant("training/state.py", '{"state": moments,', '{"state": {},', RESUMING),
    "averaged weights lost": Variant(
        "training/state.py", 'self.average.load_state_dict(groups["average"])', "pass", RESUMING),
    "best weights lost": Variant(
        "training/state.py", 'best["epoch"], weights)', 'best["epoch"])', RESUMING),
    "running means lost": Variant(
        "training/state.py", "None if sums is None else sums.to(device), means", "None, means", RESUMING),
    "the order is drawn anew": Variant(
        "training/loop.py", "size, settings.seed, at.epoch)", "size, int(started * 1e6), at.epoch)", RESUMING),
    "files not flushed": Variant("storage/atomic.py", "os.fsync(file)  # the rename", "pass  # the rename", POWER_CUT),
    "folders not flushed": Variant("storage/atomic.py", "    _sync_folder(path.parent)\n", "    pass\n", POWER_CUT),
    "written in place": Variant(
        "storage/atomic.py", 'temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")', "temporary = path",
        POWER_CUT),
    "old tensors removed first": Variant(
        "storage/record.py", "    existing = {",
        "    for file in old:\n        file.unlink(missing_ok=True)\n    existing = {", POWER_CUT),
    "litter of a failed save": Variant(
        "storage/atomic.py", "        temporary.unlink(missing_ok=True)\n", "",
        "test_atomic_saves.py::test_an_error_at_every_operation"),
    "tensors' checksum not read": Variant("storage/tensors.py", "if sha256 is not None and", "if False and", SPOILED),
    "history's checksum not read": Variant("storage/lines.py", "if sha256 is not None and", "if False and", SPOILED),
    "record's checksum not read": Variant(
        "storage/record.py", "if checksum != _checksum(record):", "if False:", SPOILED),
    "silent restart": Variant(
        "training/checkpoints.py", "        if problems:\n", "        if False:\n",
        "test_checkpoints.py::test_no_sound_checkpoint_is_an_error"),
    "lock ignored": Variant(
        "storage/lock.py", "            _take(file)\n", "            pass\n",
        "test_resumed_runs.py::test_two_processes_and_one_run"),
    "changed data accepted": Variant(
        "training/checkpoints.py", "            if not self.force:\n", "            if False:\n",
        "test_checkpoints.py::test_another_training_is_not_resumed"),
    "finite numbers asked for after the step": Variant(
        "training/loop.py", "                if looks or ", "                opt.step()\n                if looks or ",
        "test_checkpoints.py::test_what_is_not_finite_reaches_no_checkpoint"),
    "weights saved that are not finite": Variant(
        "training/checkpoints.py", "        if not state.finite():\n", "        if False:\n",
        "test_checkpoints.py::test_weights_that_are_not_finite_reach_no_checkpoint"),
    "pickle accepted": Variant(
        "storage/tensors.py", "        pickled = start",
        "        import pickle; file.seek(0); pickle.load(file)\n        pickled = start",
        "test_hostile_models.py::test_a_pickle_under_any_name"),
    "keys twice accepted": Variant(
        "storage/json.py", 'raise ValueError("a key is there twice")', "pass", "test_hostile_models.py"),
    "sizes not compared": Variant(
        "storage/tensors.py", "        if expected is not None:\n", "        if False:\n", "test_hostile_models.py"),
    "drives accepted": Variant(
        "data/readers/checks.py", "if path.anchor or", "if path.root or",
        f"{IMAGES}::test_a_zip_with_names_that_lead_out_is_refused"),
    "malformed files not counted": Variant(
        "data/splits.py", "self.select(np.arange(min(count, len(self.names))))",
        "self.select(np.arange(self.rows[min(count, len(self.rows)) - 1] + 1))",
        f"{IMAGES}::test_a_malformed_file_counts_in_the_limit"),
    "malformed files divided apart": Variant(
        "data/readers/images.py", "    files = SourceFiles(tuple(names), codes, numbers)\n",
        "    files = SourceFiles(tuple(np.array(names)[numbers]), labels, np.arange(len(numbers)))\n",
        f"{IMAGES}::test_a_malformed_file_changes_neither_order_nor_part_of_the_others"),
    "large images decoded": Variant(
        "data/readers/decoding.py", " > _MAX_BYTES:", " < 0:",
        f"{IMAGES}::test_large_images_of_greedy_formats_are_refused_before_they_are_decoded"),
    "signals not heeded": Variant(
        "training/signals.py", "        _pending = number\n", "        pass\n",
        "test_checkpoints.py::test_a_signal_stops_within_a_step"),
    "handlers put back in the order of ends": Variant(
        "training/signals.py", "            if _trainings:\n                _install()",
        "            if False:\n                pass",
        "test_checkpoints.py::test_trainings_that_end_in_any_order"),
}  # fmt: skip


def broken(variant: Variant, folder: Path) -> None:
    """Copy the package, and break it."""
    shutil.copytree(SOURCE, folder / "narrows", ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "narrows" / variant.file
    text = path.read_text()
    path.write_text(text.replace(variant.old, variant.new))


@pytest.mark.parametrize("name", VARIANTS)
def test_the_variants_can_be_made(name: str) -> None:
    variant = VARIANTS[name]
    assert (SOURCE / variant.file).read_text().count(variant.old) == 1
    assert (TESTS / "safety" / variant.test.partition("::")[0]).exists()


def tried(folder: Path, test: str) -> subprocess.CompletedProcess[str]:
    """Run a test against the package in a folder."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not campaign", "-n", "0"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, str(TESTS / "safety" / test)], capture_output=True, text=True, cwd=TESTS.parent, env=environment,
        timeout=300,
    )  # fmt: skip


@pytest.mark.campaign
@pytest.mark.parametrize("name", VARIANTS)
def test_a_broken_variant_is_caught(name: str, tmp_path: Path) -> None:
    broken(VARIANTS[name], tmp_path)
    done = tried(tmp_path, VARIANTS[name].test)
    assert done.returncode == 1, done.stdout[-3000:]  # 1: tests were run, and failed
    assert "FAILED" in done.stdout


@pytest.mark.campaign
def test_an_unbroken_copy_is_not_caught(tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "narrows", ignore=shutil.ignore_patterns("__pycache__"))
    done = tried(tmp_path, "")
    assert done.returncode == 0, done.stdout[-3000:]
