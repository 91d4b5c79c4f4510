"""Trainings that are killed at random moments and resumed, against the same ones left alone.

    python kills.py SEED KILLS        of trainings
    python kills.py SEED KILLS run    of runs

Prints what was found as JSON. Every training is a fork of this process, in one thread: a kill then costs milliseconds,
and not the seconds that imports take.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from narrows import AE, VAE, load_dataset
from narrows.estimators.neural import NeuralAutoencoder
from narrows.runs import Run, record, resume
from narrows.storage.record import read_record, tensor_path
from narrows.storage.tensors import read_tensors
from narrows.training import Checkpoints, checkpoints

TIMES = ("seconds", "samples_per_second")
"""What a history holds of the clock; nothing else may differ."""


def data(kind: str) -> np.ndarray:
    """Return samples of a kind, the same each time."""
    rng = np.random.default_rng(0)
    if kind == "conv":
        return rng.integers(0, 256, (90, 1, 7, 6), dtype=np.uint8)
    shape = (240, 5, 3) if kind == "recurrent" else (400, 6)
    return rng.normal(size=shape).astype(np.float32)


def estimator(kind: str, precision: str) -> NeuralAutoencoder:
    """Return a small estimator that uses much of what there is to restore."""
    networks = {"conv": "conv:4,batch_norm=True", "recurrent": "recurrent:4"}
    small: dict[str, Any] = {
        "latent_dim": 2, "network": networks.get(kind, "mlp:4"), "batch_size": 16, "precision": precision
    }  # fmt: skip
    made: dict[str, Callable[[], NeuralAutoencoder]] = {
        "ae": lambda: AE(**small, epochs=8, corruption="gaussian:0.2", averaging=0.9),
        "vae": lambda: VAE(**small, epochs=8, optimizer="sgd", momentum=0.9, learning_rate=1e-4, kl_warmup=0.5),
        "conv": lambda: AE(**small, epochs=6, patience=3, clip=1.0),
        "adversarial": lambda: AE(**small, epochs=6, penalty="adversarial:1"),
        "recurrent": lambda: AE(**small, epochs=5, optimizer="adamw", weight_decay=0.1),
    }
    return made[kind]()


KINDS = [
    (kind, precision) for kind in ("ae", "vae", "conv", "recurrent", "adversarial") for precision in ("fp32", "bf16")
]
RUN = ("run", "fp32")


def train_run(folder: Path) -> None:
    """Train as the command line does, into a run folder with its pictures and its summary."""
    run = folder / "run"
    if (run / "run.json").exists():
        if Run(run).status != "finished":
            list(resume(run))
    else:
        shutil.rmtree(run, ignore_errors=True)  # killed before there was a run
        options: dict[str, Any] = {"validation": 0.2}
        model = VAE(latent_dim=2, network="mlp:4", epochs=40, batch_size=50)
        data_ = load_dataset("cloud", **options)
        list(record(model, data_, run, checkpoint_every="0.01s"))
    (folder / "done").touch()


def train(kind: str, precision: str, folder: Path) -> None:
    """Train, from where the last checkpoint was; lines of metrics.jsonl as a run writes them."""
    if (kind, precision) == RUN:
        train_run(folder)
        return
    model = estimator(kind, precision)
    saved = Checkpoints(folder / "checkpoints")
    metrics = folder / "metrics.jsonl"
    begun = False
    for report in model.fit_iter(data(kind), validation=0.2, resume=saved):
        if not begun:
            metrics.write_text("".join(line(epoch) for epoch in saved.history))
            begun = True
        if report.end_of_epoch:
            with metrics.open("a") as file:
                file.write(line(report.record()))
    model.save(folder / "model")
    (folder / "done").touch()


def line(record: dict[str, Any]) -> str:
    """Return an epoch as a line without its times."""
    return json.dumps({name: value for name, value in record.items() if name not in TIMES}) + "\n"


def forked(work: Callable[[], None]) -> int:
    """Do something in a process of its own, and return its number."""
    number = os.fork()
    if number:
        return number
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def whole(folder: Path) -> tuple[dict[str, bytes], str]:
    """Return the last checkpoint's tensors (weights, moments, averages, random states) and the model's, and metrics."""
    if (folder / "run").exists():
        run = Run(folder / "run")
        weights = {name: t.numpy().tobytes() for name, t in run.load().module_.state_dict().items()}
        assert not run.checkpoints_folder.exists() or run.status == "finished"
        return weights, "".join(line(epoch) for epoch in run.history) + json.dumps(run.summary)
    last = sorted((folder / "checkpoints").glob("step-*.json"))[-1]
    found = {}
    for path in (last, folder / "model" / "model.json"):
        arrays = read_tensors(tensor_path(path, read_record(path)))
        found.update({f"{path.name}/{name}": array.tobytes() for name, array in arrays.items()})
    return found, (folder / "metrics.jsonl").read_text()


def killed_and_resumed(kind: str, precision: str, folder: Path, rng: random.Random, longest: float) -> int:
    """Train with kills until it is done, and return how many there were."""
    kills = 0
    while not (folder / "done").exists():
        number = forked(lambda: train(kind, precision, folder))
        time.sleep(rng.uniform(0, longest))
        os.kill(number, signal.SIGKILL)  # not reaped yet: the number is still its own
        _, status = os.waitpid(number, 0)
        if os.WIFSIGNALED(status):
            kills += 1
        elif os.WEXITSTATUS(status):
            raise RuntimeError(f"{kind} {precision}: training failed after {kills} kills")
    return kills


def main(seed: int, kills: int, kinds: list[tuple[str, str]]) -> dict[str, Any]:
    """Return how many trainings there were, how many kills, and which did not end the same."""
    Checkpoints.__init__.__kwdefaults__ = {"seconds": 0.01, "epochs": None, "force": False}
    checkpoints.SHARE = 1.0  # saving may take all the time there is: kills then often come in the midst of it
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", ".*had no checkpoint yet")
    torch.set_num_threads(1)
    rng = random.Random(seed)
    wrong: list[str] = []
    done = trainings = most = 0
    with tempfile.TemporaryDirectory() as name:
        for kind, precision in {kinds[0], kinds[-1]}:
            train(
                kind, precision, Path(tempfile.mkdtemp(dir=name))
            )  # everything that is imported at first use is imported
        references: dict[tuple[str, str], tuple[dict[str, bytes], str, float]] = {}
        for number in range(10**6):
            kind, precision = kinds[number % len(kinds)]
            if (kind, precision) not in references:
                folder = Path(name) / f"{kind}-{precision}"
                folder.mkdir()
                started = time.perf_counter()
                _, status = os.waitpid(forked(lambda k=kind, p=precision, f=folder: train(k, p, f)), 0)  # type: ignore[misc]
                assert status == 0
                references[kind, precision] = (*whole(folder), time.perf_counter() - started)
            tensors, metrics, seconds = references[kind, precision]
            folder = Path(name) / str(number)
            folder.mkdir()
            count = killed_and_resumed(kind, precision, folder, rng, seconds * 0.7)
            found, lines = whole(folder)
            names = [name for name in tensors.keys() | found.keys() if tensors.get(name) != found.get(name)]
            if names or lines != metrics:
                wrong.append(
                    f"{number} {kind} {precision} after {count} kills: {sorted(names)[:5]}, {lines == metrics}"
                )
            done, trainings, most = done + count, trainings + 1, max(most, count)
            if done >= kills:
                break
    return {"kills": done, "trainings": trainings, "most_kills_of_one": most, "different": wrong}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), [RUN] if sys.argv[3:] else KINDS), indent=1))
