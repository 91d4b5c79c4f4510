"""All that training goes on from, as plain values and tensors: what a checkpoint holds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from narrows.training.arrays import as_array

__all__ = ["Best", "Means", "State"]


@dataclass
class Means:
    """Running sums of per-sample values; they stay tensors until they are read."""

    names: tuple[str, ...] = ()
    n_terms: int = 0
    """The first of them are the objective's terms, the others metrics."""
    sums: Tensor | None = None
    count: int = 0

    def add(self, names: tuple[str, ...], n_terms: int, sums: Tensor, count: int) -> None:
        """Add the sums (len(names),) over `count` samples."""
        self.names, self.n_terms = names, n_terms
        self.sums = sums if self.sums is None else self.sums + sums
        self.count += count

    def read(self) -> dict[str, float]:
        """Return the means per sample, "loss" first: the sum of the terms."""
        if self.sums is None:
            return {}
        means = (self.sums / self.count).tolist()
        return {"loss": math.fsum(means[: self.n_terms]), **dict(zip(self.names, means, strict=True))}


@dataclass
class Best:
    """The weights of the epoch with the lowest validation loss."""

    loss: float = math.inf
    epoch: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)


@dataclass
class State:
    """Where training stands after a step."""

    module: nn.Module
    optimizer: Optimizer
    average: nn.Module | None
    noise: torch.Generator
    epoch: int = 1
    """At work, from 1; one more than there are when training is over."""
    row: int = 0
    """Samples of this epoch's order that are done."""
    step: int = 0
    """Steps taken in all."""
    seconds: float = 0.0
    """Time taken in all."""
    first_loss: float | None = None
    """Of the first step: what a spike is measured by."""
    spiked: bool = False
    """Whether one was told of; once is enough."""
    means: Means = field(default_factory=Means)
    best: Best = field(default_factory=Best)
    history: list[dict[str, Any]] = field(default_factory=list)
    """One record per epoch that ended."""

    def finite(self) -> bool:
        """Tell whether all weights are finite numbers."""
        return all(bool(torch.isfinite(p).all()) for p in self.module.parameters())

    def record(self) -> dict[str, Any]:
        """Return the plain values."""
        return {
            "epoch": self.epoch,
            "row": self.row,
            "step": self.step,
            "seconds": self.seconds,
            "first_loss": self.first_loss,
            "spiked": self.spiked,
            "means": {"names": self.means.names, "n_terms": self.means.n_terms, "count": self.means.count},
            "best": {"loss": self.best.loss, "epoch": self.best.epoch},
            "history": self.history,
        }

    def tensors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the tensors by name: weights, optimiser, averages, best weights, running sums, random states."""
        found: dict[str, Tensor] = {f"module/{name}": t for name, t in self.module.state_dict().items()}
        for index, values in self.optimizer.state_dict()["state"].items():
            found |= {f"optimizer/{index}/{key}": t for key, t in values.items() if t is not None}
        if self.average is not None:
            found |= {f"average/{name}": t for name, t in self.average.state_dict().items()}
        found |= {f"best/{name}": t for name, t in self.best.weights.items()}
        if self.means.sums is not None:
            found["means/sums"] = self.means.sums
        found["random/noise"] = self.noise.get_state()
        found["random/torch"] = torch.get_rng_state()  # dropout in one's own modules draws from there
        if self.noise.device.type == "cuda":
            found["random/cuda"] = torch.cuda.get_rng_state(self.noise.device)
        return {name: as_array(t) for name, t in found.items()}

    def restore(self, record: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        """Take over what `record` and `tensors` returned; the inverse of both.

        Raises
        ------
        RuntimeError, KeyError
            It is of another module or optimiser.
        """
        groups: dict[str, dict[str, Tensor]] = {}
        for name, array in arrays.items():
            kind, _, rest = name.partition("/")
            groups.setdefault(kind, {})[rest] = torch.from_numpy(array)
        self.module.load_state_dict(groups["module"])
        moments: dict[int, dict[str, Tensor]] = {}
        for name, t in groups.get("optimizer", {}).items():
            index, _, key = name.partition("/")
            moments.setdefault(int(index), {})[key] = t
        self.optimizer.load_state_dict({"state": moments, "param_groups": self.optimizer.state_dict()["param_groups"]})
        if self.average is not None:
            self.average.load_state_dict(groups["average"])
        device = self.noise.device
        self.epoch, self.row, self.step = record["epoch"], record["row"], record["step"]
        self.seconds, self.history = record["seconds"], list(record["history"])
        self.first_loss, self.spiked = record["first_loss"], record["spiked"]
        means, best = record["means"], record["best"]
        sums = groups.get("means", {}).get("sums")
        self.means = Means(
            tuple(means["names"]), means["n_terms"], None if sums is None else sums.to(device), means["count"]
        )
        weights = {name: t.to(device) for name, t in groups.get("best", {}).items()}
        self.best = Best(math.inf if best["loss"] is None else best["loss"], best["epoch"], weights)
        self.noise.set_state(groups["random"]["noise"])
        torch.set_rng_state(groups["random"]["torch"])
        if device.type == "cuda":
            torch.cuda.set_rng_state(groups["random"]["cuda"], device)
