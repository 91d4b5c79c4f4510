"""The training loop. There is one, and it reads from top to bottom."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from narrows.data.batches import Rows
from narrows.errors import DivergedError
from narrows.module import Module
from narrows.objectives import Batch
from narrows.training.checkpoints import Checkpoints
from narrows.training.gradients import Gradients
from narrows.training.precision import autocast
from narrows.training.schedules import factor, optimizer
from narrows.training.state import Best, Means, State

__all__ = [
    "Report",
    "Settings",
    "Trainer",
    "check_step",
    "end_epoch",
    "evaluate",
    "order_of",
    "rate_of",
    "seed_of",
    "train",
]

INTERVAL = 0.2
"""Seconds between two reports within an epoch."""
AT_ONCE = ("cpu",)
"""Devices that have done what they were told when the call returns."""
EARLY, SPIKE = 20, 30.0
"""Of a loss that grows by this factor within the first steps one is told: the learning rate is too high."""


@dataclass(frozen=True)
class Settings:
    """How to train; the fields of an estimator, see there."""

    epochs: int = 50
    batch_size: int | None = 128
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.0
    adam_betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup: float = 0.0
    clip: float | None = None
    averaging: float | None = None
    patience: int | None = None
    precision: str = "fp32"
    compile: bool = False
    seed: int = 0


NUMBERS = {str: float | int | None}
EPOCH = {
    "epoch": int,
    "epochs": int,
    "step": int,
    "train": NUMBERS,
    "validation": (NUMBERS, type(None)),
    "seconds": float | int,
    "learning_rate": float | int,
}
"""The form of `Report.record()` in files (see `narrows.storage.record.check_form`)."""


@dataclass(frozen=True)
class Report:
    """Where training stands: after every epoch, and within long ones several times a second."""

    epoch: int
    """The epoch at work or just ended, from 1."""
    epochs: int
    step: int
    """Steps taken since the start of training."""
    steps: int
    """Steps that all epochs take."""
    train: dict[str, float]
    """Means per sample over the epoch so far: "loss", its terms, and the model's metrics."""
    validation: dict[str, float] | None
    """The same on validation data, at the end of an epoch."""
    seconds: float
    """Since the start of training, validation included."""
    samples_per_second: float
    """In training steps, over the epoch so far."""
    learning_rate: float
    end_of_epoch: bool
    best: bool = False
    """Whether this epoch has the lowest validation loss so far."""
    note: str = ""
    """Why training ends here, where it ends early."""

    def record(self) -> dict[str, Any]:
        """Return the report as plain values, as a line of `metrics.jsonl` holds it."""
        return {name: value for name, value in asdict(self).items() if name != "end_of_epoch"}


Trainer = Callable[..., Generator[Report, None, None]]
"""What takes the arguments of `train` and trains the module."""


def train(
    module: Module,
    data: Rows,
    settings: Settings,
    validation: Rows | None = None,
    checkpoints: Checkpoints | None = None,
) -> Generator[Report, None, None]:
    """Train a module in place, and yield a report per epoch and per interval. Stop reading, and training stops.

    The objective is the mean over the batch of the sum of the loss's terms. However it ends, by itself, by an early
    stop, an error or the reader's leaving, the module holds the best weights seen: those of the best validation loss
    where there is validation data, else the last (averaged, where averaging is on).

    Parameters
    ----------
    module
        What is trained.
    data, validation
        Samples; validation data choose the best weights and stop training early, and nothing else does.
    settings
        Epochs, optimiser, schedule and seed.
    checkpoints
        Where the state is left from time to time, and gone on from: opened.

    Raises
    ------
    DivergedError
        A loss or gradient was not finite. The step was not taken: the weights are the last good ones.
    KeyboardInterrupt, SystemExit
        A signal came, and the checkpoint is written.
    """
    n = len(data)
    size = min(settings.batch_size or n, n)
    steps_per_epoch = math.ceil(n / size)
    steps = steps_per_epoch * settings.epochs
    noise = torch.Generator(data.device).manual_seed(seed_of(settings.seed, 1))
    parameters = [p for p in module.parameters() if p.requires_grad]
    opt = optimizer(
        settings.optimizer,
        parameters,
        settings.learning_rate,
        momentum=settings.momentum,
        adam_betas=settings.adam_betas,
        weight_decay=settings.weight_decay,
    )
    gradients = Gradients(module, autocast(module, settings.precision, data.device, size))
    average = None
    if settings.averaging is not None:
        average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(settings.averaging), use_buffers=True)
    at = State(module, opt, average, noise)
    if checkpoints is not None:
        checkpoints.restore(at)
    # On a device that works by itself one looks now and then, where the optimiser can leave out what is not finite.
    looks = data.device.type in AT_ONCE or not getattr(opt, "_step_supports_amp_scaling", False)
    lost, whole = torch.zeros((), device=data.device), None
    started, rate = time.perf_counter() - at.seconds, rate_of(settings, at.step, steps)
    module.train()
    try:
        while at.epoch <= settings.epochs:
            order = order_of(n, size, settings.seed, at.epoch).to(data.device)
            epoch_started = reported = time.perf_counter()
            done_before = at.means.count  # not zero after a checkpoint within the epoch
            while at.row < n:
                rate = rate_of(settings, at.step + 1, steps)
                for group in opt.param_groups:
                    group["lr"] = rate
                x = data.take(order[at.row : at.row + size]) if whole is None else whole
                if size == n and module.corruption is None:  # one of one's own may write into it
                    whole = x
                batch = Batch(x, progress=at.step / max(1, steps - 1), rng=noise)
                found = gradients.eager(batch)
                norm = found.total
                if settings.clip is not None or (looks and not math.isfinite(norm.item())):
                    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
                if looks or at.step < EARLY:
                    check_step(found.objective.item(), norm.item(), found.sums, found.names, settings, at, x[0].numel())
                else:  # to look is to wait for the device: the optimiser leaves this step out, and those after it
                    lost = torch.maximum(lost, (~torch.isfinite(found.objective + norm)).float())
                    vars(opt)["found_inf"] = lost
                if settings.clip is not None:
                    torch.nn.utils.clip_grads_with_norm_(parameters, settings.clip, norm)
                opt.step()
                if average is not None:
                    average.update_parameters(module)
                at.means.add(found.names, found.n_terms, found.sums, len(batch.x))
                at.step += 1
                at.row += size
                now = time.perf_counter()
                at.seconds = now - started
                if checkpoints is not None:
                    checkpoints.reached(at)
                if now - reported > INTERVAL and at.row < n:
                    reported = now
                    _found_lost(lost, at, settings)
                    speed = (at.means.count - done_before) / (now - epoch_started)
                    yield Report(
                        at.epoch, settings.epochs, at.step, steps, at.means.read(), None, at.seconds, speed, rate,
                        end_of_epoch=False,
                    )  # fmt: skip
                    module.train()  # the reader may have looked at reconstructions
            _found_lost(lost, at, settings)
            speed = (at.means.count - done_before) / max(time.perf_counter() - epoch_started, 1e-9)
            judged = module if average is None else cast(Module, average.module)
            held_out = None
            if validation is not None:
                pause = None if checkpoints is None else partial(checkpoints.reached, at)
                held_out = evaluate(judged, validation, size, settings.seed, pause)
            at.seconds = time.perf_counter() - started
            # The state moves on before the reader sees the report: it is whole whenever the reader leaves.
            yield end_epoch(at, settings, steps, judged, held_out, speed, rate)
            module.train()
            if checkpoints is not None:
                checkpoints.reached(at, epoch_ended=True)
        if checkpoints is not None:
            checkpoints.save(at)
    except GeneratorExit:  # the reader leaves
        if checkpoints is not None:
            checkpoints.save(at)
        raise
    finally:
        if at.best.weights:
            module.load_state_dict(at.best.weights)
        elif average is not None and at.step > 0:
            module.load_state_dict(average.module.state_dict())
        module.eval()


def evaluate(
    module: Module, data: Rows, batch_size: int, seed: int = 0, pause: Callable[[], None] | None = None
) -> dict[str, float]:
    """Return the means per sample of the loss, its terms and metrics: no corruption, and the same noise each time.

    `pause` is called before every batch, and may raise.
    """
    noise = torch.Generator(data.device).manual_seed(seed_of(seed, 3))
    means = Means()
    training = module.training
    module.eval()
    with torch.no_grad():
        for x in data.chunks(batch_size):
            if pause is not None:
                pause()
            loss = module.loss(Batch(x, rng=noise))
            means.add(loss.names, len(loss.terms), loss.sums.double(), len(x))
    module.train(training)
    return means.read()


def _found_lost(lost: Tensor, at: State, settings: Settings) -> None:
    """Raise where a step since the last look was left out."""
    if bool(lost):
        assert at.means.sums is not None
        check_step(float(at.means.sums.sum()), math.nan, at.means.sums, at.means.names, settings, at, 1)


def order_of(n: int, size: int, seed: int, epoch: int) -> Tensor:
    """Return the order in which an epoch takes the n samples: as they are where one step takes them all."""
    if size == n:
        return torch.arange(n)
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed_of(seed, 2, epoch)))


def rate_of(settings: Settings, step: int, steps: int) -> float:
    """Return the learning rate of a step, from 1."""
    return settings.learning_rate * factor(settings.schedule, settings.warmup, step / (steps + 1))


def end_epoch(
    at: State, settings: Settings, steps: int, judged: nn.Module, held_out: dict[str, float] | None, speed: float,
    rate: float,
) -> Report:  # fmt: skip
    """Return the report of an epoch that ended, and move the state on to the next: past the last where training ends.

    `judged` is what `held_out` was measured of; its weights are copied where they are the best so far.
    """
    note, improved = "", False
    if held_out is not None:
        improved = held_out["loss"] < at.best.loss
        if improved:
            at.best = Best(held_out["loss"], at.epoch, _copy(judged))
        elif settings.patience is not None and at.epoch - at.best.epoch >= settings.patience:
            note = f"stopped early: no better validation loss in {settings.patience} epochs since {at.best.epoch}"
    report = Report(
        at.epoch, settings.epochs, at.step, steps, at.means.read(), held_out, at.seconds, speed, rate, True, improved,
        note,
    )  # fmt: skip
    at.history.append(report.record())
    at.epoch, at.row, at.means = (settings.epochs if note else at.epoch) + 1, 0, Means()
    return report


def check_step(
    loss: float, norm: float, sums: Tensor, names: tuple[str, ...], settings: Settings, at: State, values: int
) -> None:
    """Stop before a step that would put numbers that are not finite into the weights; tell of a loss that shoots up.

    Parameters
    ----------
    loss, norm
        The objective, and the norm of its gradient.
    sums, names
        What the loss consists of: (len(names),).
    settings, at
        Of the training.
    values
        How many numbers a sample has.

    Raises
    ------
    DivergedError
        Loss or gradient is not finite.
    """
    if not math.isfinite(loss):
        bad = [name for name, value in zip(names, sums.tolist(), strict=True) if not math.isfinite(value)]
        what = f"the term {' and '.join(map(repr, bad))} must be finite; got nan or infinity"
    elif not math.isfinite(norm):
        what = "the gradient must be finite; got nan or infinity"
    else:
        if at.first_loss is None:
            at.first_loss = loss
        # Against a sample's values too: the loss may begin near 0.
        if at.step < EARLY and not at.spiked and loss > SPIKE * max(abs(at.first_loss), values):
            at.spiked = True
            warnings.warn(
                f"The loss rose from {at.first_loss:.3g} to {loss:.3g} by step {at.step + 1}: the learning rate is "
                f"probably too high (it is {settings.learning_rate:g}: try a tenth, or clip=1).", stacklevel=2,
            )  # fmt: skip
        return
    raise DivergedError(
        f"{what} at step {at.step + 1} (epoch {at.epoch}). The weights of the step before "
        f"are kept. Likely cause: a learning rate too high (it is {settings.learning_rate:g}: try a tenth, or "
        "clip=1), or values on too large a scale (standardise X)."
    )


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def seed_of(*parts: int) -> int:
    """Return an independent seed for each use of the one that the user gave."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
