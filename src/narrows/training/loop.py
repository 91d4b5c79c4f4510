"""The training loop. There is one, and it reads from top to bottom."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from narrows.data.batches import Batches
from narrows.data.feeds import feed
from narrows.module import MAIN, Module
from narrows.rng import Seeded, seed_of
from narrows.training.checkpoints import Checkpoints
from narrows.training.compilation import compiled
from narrows.training.distributed import Ranks
from narrows.training.guards import check_step
from narrows.training.optimizers import optimizer, phase_parameters
from narrows.training.phases import Phase
from narrows.training.precision import autocast
from narrows.training.report import Report
from narrows.training.schedules import factor
from narrows.training.state import Evaluation, Means, State

INTERVAL = 0.2
"""Seconds between two reports within an epoch."""


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
    start: bool = False
    """Whether the weights before the first step may be the best ones; see `Best`."""
    precision: str = "fp32"
    compile: bool = False
    seed: int = 0


Trainer = Callable[[Module, Batches, Settings, Batches | None, Checkpoints | None], Generator[Report, None, None]]
"""What trains a module: `train`, or something that takes its place."""


def train(
    module: Module,
    data: Batches,
    settings: Settings,
    validation: Batches | None = None,
    checkpoints: Checkpoints | None = None,
) -> Generator[Report, None, None]:
    """Train a module in place, and yield a report per epoch and per interval. Stop reading, and training stops.

    Each step minimises, phase by phase, the mean over the batch of the sum of the loss's terms. However it ends, by
    itself, by an early stop, an error or the reader's leaving, the module holds the best weights seen: those of the
    best validation loss where there is validation data, else the last (averaged, where averaging is on).

    Parameters
    ----------
    module
        What is trained.
    data, validation
        Samples; validation data choose the best weights and stop training early, and nothing else does.
    settings
        Epochs, optimiser, schedule and seed.
    checkpoints
        Where the state is saved from time to time, and resumed from: opened.

    Raises
    ------
    DivergedError
        A loss or gradient was not finite. The step was not taken: the weights are the last good ones.
    KeyboardInterrupt, SystemExit
        A signal came, and the checkpoint is written.
    """
    n, ranks = len(data), Ranks.current()
    size = min(settings.batch_size or n, n)
    steps = math.ceil(n / size) * settings.epochs
    noise = torch.Generator(data.device).manual_seed(seed_of(settings.seed, 1))
    products = autocast(module, settings.precision, data.device, size)
    loss = compiled(module) if settings.compile else module.loss
    layers = Seeded(seed_of(settings.seed, 4))
    draws = layers if module.layers_draw else contextlib.nullcontext()
    trained = phase_parameters(module)
    make = partial(
        optimizer, settings.optimizer, learning_rate=settings.learning_rate, momentum=settings.momentum,
        adam_betas=settings.adam_betas, weight_decay=settings.weight_decay, device=data.device.type,
    )  # fmt: skip
    phases = [
        Phase(name, module, loss, parameters, make(parameters), products,
              draws, len(trained) == 1, settings.clip, ranks)
        for name, parameters in trained.items()
    ]  # fmt: skip
    average = None
    if settings.averaging is not None:
        average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(settings.averaging), use_buffers=True)
    at = State(module, {phase.name: phase.optimizer for phase in phases}, average, noise, layers.generator)
    if checkpoints is not None:
        checkpoints.restore(at)
    ranks.check(module, data, draws)
    ranks.agree(at)
    started, rate = time.perf_counter() - at.seconds, _rate(settings, at.step, steps)
    if validation is not None and settings.start and at.step == 0:
        at.best.begin(evaluate(module, validation, size, settings.seed), module)
    module.train()
    opened = contextlib.ExitStack()
    try:
        while at.epoch <= settings.epochs:
            source = opened.enter_context(feed(data, size, settings.seed, at.epoch, at.row))
            epoch_started = reported = time.perf_counter()
            done_before = at.means.count  # not zero after a checkpoint within the epoch
            while at.row < n:
                rate = _rate(settings, at.step + 1, steps)
                progress = at.step / max(1, steps - 1)
                share = ranks.share(at.row, min(at.row + size, n))
                batch = source.take(share.start, share.stop, progress, noise)
                for phase in phases:
                    result = phase.gradients(batch, share)
                    check_step(result, settings.learning_rate, at, batch.x[0].numel())
                    phase.step(batch, rate)
                    at.means.add(result.names, result.n_terms if phase.name == MAIN else 0, result.sums)
                if average is not None:
                    average.update_parameters(module)
                at.means.count += share.total
                at.step += 1
                at.row += size
                now = time.perf_counter()
                at.seconds = now - started
                if checkpoints is not None:
                    checkpoints.reached(at)
                if now - reported > INTERVAL and at.row < n:
                    reported = now
                    speed = (at.means.count - done_before) / (now - epoch_started)
                    yield Report(
                        at.epoch, settings.epochs, at.step, steps, at.means.read(), None, at.seconds, speed, rate,
                        end_of_epoch=False,
                    )  # fmt: skip
                    module.train()  # the reader may have looked at reconstructions
            source.close()
            speed = (at.means.count - done_before) / max(time.perf_counter() - epoch_started, 1e-9)
            evaluated = module if average is None else cast(Module, average.module)
            held_out = None
            if validation is not None:
                pause = None if checkpoints is None else partial(checkpoints.reached, at)
                held_out = evaluate(evaluated, validation, size, settings.seed, pause)
            at.seconds = time.perf_counter() - started
            # The state moves on before the reader sees the report: it is complete whenever the reader leaves.
            yield _end_epoch(at, settings, steps, evaluated, held_out, speed, rate)
            if not module.training:
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
        opened.close()
        if at.best.weights:
            module.load_state_dict(at.best.weights)
        elif average is not None and at.step > 0:
            module.load_state_dict(average.module.state_dict())
        module.eval()


def evaluate(
    module: Module, data: Batches, batch_size: int, seed: int = 0, pause: Callable[[], None] | None = None
) -> Evaluation:
    """Return the means per sample of the loss, its terms and metrics: no corruption, and the same noise each time.

    `pause` is called before every batch, and may raise.
    """
    noise = torch.Generator(data.device).manual_seed(seed_of(seed, 3))
    ranks, n = Ranks.current(), len(data)
    means, losses = Means(), torch.zeros(n)
    training = module.training
    module.eval()
    with torch.no_grad():
        for start in range(0, n, batch_size):
            if pause is not None:
                pause()
            share = ranks.share(start, min(start + batch_size, n))
            with ranks.drawing(share):
                loss = module.loss(data.between(share.start, share.stop, noise), MAIN)
            sums = loss.sums.cpu().double()  # not every device has double precision
            means.add(loss.names, len(loss.terms), sums if ranks.size == 1 else sums * share.weight)
            means.count += share.total
            if share.weight:
                losses[share.start : share.stop] = loss.total.cpu()
    if ranks.size > 1:
        ranks.sum([losses, *means.sums.values()])
    module.train(training)
    return Evaluation(means.read(), losses)


def _rate(settings: Settings, step: int, steps: int) -> float:
    """Return the learning rate of a step, from 1."""
    return settings.learning_rate * factor(settings.schedule, settings.warmup, step / (steps + 1))


def _end_epoch(
    at: State, settings: Settings, steps: int, evaluated: nn.Module, held_out: Evaluation | None, speed: float,
    rate: float,
) -> Report:  # fmt: skip
    """Return the report of an epoch that ended, and move the state on to the next: past the last where training ends.

    `evaluated` is what `held_out` was measured of; its weights are copied where they are the best so far.
    """
    note, improved = "", False
    if held_out is not None:
        improved = at.best.beaten_by(held_out)
        if improved:
            at.best.keep(held_out, at.epoch, evaluated)
        elif settings.patience is not None and at.epoch - at.best.epoch >= settings.patience:
            note = f"stopped early: no better validation loss in {settings.patience} epochs since {at.best.epoch}"
    report = Report(
        at.epoch, settings.epochs, at.step, steps, at.means.read(),
        None if held_out is None else held_out.means, at.seconds, speed, rate, True, improved, note,
    )  # fmt: skip
    at.history.append(report.record())
    at.epoch, at.row, at.means = (settings.epochs if note else at.epoch) + 1, 0, Means()
    return report
