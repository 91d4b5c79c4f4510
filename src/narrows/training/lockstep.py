"""Small models of one structure, trained at once: their weights are stacked, and a step is one batched pass for all.

A small model's step is mostly the cost of calling torch, and one call serves all. Every model keeps what it has alone:
the order of its data, its noise, learning rate, best weights, early stop and reports. So each ends where `train` would
have brought it, up to rounding; the tests hold one loop to the other.

`torch.func.vmap` runs the module's own `loss` over the stack. Modules know nothing of it: noise drawn from `batch.rng`
is drawn for each model from its own generator, and plain numbers on which models differ (a beta) are stacked as well.
What vmap cannot do (LSTMs, a choice that depends on a stacked number) is found by `rehearse`, before anything is
trained.
"""

from __future__ import annotations

import contextlib
import copy
import math
import re
import sys
import time
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import vmap

from narrows.errors import DivergedError
from narrows.losses import Batch
from narrows.modules import Module
from narrows.training.checkpoints import Checkpoints
from narrows.training.loop import INTERVAL, Report, Settings, check_step, end_epoch, order_of, rate_of, seed_of, train
from narrows.training.noise import Drawing, EachDraws, OtherDrawsError, drawn_by_each
from narrows.training.precision import lowered
from narrows.training.rows import Rows
from narrows.training.schedules import optimizer
from narrows.training.state import Means, State

__all__ = ["Lockstep", "Training", "fits", "rehearse"]

NUMBERS = 2**22
"""Weights of all models together, at most: far beyond where it gains, and copies of so many are quickly made."""
STEPS = 3
"""Of a rehearsal, each way; and where batches do not come out even, a short one."""
WORTH = 20
"""A training is at least so many times as long as a rehearsal: shorter ones gain less than it takes."""
GAIN = 0.9
"""The share of the time one by one that must not be exceeded, for training at once to be worth while."""
CLOSE = 1e-3
"""How far, as a share of the loss, a rehearsal's numbers may differ between both ways."""

Slot = tuple[dict[str, Any], str]
"""Where a module keeps something: a dictionary and the key in it."""


class Training(NamedTuple):
    """What `train` is given."""

    module: Module
    data: Rows
    settings: Settings
    validation: Rows | None

    @property
    def steps(self) -> int:
        """Steps of all epochs."""
        return math.ceil(len(self.data) / self.size) * self.settings.epochs

    @property
    def size(self) -> int:
        """Samples of a batch."""
        return min(self.settings.batch_size or len(self.data), len(self.data))


@dataclass(eq=False)
class _Member:
    """One model among those trained at once."""

    training: Training
    noise: torch.Generator
    at: State | None = None
    order: Tensor = field(default_factory=lambda: torch.empty(0))
    """(N,), of the epoch at work."""
    waiting: deque[Report | DivergedError] = field(default_factory=deque)
    """What is not read yet."""
    ended: bool = False

    @property
    def state(self) -> State:
        assert self.at is not None  # since the first step
        return self.at


class Lockstep:
    """Trains modules of one structure at once.

    `train` takes the place of `narrows.training.train` for each of them. Begin all of them, which is to read a report
    that says so, and read on in any order: who asks first trains all, and the reports of the others wait for their
    readers. A module may therefore be ahead of the report that is read. A model that diverges or stops early, or whose
    reader leaves, leaves the others at work.
    """

    def __init__(self) -> None:
        self._members: list[_Member] = []
        """Those at work; in the order of the stack, once there is one."""
        self._course: Generator[None, None, None] | None = None
        self._failure: BaseException | None = None
        self._rng = torch.Generator()
        """The batch's: it marks what is drawn, and draws nothing."""
        self._base = nn.Module()
        """A copy of a module, whose `loss` is run with the stacked values in place of its own."""
        self._slots: list[list[Slot]] = []
        """Where in it each stacked value has its places: several, where a weight is shared."""
        self._values: list[Tensor] = []
        """(models, ...) each: weights and buffers, then the numbers on which models differ."""
        self._opt: torch.optim.Optimizer | None = None
        self._views: list[list[tuple[int, slice, Tensor]]] = []
        """By group of the optimiser: a value's position, the models that share a learning rate, and their part."""
        self._drawings: dict[tuple[bool, torch.Size], list[Drawing]] = {}
        """What a model was last seen to draw, in training and elsewhere, for samples (models, B, *shape)."""
        self._names: tuple[str, ...] = ()
        self._n_terms = 0
        self._sums: Tensor | None = None
        """(models, names), over the epoch so far."""

    def train(
        self,
        module: Module,
        data: Rows,
        settings: Settings,
        validation: Rows | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> Generator[Report, None, None]:
        """Train a module in place, with the others: what `narrows.training.train` does, up to rounding.

        The first report is of step 0 and comes before anything is trained, so that the others can begin too.

        Parameters
        ----------
        module, data, settings, validation
            As for `train`; modules of one structure, and settings that differ in seed and learning rate only (`fits`).
        checkpoints
            None: what is trained at once is trained in one go.

        Raises
        ------
        DivergedError
            This module's loss or gradient was not finite; the others go on.
        """
        assert checkpoints is None, "checkpoints are of one training"
        assert self._course is None, "all begin before the first goes on"
        member = _Member(
            Training(module, data, settings, validation),
            torch.Generator(data.device).manual_seed(seed_of(settings.seed, 1)),
        )
        self._members.append(member)
        try:
            yield Report(1, settings.epochs, 0, member.training.steps, {}, None, 0.0, 0.0, 0.0, end_of_epoch=False)
            while member.waiting or not member.ended:
                if not member.waiting:
                    self._advance()
                    continue
                told = member.waiting.popleft()
                if isinstance(told, DivergedError):
                    raise told
                yield told
        finally:
            self._leave([member])

    def _advance(self) -> None:
        """Train until there is something to report; what stops it (an interrupt, an error of the module) stops all."""
        if self._failure is not None:
            raise self._failure
        try:
            self._course = self._course or self._run()
            next(self._course)
        except BaseException as error:
            self._failure = error
            raise

    def _run(self) -> Generator[None, None, None]:
        """Train epoch by epoch; stop wherever reports are there."""
        self._stack()
        first = self._members[0].training
        n, size, steps, settings = len(first.data), first.size, first.steps, first.settings
        share, started = len(self._members), time.perf_counter()
        while self._members:
            epoch_started = reported = time.perf_counter()
            self._sums = None
            self._base.train()
            for member in self._members:
                seed, epoch = member.training.settings.seed, member.state.epoch
                member.order = order_of(n, size, seed, epoch).to(first.data.device)
            for row in range(0, n, size):
                self._step(row, size, steps)
                if not self._members:
                    yield  # all diverged
                    return
                now = time.perf_counter()
                for member in self._members:
                    member.state.seconds = (now - started) / share
                if now - reported > INTERVAL and row + size < n:
                    reported = now
                    self._tell_means(row + size)
                    for member in self._members:
                        at = member.state
                        member.waiting.append(Report(
                            at.epoch, settings.epochs, at.step, steps, at.means.read(), None, at.seconds,
                            share * at.means.count / (now - epoch_started),
                            rate_of(member.training.settings, at.step, steps), end_of_epoch=False,
                        ))  # fmt: skip
                    yield
                    if not self._members:  # all readers left
                        return
            self._tell_means(n)
            speed = share * n / max(time.perf_counter() - epoch_started, 1e-9)
            held_out = self._evaluate(size)
            seconds = (time.perf_counter() - started) / share
            for member, found in zip(self._members, held_out, strict=True):
                at, own = member.state, member.training
                at.seconds = seconds
                rate = rate_of(own.settings, at.step, steps)
                member.waiting.append(end_epoch(at, own.settings, steps, own.module, found, speed, rate))
            self._leave([member for member in self._members if member.state.epoch > settings.epochs])
            yield

    def _step(self, row: int, size: int, steps: int) -> None:
        """Take a step of every model; those that diverge leave before it."""
        members = self._members
        orders = torch.stack([member.order[row : row + size] for member in members])
        at = members[0].state
        x = _taken([member.training.data for member in members], orders)
        sums = self._losses(x, 0, [member.noise for member in members], at.step / max(1, steps - 1))
        objectives = sums[:, : self._n_terms].sum(1) / x.shape[1]
        trained = [position for position, value in enumerate(self._values) if value.requires_grad]
        # Nothing of a model enters another's objective: the gradient of the sum holds that of each.
        found = torch.autograd.grad(objectives.sum(), [self._values[p] for p in trained], allow_unused=True)
        # The optimisers' kernels take numbers in the order of memory, which vmap may have changed.
        gradients = {p: g.contiguous() for p, g in zip(trained, found, strict=True) if g is not None}
        norms = torch.cat([g.reshape(len(members), -1) for g in gradients.values()], 1).norm(dim=1)
        sums = sums.detach()
        lost = []
        each = zip(members, objectives.tolist(), norms.tolist(), sums, strict=True)
        for position, (member, loss, norm, parts) in enumerate(each):
            own, at = member.training.settings, member.state
            try:
                check_step(loss, norm, parts, self._names, own, at, x[0, 0].numel())
            except DivergedError as error:
                member.waiting.append(error)
                lost.append(position)
        if lost:
            kept = [position for position in range(len(members)) if position not in lost]
            self._leave([members[position] for position in lost])
            gradients, norms, sums = {p: g[kept] for p, g in gradients.items()}, norms[kept], sums[kept]
            members = self._members
            if not members:
                return
        if (clip := members[0].training.settings.clip) is not None:
            factors = (clip / (norms + 1e-6)).clamp(max=1.0)  # as clip_grads_with_norm_ has it
            for gradient in gradients.values():
                gradient.mul_(factors.reshape(-1, *[1] * (gradient.dim() - 1)))
        assert self._opt is not None
        for group, views in zip(self._opt.param_groups, self._views, strict=True):
            first = members[views[0][1].start]
            group["lr"] = rate_of(first.training.settings, first.state.step + 1, steps)
            for position, part, view in views:
                view.grad = gradients[position][part] if position in gradients else None
        self._opt.step()
        self._sums = sums if self._sums is None else self._sums + sums
        for member in members:
            member.state.step += 1

    def _losses(self, x: Tensor, along: int | None, noise: Sequence[torch.Generator], progress: float) -> Tensor:
        """Return the sums over the batch of the loss's terms and metrics: (models, names).

        `along` is 0 for x (models, B, *shape), and None for x (B, *shape) that all models share.
        """

        def one(index: Tensor, values: list[Tensor], x: Tensor, ready: list[Tensor]) -> Tensor:
            self._place(values)
            noises = EachDraws(self._rng, index, noise, None if drawings is None else (drawings, ready))
            with noises if drawings != [] else contextlib.nullcontext():
                loss = cast(Module, self._base).loss(Batch(x, progress=progress, rng=self._rng))
            if len(noises.drawn) < len(drawings or ()):
                raise OtherDrawsError
            self._drawings[kind] = noises.drawn
            self._names, self._n_terms = loss.names, len(loss.terms)
            return loss.sums

        index = torch.arange(len(noise), device=x.device)
        kind = self._base.training, x.shape
        drawings = self._drawings.get(kind)
        before = [own.get_state() for own in noise] if drawings else []
        ready = [drawn_by_each(drawing, noise) for drawing in drawings or ()]
        try:
            found: Tensor = vmap(one, in_dims=(0, 0, along, 0))(index, self._values, x, ready)
        except (OtherDrawsError, RuntimeError):  # vmap's, where it was to draw nothing
            if drawings is None:
                raise
            for own, state in zip(noise, before, strict=False):
                own.set_state(state)
            self._drawings.pop(kind)
            return self._losses(x, along, noise, progress)
        finally:
            self._place(self._values)  # what vmap made must not outlive it
        return found

    def _place(self, values: Sequence[Tensor]) -> None:
        """Put values where the base keeps its own."""
        for slots, value in zip(self._slots, values, strict=True):
            for holder, key in slots:
                holder[key] = value

    def _evaluate(self, size: int) -> list[dict[str, float] | None]:
        """Return what `evaluate` returns, for every model; None without validation data."""
        parts = [member.training.validation for member in self._members]
        held_out = [part for part in parts if part is not None]
        if not held_out:
            return [None] * len(parts)
        noise = [
            torch.Generator(part.device).manual_seed(seed_of(member.training.settings.seed, 3))
            for part, member in zip(held_out, self._members, strict=True)
        ]
        self._base.eval()
        shared = all(part.array is held_out[0].array for part in held_out)
        chunks: Iterable[Tensor] = (
            held_out[0].chunks(size)
            if shared
            else (torch.stack(xs) for xs in zip(*(part.chunks(size) for part in held_out), strict=True))
        )
        total: Tensor | None = None
        with torch.no_grad():
            for x in chunks:
                sums = self._losses(x, None if shared else 0, noise, 1.0).double()
                total = sums if total is None else total + sums
        assert total is not None
        return [Means(self._names, self._n_terms, sums, len(held_out[0])).read() for sums in total]

    def _tell_means(self, count: int) -> None:
        assert self._sums is not None
        for member, sums in zip(self._members, self._sums, strict=True):
            member.state.means = Means(self._names, self._n_terms, sums, count)

    def _stack(self) -> None:
        """Stack the weights; from now on the modules' own are views of the stack, and always as trained."""
        members = self._members = sorted(self._members, key=lambda member: member.training.settings.learning_rate)
        modules = [member.training.module for member in members]
        first = members[0].training
        self._rng = torch.Generator(first.data.device)
        self._base = copy.deepcopy(modules[0])
        several = zip(*(_tensors(module) for module in modules), strict=True)
        self._values = [torch.stack([_read(t).detach() for t in slots]) for slots in several]
        self._slots = _tensors(self._base)
        for value, (slot, *_) in zip(self._values, self._slots, strict=True):
            value.requires_grad_(_read([slot]).requires_grad)
        for places in zip(_numbers(self._base), *(_numbers(module) for module in modules), strict=True):
            numbers = [holder[key] for holder, key in places[1:]]
            if len(set(numbers)) > 1:
                self._slots.append([places[0]])
                self._values.append(torch.tensor(numbers, dtype=first.module.dtype, device=first.data.device))
        self._point()
        self._optimise({})
        for member in members:
            assert self._opt is not None
            member.at = State(member.training.module, self._opt, None, member.noise)

    def _point(self) -> None:
        """Let every module's tensors be its part of the stack."""
        for i, member in enumerate(self._members):
            for slots, value in zip(_tensors(member.training.module), self._values, strict=False):
                _read(slots).data = value.detach()[i]

    def _optimise(self, state: dict[int, dict[str, Tensor]]) -> None:
        """Make the optimiser: one over the whole stack, with a group for each learning rate.

        All optimisers here work number by number, so that a stack's step is that of its parts. `state` is by position
        of a value: what the optimiser keeps of it, (models, ...) each, or counts of steps.
        """
        settings = self._members[0].training.settings
        options: dict[str, Any] = {
            "momentum": settings.momentum, "adam_betas": settings.adam_betas, "weight_decay": settings.weight_decay
        }  # fmt: skip
        self._views, groups = [], []
        by_rate = groupby(range(len(self._members)), lambda i: self._members[i].training.settings.learning_rate)
        for rate, found in by_rate:
            indices = list(found)
            part = slice(indices[0], indices[-1] + 1)
            views = [
                (position, part, value.detach()[part].requires_grad_())
                for position, value in enumerate(self._values)
                if value.requires_grad
            ]
            self._views.append(views)
            groups.append({"params": [view for _, _, view in views], "lr": rate})
        self._opt = optimizer(settings.optimizer, cast(Any, groups), settings.learning_rate, **options)
        for position, part, view in (view for views in self._views for view in views):
            kept = state.get(position, {})
            if kept:
                self._opt.state[view] = {key: v[part].clone() if v.dim() else v.clone() for key, v in kept.items()}

    def _leave(self, leaving: Sequence[_Member]) -> None:
        """Take models out of the stack, each with the best weights it has seen; the others stay as they are."""
        leaving = [member for member in leaving if not member.ended]
        if not leaving or sys.is_finalizing():  # torch is half gone, and aborts
            return
        for member in leaving:
            module = member.training.module
            for slots in _tensors(module):
                _read(slots).data = _read(slots).data.clone()  # its own again
            if member.at is not None and member.at.best.weights:
                module.load_state_dict(member.at.best.weights)
            module.eval()
            member.ended = True
        kept = [i for i, member in enumerate(self._members) if not member.ended]
        self._members = [self._members[i] for i in kept]
        if self._opt is None or not kept or self._failure is not None:
            return
        state: dict[int, dict[str, Tensor]] = {}
        for several in zip(*self._views, strict=True):
            parts = [self._opt.state[view] for _, _, view in several]
            if parts[0]:
                state[several[0][0]] = {
                    key: torch.cat([own[key] for own in parts])[kept] if value.dim() else value
                    for key, value in parts[0].items()
                    if value is not None
                }
        self._values = [value.detach()[kept].requires_grad_(value.requires_grad) for value in self._values]
        self._sums = None if self._sums is None else self._sums[kept]
        self._point()
        self._optimise(state)


def fits(trainings: Sequence[Training]) -> bool:
    """Tell whether trainings are alike enough, small enough and long enough for `rehearse` to try them at once.

    Alike are those whose modules differ in values only, and whose settings differ in seed and learning rate only.
    Averaged weights, bfloat16, whose rounding would show, and other devices than the processor are left to `train`.
    """
    first = trainings[0]
    device, settings = first.data.device, first.settings
    steps = STEPS * (2 if first.validation is None else 3)
    return (
        len(trainings) > 1
        and device.type == "cpu"
        and settings.averaging is None
        and not lowered(first.module, settings.precision, device, first.size)
        and first.steps >= WORTH * steps
        and sum(p.numel() for training in trainings for p in training.module.parameters()) <= NUMBERS
        and len({_shape(training) for training in trainings}) == 1
    )


def rehearse(trainings: Sequence[Training]) -> bool | None:
    """Take the first steps both ways, on copies, and tell whether training at once is faster.

    Neither modules nor generators nor torch's global state are touched.

    Returns
    -------
    bool or None
        None where it cannot be done, or does not come to what each comes to alone.
    """
    rows = [STEPS * training.size + len(training.data) % training.size for training in trainings]
    alone, seconds = [], []
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # they come again where it is done in earnest
        try:
            _timed(trainings, rows)  # what torch does once in a process is done
            for training, n in zip(trainings, rows, strict=True):
                started = time.perf_counter()
                alone.append(_outcome(train(*_short(training, n))))
                seconds.append(time.perf_counter() - started)
            together, taken = _timed(trainings, rows)
        except Exception:  # vmap refuses in many ways; an error of the module's own comes again when it is trained
            return None
    if not all(_close(a, b) for a, b in zip(alone, together, strict=True)):
        return None
    return taken < GAIN * len(trainings) * float(np.median(seconds))


def _timed(trainings: Sequence[Training], rows: Sequence[int]) -> tuple[list[dict[str, float] | str], float]:
    """Return how the first steps come out for all at once, and the seconds that they take."""
    short = [_short(training, n) for training, n in zip(trainings, rows, strict=True)]
    lockstep = Lockstep()
    started = time.perf_counter()
    readers = [lockstep.train(*training) for training in short]
    for reader in readers:
        next(reader)
    found = [_outcome(reader) for reader in readers]
    return found, time.perf_counter() - started


def _short(training: Training, n: int) -> Training:
    """Return a copy that ends after the first `n` rows."""
    device, dtype = training.data.device, training.module.dtype
    return Training(
        copy.deepcopy(training.module).to(device),
        Rows(training.data.array[:n], device, dtype),
        replace(training.settings, epochs=1),
        None if training.validation is None else Rows(training.validation.array[:n], device, dtype),
    )


def _outcome(reports: Generator[Report, None, None]) -> dict[str, float] | str:
    """Return what the last report tells, or the error that ends training."""
    try:
        report = deque(reports, maxlen=1)[0]
    except DivergedError as error:
        return str(error)
    return {**report.train, **{f"validation {name}": value for name, value in (report.validation or {}).items()}}


def _close(a: dict[str, float] | str, b: dict[str, float] | str) -> bool:
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    scale = max(abs(value) for value in a.values())
    return a.keys() == b.keys() and all(abs(a[name] - b[name]) <= CLOSE * scale for name in a)


def _taken(data: Sequence[Rows], orders: Tensor) -> Tensor:
    """Return the rows at `orders` (models, B) of each model's data: (models, B, *shape)."""
    if all(rows.array is data[0].array for rows in data):
        x = data[0].take(orders.flatten())
        return x.reshape(*orders.shape, *x.shape[1:])
    return torch.stack([rows.take(order) for rows, order in zip(data, orders, strict=True)])


def _tensors(module: nn.Module) -> list[list[Slot]]:
    """Return the places of every parameter and buffer, those of a shared one together."""
    found: dict[int, list[Slot]] = {}
    for part in module.modules():
        for holder in (part._parameters, part._buffers):
            for key, value in holder.items():
                if value is not None:
                    found.setdefault(id(value), []).append((cast(dict[str, Any], holder), key))
    return list(found.values())


def _numbers(module: nn.Module) -> list[Slot]:
    """Return the places of the plain numbers that modules hold, such as a weight of the loss."""
    return [(vars(part), key) for part in module.modules() for key, v in vars(part).items() if type(v) is float]


def _read(slots: Sequence[Slot]) -> Tensor:
    holder, key = slots[0]
    value: Tensor = holder[key]
    return value


def _shape(training: Training) -> tuple[Any, ...]:
    """Return what must be the same of trainings at once."""
    module, data, settings, validation = training
    parts = []
    for name, part in module.named_modules():
        own = {key: "a number" if type(v) is float else v for key, v in vars(part).items() if key not in TORCHS}
        plain = re.sub(" at 0x[0-9a-f]+", "", repr(own))  # one's own functions and objects, by what they are
        parts.append((name, type(part), plain))
    tensors = [(t.shape, t.dtype, t.requires_grad) for t in map(_read, _tensors(module))]
    rows = [None if r is None else (r.array.shape, r.array.dtype, r.device, r.dtype) for r in (data, validation)]
    return (tuple(parts), tuple(tensors), tuple(rows), replace(settings, seed=0, learning_rate=1.0))


TORCHS = ("_parameters", "_buffers", "_modules")
"""What `torch.nn.Module` keeps in attributes of its own."""
