"""All that training resumes from, as plain values and tensors: what a checkpoint holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from narrows.training.arrays import as_array

MARGIN = 10.0
"""See `Best`: two standard errors of 25 samples, one of 100."""
PLAIN = ("epoch", "row", "step", "seconds", "first_loss", "spiked")
"""Fields of `State` that are numbers."""

STATE = {
    "epoch": int, "row": int, "step": int, "seconds": float | int, "first_loss": float | int | None, "spiked": bool,
    "means": {"names": [str], "n_terms": int, "count": int, "groups": [str]},
    "best": {"loss": float | int | None, "epoch": int},
}  # fmt: skip
"""The form of `State.record()` in files, without the history (see `narrows.storage`)."""
SQUARES = ("/exp_avg_sq", "/square_avg", "/sum", "/exp_inf")
"""What optimisers call averages that cannot be negative."""
LONGEST = 1e10
"""Seconds that no training takes: some 300 years."""


@dataclass
class Means:
    """Running sums of per-sample values; they stay tensors until they are read."""

    names: tuple[str, ...] = ()
    n_terms: int = 0
    """The first of them are the objective's terms, the others metrics."""
    sums: dict[str, Tensor] = field(default_factory=dict)
    """One tensor for each group of names, such as those of a phase, by the names joined."""
    count: int = 0
    """Samples over which the sums were taken."""

    def add(self, names: tuple[str, ...], n_terms: int, sums: Tensor) -> None:
        """Add the sums (len(names),) of a batch; a group with terms of the objective comes first."""
        sums = sums.to(torch.promote_types(sums.dtype, torch.float32))  # bfloat16 sums to three digits
        key = "|".join(names)
        if key not in self.sums:
            self.names += names
            self.n_terms += n_terms
            self.sums[key] = sums
        else:
            self.sums[key] = self.sums[key] + sums

    def read(self) -> dict[str, float]:
        """Return the means per sample, "loss" first: the sum of the terms."""
        if not self.sums:
            return {}
        means = [mean for sums in self.sums.values() for mean in (sums / self.count).tolist()]
        return {"loss": math.fsum(means[: self.n_terms]), **dict(zip(self.names, means, strict=True))}


class Evaluation(NamedTuple):
    """The loss on validation data."""

    means: dict[str, float]
    """Per sample: "loss", its terms, and metrics."""
    losses: Tensor
    """(N,), of every sample."""


@dataclass
class Best:
    """The weights of the epoch with the lowest validation loss.

    Where training begins at PCA, the weights before the first step count as epoch 0. To leave them takes a mean gain
    on the validation data of `MARGIN` / N standard deviations of the gain: of a few dozen samples, the lowest of many
    losses is lower by chance alone, and with many the margin vanishes.
    """

    loss: float = math.inf
    epoch: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)
    start: Tensor | None = None
    """(N,), validation losses before the first step, while those weights are the best."""

    def begin(self, evaluation: Evaluation, module: nn.Module) -> None:
        """Take the weights before the first step."""
        self.keep(evaluation, 0, module)
        self.start = evaluation.losses

    def beaten_by(self, evaluation: Evaluation) -> bool:
        """Return whether a validation loss is lower; than that of the start, by a margin."""
        if not evaluation.means["loss"] < self.loss:
            return False
        if self.start is None:
            return True
        gain = (self.start - evaluation.losses).double()
        return len(gain) > 1 and float(gain.mean()) > MARGIN / len(gain) * float(gain.std())

    def keep(self, evaluation: Evaluation, epoch: int, module: nn.Module) -> None:
        """Take the weights of an epoch."""
        self.loss, self.epoch, self.start = evaluation.means["loss"], epoch, None
        self.weights = {name: value.detach().clone() for name, value in module.state_dict().items()}


@dataclass
class State:
    """Where training stands after a step."""

    module: nn.Module
    optimizers: dict[str, Optimizer]
    """By phase."""
    average: nn.Module | None
    noise: torch.Generator
    layers: torch.Generator
    """What layers that draw random numbers of their own draw from, such as dropout in a user's modules."""
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
        means = self.means
        return {name: getattr(self, name) for name in PLAIN} | {
            "means": {
                "names": means.names, "n_terms": means.n_terms, "count": means.count, "groups": list(means.sums),
            },
            "best": {"loss": self.best.loss, "epoch": self.best.epoch},
            "history": self.history,
        }  # fmt: skip

    def tensors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the tensors by name: weights, optimiser, averages, best weights, running sums, random states."""
        tensors: dict[str, Tensor] = {f"module/{name}": t for name, t in self.module.state_dict().items()}
        for phase, optimizer in self.optimizers.items():
            for index, values in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer/{phase}/{index}/{key}": t for key, t in values.items() if t is not None}
        if self.average is not None:
            tensors |= {f"average/{name}": t for name, t in self.average.state_dict().items()}
        tensors |= {f"best/{name}": t for name, t in self.best.weights.items()}
        if self.best.start is not None:
            tensors["start/losses"] = self.best.start
        tensors |= {f"means/{key}": sums for key, sums in self.means.sums.items()}
        tensors["random/noise"] = self.noise.get_state()
        tensors["random/layers"] = self.layers.get_state()
        return {name: as_array(t) for name, t in tensors.items()}

    def restore(self, record: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        """Take over what `record` and `tensors` returned; RuntimeError or KeyError where it is of another module."""
        groups: dict[str, dict[str, Tensor]] = {}
        for name, array in arrays.items():
            kind, _, rest = name.partition("/")
            groups.setdefault(kind, {})[rest] = torch.from_numpy(array)
        self.module.load_state_dict(groups["module"])
        moments: dict[str, dict[int, dict[str, Tensor]]] = {phase: {} for phase in self.optimizers}
        for name, t in groups.get("optimizer", {}).items():
            phase, index, key = name.split("/")
            moments[phase].setdefault(int(index), {})[key] = t
        for phase, optimizer in self.optimizers.items():
            groups_of = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": moments[phase], "param_groups": groups_of})
        if self.average is not None:
            self.average.load_state_dict(groups["average"])
        device = self.noise.device
        for name in PLAIN:
            setattr(self, name, record[name])
        self.history = list(record["history"])
        means, best = record["means"], record["best"]
        sums = {key: groups["means"][key].to(device) for key in means["groups"]}
        self.means = Means(tuple(means["names"]), means["n_terms"], sums, means["count"])
        weights = {name: t.to(device) for name, t in groups.get("best", {}).items()}
        loss = math.inf if best["loss"] is None else best["loss"]
        self.best = Best(loss, best["epoch"], weights, groups.get("start", {}).get("losses"))
        self.noise.set_state(groups["random"]["noise"])
        self.layers.set_state(groups["random"]["layers"])


def impossible(
    record: Mapping[str, Any], history: Sequence[Mapping[str, Any]], tensors: Mapping[str, np.ndarray[Any, Any]]
) -> str:
    """Return what no training can have brought a state to, in words; an empty string where there is nothing.

    `record` has the form of `STATE`, `history` that of epochs.
    """
    epoch, row, step = (record[name] for name in ("epoch", "row", "step"))
    means, ended = record["means"], [each["epoch"] for each in history]
    last = history[-1] if history else {"step": 0, "epochs": epoch}
    since = step - last["step"]
    fewest = row - row // max(since, 1) + 1 if row else 0  # the last batch of an epoch may be a smaller one
    optimizer = {name: t for name, t in tensors.items() if name.startswith("optimizer/")}
    checks = {
        f"epoch {epoch} after {len(ended)} epochs": ended == list(range(1, len(ended) + 1))
        and (epoch == len(ended) + 1 or (epoch == last["epochs"] + 1 and row == 0)) and epoch >= 1,
        f"row {row} at step {step}": row >= 0 and (since == 0 if row == 0 else since > 0 and row % since == 0),
        f"means over {means['count']} samples": fewest <= means["count"] <= row
        and 0 <= means["n_terms"] <= len(means["names"]),
        f"{record['seconds']:.3g} seconds": 0 <= record["seconds"] < LONGEST,
        f"a best epoch of {record['best']['epoch']}": 0 <= record["best"]["epoch"] <= len(ended),
        "weights that are not finite": all(
            bool(np.isfinite(t).all()) for name, t in tensors.items() if not name.startswith(("optimizer/", "random/"))
        ),
        "an optimiser's step below 1": all((t >= 1).all() for name, t in optimizer.items() if name.endswith("/step")),
        "a negative mean of squares": all((t >= 0).all() for name, t in optimizer.items() if name.endswith(SQUARES)),
    }  # fmt: skip
    return "; ".join(f"got {what}" for what, holds in checks.items() if not holds)
