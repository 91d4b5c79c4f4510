"""The second fit of few samples: how long to train is found without those held out, and then all are trained on."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from narrows.data.arrays import Array, Arrays
from narrows.data.batches import Batches
from narrows.estimators.initialisation import start_at_data
from narrows.module import Module
from narrows.training import Report, Settings, Trainer, signals
from narrows.training.distributed import Ranks
from narrows.training.loop import evaluate
from narrows.training.report import read_all
from narrows.training.state import Best, Evaluation

SURE = 1.645
"""Standard errors of the mean gain on held-out samples that a second fit takes: one in twenty by chance.

With more samples, which are trained on once, this test costs more than it saves: held-out errors of 1.003 and 0.984 of
PCA's became 1 (landsat, code 18, two seeds), and so did one of 0.645 (thyroid, code 3), which few samples make up.
"""
SHIFTS = (-1.0, 6.0)
"""Of the logarithm of a learned scale, from what training samples say to what those held out say."""
NOTE = "trained again, on all samples"
UNTRAINED = "kept as it starts, on all samples: no epoch was better by more than chance"


def copied(module: Module) -> dict[str, Tensor]:
    """Return a copy of a module's weights."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


@dataclass
class Refit:
    """Trains `module_` anew on all samples, for as many steps as were best for those held out.

    To hold out a quarter of a hundred samples costs more than a tenth of many: the number of steps is kept, and each
    takes as much larger a batch. Where the best epoch was no better than PCA by more than chance, PCA of all samples is
    what remains. A learned scale is corrected by what held-out samples say of it.
    """

    estimator: Any
    """A `NeuralAutoencoder` with its module, which had its first fit by `trainer` and `settings`."""
    settings: Settings
    trainer: Trainer
    untrained: dict[str, Tensor]
    """The module's weights before it started at the data."""
    data: Arrays
    """All samples, in memory."""
    part: Array
    """Those of the first fit."""
    held: Batches
    """Those that it held out."""

    def reports(self) -> Generator[Report, None, None]:
        """Train, and yield reports within the last epoch of the first fit, whose history stays: one if none is better.

        Steps count on from those of the first fit. Whoever stops reading, or an error, leaves that fit's weights.
        """
        estimator, settings, module = self.estimator, self.settings, self.estimator.module_
        last, n = estimator.history_[-1], len(self.data.x)
        size = min(settings.batch_size or n, len(self.part))
        steps = math.ceil(len(self.part) / size)
        size = math.ceil(n / steps)
        share = steps / math.ceil(n / size)  # 1 unless batches are of a few samples
        weights, ended = copied(module), False
        try:
            best = self._best_epoch()
            if best is None:
                return
            correction, epochs = self._correction(), round(best * share)
            second = replace(settings, batch_size=size, epochs=round(settings.epochs * share), patience=None)
            rows = self._begin(self.data)
            at = Report(
                last["epoch"], last["epochs"], last["step"], last["step"] + epochs * math.ceil(n / size), last["train"],
                None, last["seconds"], last["samples_per_second"], last["learning_rate"], False, note=UNTRAINED,
            )  # fmt: skip
            with contextlib.closing(self._trained(rows, second, epochs)) as reports:
                for report in reports:
                    if Ranks.current().size == 1 and signals.pending():
                        signals.act()
                    at = replace(
                        at, step=last["step"] + report.step, train=report.train, note=NOTE,
                        seconds=last["seconds"] + report.seconds, samples_per_second=report.samples_per_second,
                        learning_rate=report.learning_rate,
                    )  # fmt: skip
                    yield at
            if not epochs:
                yield at
            if correction:
                with torch.no_grad():
                    module.observed.log_scale += correction
            ended = True
        finally:
            if not ended:
                module.load_state_dict(weights)

    def _begin(self, data: Arrays) -> Batches:
        """Bring the module to where training on some samples begins, and return them."""
        estimator, module, device = self.estimator, self.estimator.module_, self.estimator.module_.device
        try:
            module.to("cpu")
            module.load_state_dict(self.untrained)
            start_at_data(estimator, module, data)
        finally:
            module.to(device)
        return Batches(data, estimator.schema_, device, module.dtype, module.density)

    def _trained(self, rows: Batches, settings: Settings, epochs: int) -> Generator[Report, None, None]:
        """Train for the first epochs of those of `settings`; none leave what the trainer begins with."""
        settings = replace(settings, start=False) if epochs else replace(settings, start=False, epochs=0)
        with contextlib.closing(self.trainer(self.estimator.module_, rows, settings, None, None)) as reports:
            for report in reports:
                yield report
                if report.end_of_epoch and report.epoch == epochs:
                    return

    def _best_epoch(self) -> int | None:
        """Return the best epoch of the first fit, and leave the module with its weights.

        It is 0 for the start, where nothing was better by more than chance; None where nothing was good at all.
        """
        module = self.estimator.module_
        best: int = max((record["epoch"] for record in self.estimator.history_ if record["best"]), default=0)
        if not self.settings.start:
            return best or None
        if best:
            after, weights = self._evaluation(), copied(module)
            read_all(self._trained(self._begin(self.data.rows(self.part)), self.settings, 0))
            gain = (self._evaluation().losses - after.losses).double()
            if float(gain.mean()) * math.sqrt(len(gain)) <= SURE * float(gain.std()):
                return 0
            module.load_state_dict(weights)
        return best

    def _evaluation(self) -> Evaluation:
        size = self.settings.batch_size or len(self.held)
        return evaluate(self.estimator.module_, self.held, size, self.settings.seed)

    def _correction(self) -> float:
        """Return what to add to the logarithm of a learned scale for the least loss of held-out samples; 0 for nothing.

        Training samples lie nearer to what was fitted to them than others do, so that a scale that is learned of them
        is too small, and by far where some samples are unlike all others (for probabilistic PCA: Passemier, Li & Yao
        2017, doi:10.1111/rssb.12153). As `Best` says, the gain must be more than chance.
        """
        module, observed = self.estimator.module_, self.estimator.module_.observed
        if self.estimator.schema_.types is not None or not observed.learned or observed.log_scale is None:
            return 0.0
        begun = float(observed.log_scale.detach())

        def shifted(by: float) -> Evaluation:
            torch.nn.init.constant_(observed.log_scale, begun + by)
            return self._evaluation()

        best = Best()
        best.begin(shifted(0.0), module)
        found = minimize_scalar(
            lambda by: shifted(by).means["loss"], bounds=SHIFTS, method="bounded", options={"xatol": 0.01}
        )
        return float(found.x) if best.beaten_by(shifted(float(found.x))) else 0.0
