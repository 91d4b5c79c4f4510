"""Train one system in plain PyTorch with several seeds, and record what it reaches in results.json.

For example: python benchmarks/references/plain.py digits-sigmoid --seeds 3
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from systems import SYSTEMS, System
from torch import Tensor, nn

from narrows import load_dataset

RESULTS = Path(__file__).with_name("results.json")


def load(system: System) -> dict[str, Tensor]:
    """Part -> images (N, 784) in [0, 1]; the first part is the one that is trained on."""
    data = load_dataset(system.data)
    images, test = (torch.from_numpy(X).flatten(1).float() / 255 for X in (data.train, data.test))
    parts = {"train": images[: system.rows]}
    if system.validation:
        parts["validation"] = images[-system.validation :]
    return parts | {"test": test}


def train(system: System, x: Tensor, epochs: int) -> nn.Module:
    model = system.build().train()
    optimiser = system.optimiser(model.parameters(), lr=system.lr)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(system.batch):
            optimiser.zero_grad()
            system.loss(model, x[batch]).backward()
            optimiser.step()
    return model


@torch.no_grad()
def measure(system: System, model: nn.Module, x: Tensor) -> dict[str, float]:
    """Means over all images, summed in double precision."""
    model.eval()
    pieces = [system.measure(model, piece) for piece in x.split(1000)]
    return {name: torch.cat([piece[name] for piece in pieces]).double().mean().item() for name in pieces[0]}


def summary(seeds: list[dict[str, Any]], of: Any) -> dict[str, dict[str, float]]:
    parts = {part: list(measures) for part, measures in seeds[0]["measures"].items()}
    return {
        part: {name: of([seed["measures"][part][name] for seed in seeds]) for name in names}
        for part, names in parts.items()
    }


def record(name: str, result: dict[str, Any]) -> None:
    """Merge one system into the file; jobs that end at the same time wait for each other."""
    folder = os.open(RESULTS.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        new = RESULTS.with_suffix(".new")
        new.write_text(json.dumps(dict(sorted((results | {name: result}).items())), indent=1) + "\n")
        new.replace(RESULTS)
    finally:
        os.close(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--seeds", type=int, default=3, help="train with the seeds 0, 1, ... (default 3)")
    parser.add_argument("--epochs", type=int, help="a shorter trial: printed, not recorded")
    asked = parser.parse_args()
    if asked.seeds < 1:
        parser.error("--seeds must be 1 or more")
    system, seeds = SYSTEMS[asked.system], []
    parts = load(system)
    for seed in range(asked.seeds):
        torch.manual_seed(seed)
        start = time.perf_counter()
        model = train(system, parts["train"], asked.epochs or system.epochs)
        seconds = round(time.perf_counter() - start, 1)
        seeds.append(
            {"seed": seed, "seconds": seconds, "measures": {p: measure(system, model, parts[p]) for p in parts}}
        )
        print(json.dumps(seeds[-1]), flush=True)
        if not asked.epochs:
            result = {
                "command": f"python benchmarks/references/plain.py {asked.system} --seeds {asked.seeds}",
                "epochs": system.epochs,
                "batch": system.batch,
                "torch": torch.__version__,
                "threads": torch.get_num_threads(),
                "seconds": round(statistics.mean(s["seconds"] for s in seeds), 1),
                "mean": summary(seeds, statistics.mean),
                "seeds": seeds,
            }
            if len(seeds) > 1:  # divided by n - 1
                result["deviation"] = summary(seeds, statistics.stdev)
            record(asked.system, result)


if __name__ == "__main__":
    main()
