"""Single steps on batches that come one by one: what `partial_fit` takes."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any, cast

from narrows.data.batches import Batches
from narrows.module import Module
from narrows.training.checkpoints import Checkpoints
from narrows.training.loop import Settings, train
from narrows.training.report import Report
from narrows.training.state import State


class Steps:
    """A training that each call makes one step longer; the optimiser, averages and random states go on.

    It is what `train` asks of checkpoints, in memory.
    """

    def __init__(self) -> None:
        self.count = 0
        """Steps begun."""
        self._state: tuple[dict[str, Any], dict[str, Any]] | None = None

    def take(
        self, module: Module, data: Batches, settings: Settings, validation: object = None, checkpoints: object = None
    ) -> Generator[Report, None, None]:
        """Take a step on all samples of a batch, at a constant learning rate; a `Trainer`."""
        self.count += 1
        step = replace(
            settings, epochs=self.count, batch_size=None, schedule="constant", warmup=0.0, patience=None, compile=False
        )
        yield from train(module, data, step, None, cast(Checkpoints, self))

    def restore(self, state: State) -> None:
        """Set the state to that after the step before, if there was one."""
        if self._state is not None:
            state.restore(*self._state)

    def reached(self, state: State, *, epoch_ended: bool = False) -> None:
        """Nothing is written between steps."""

    def save(self, state: State) -> None:
        """Keep the state for the next step; the estimator has the history."""
        tensors = {name: array.copy() for name, array in state.tensors().items()}  # averages may take their place
        self._state = {**state.record(), "history": []}, tensors
