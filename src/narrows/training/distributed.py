"""Training by several processes, each with a part of every batch: the global batch, its order and its noise stay.

Every rank has the whole module, computes the gradients of its samples, and sums them with those of the others before
the optimiser's step, as data parallelism does (Li et al. 2020, arXiv:2006.15704). A rank draws the noise of the global
batch and uses that of its samples, so that gradients do not depend on the number of ranks but for rounding.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from safetensors.numpy import load, save
from torch import Tensor
from torch.overrides import TorchFunctionMode

from narrows.data.batches import Batches
from narrows.errors import ConfigError, TrainingError
from narrows.module import Module
from narrows.training.rendezvous import met
from narrows.training.state import State

BEAT, SILENT = 1.0, 5.0
"""Seconds between two signs of life of a rank, and without one after which it counts as gone."""
ROWS = 4
"""Samples by which it is found out whether a loss is a sum over samples."""


@dataclass(frozen=True)
class Share:
    """The samples of a batch that a rank takes: positions [start, stop) of `total` from `first` on.

    A rank without any takes the first one with a weight of 0.
    """

    first: int
    start: int
    stop: int
    total: int
    weight: float = 1.0


@dataclass(frozen=True)
class Ranks:
    """The processes that train together, and which one this is."""

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> Ranks:
        """Return those that `joined` brought together, or this process alone."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    def share(self, start: int, stop: int) -> Share:
        """Return this rank's samples of those at [start, stop)."""
        total = stop - start
        first, last = start + self.rank * total // self.size, start + (self.rank + 1) * total // self.size
        if first == last:
            return Share(start, start, start + 1, total, 0.0)
        return Share(start, first, last, total)

    def drawing(self, share: Share) -> contextlib.AbstractContextManager[Any]:
        """Return where this rank's part of the batch's noise is drawn."""
        return contextlib.nullcontext() if self.size == 1 else GlobalDraws(share)

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Add to each tensor those of the other ranks."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        flat = flat.cuda() if dist.get_backend() == "nccl" else flat
        with _naming_who_is_gone(self):
            dist.all_reduce(flat)
        with torch.no_grad():
            for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def agree(self, state: State) -> None:
        """Give all ranks the state of the first one: that of its checkpoint, where it had one."""
        if self.size == 1:
            return
        content = b""
        if self.rank == 0:
            record = json.dumps(state.record(), default=float).encode()
            content = len(record).to_bytes(8, "little") + record + save(
                {name: np.ascontiguousarray(array) for name, array in state.tensors().items()}
            )  # fmt: skip
        device = state.noise.device
        length = torch.tensor([len(content)], dtype=torch.int64, device=device)
        with _naming_who_is_gone(self):
            dist.broadcast(length, 0)
            given = torch.frombuffer(bytearray(content or b"\0"), dtype=torch.uint8).to(device)
            message = given if self.rank == 0 else torch.empty(int(length), dtype=torch.uint8, device=device)
            dist.broadcast(message, 0)
        if self.rank:
            packed = message.cpu().numpy().tobytes()
            end = 8 + int.from_bytes(packed[:8], "little")
            state.restore(json.loads(packed[8:end]), {k: np.array(v) for k, v in load(packed[end:]).items()})

    def check(self, module: Module, data: Batches, layers: contextlib.AbstractContextManager[Any]) -> None:
        """Raise ConfigError where a sample's loss depends on the others of its batch, which ranks divide.

        Batch normalisation, codebooks and penalties of the batch's mean do. The loss of a few samples is compared with
        that of their halves, on a copy of the module.
        """
        if self.size == 1 or len(data) < ROWS:
            return
        names = list(module.phases())
        halves = [Share(0, start, start + ROWS // 2, ROWS) for start in (0, ROWS // 2)]
        for name in names:
            losses: list[Tensor] = []
            buffers: list[Tensor] = []
            for shares in ([Share(0, 0, ROWS, ROWS)], halves):
                parts = []
                for share in shares:
                    copy, rng = deepcopy(module).train(), torch.Generator(data.device).manual_seed(0)
                    batch = data.take(torch.arange(share.start, share.stop, device=data.device), rng=rng)
                    with GlobalDraws(share), deepcopy(layers):
                        parts.append(copy.loss(batch, name).total.detach())
                    buffers.append(
                        torch.cat([torch.zeros(1), *(b.detach().flatten().float().cpu() for b in copy.buffers())])
                    )
                losses.append(torch.cat(parts))
            same = torch.allclose(losses[0], losses[1], rtol=1e-4, atol=1e-5)
            if not same or any(not torch.allclose(buffers[0], each, rtol=1e-4, atol=1e-5) for each in buffers[1:]):
                raise ConfigError(
                    f"{type(module).__name__.removesuffix('Module')}: processes must be 1 for a loss that depends on "
                    f"the whole batch, as that of codebooks, batch normalisation and sparsity does; got {self.size}. "
                    "Train with one process, or choose another code, norm or penalty."
                )


class GlobalDraws(TorchFunctionMode):
    """While in here, noise of this rank's samples is cut out of that of all samples of the batch.

    What is drawn from a generator with as many values along an axis as the rank has samples is drawn for all of them;
    what has no such axis is the same on all ranks.
    """

    def __init__(self, share: Share) -> None:
        super().__init__()
        self.share = share

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch; noise for the rank's samples is a part of that for all."""
        kwargs = kwargs or {}
        if kwargs.get("generator") is None or func not in _DRAWS:
            return func(*args, **kwargs)
        lead, sizes = _sizes(func, args, kwargs)
        local = self.share.stop - self.share.start
        if local not in sizes:
            return func(*args, **kwargs)
        axis = sizes.index(local)
        start = self.share.start - self.share.first
        if func is torch.bernoulli:  # a number for each value, whatever its probability
            whole = torch.zeros(*sizes[:axis], self.share.total, *sizes[axis + 1 :], device=args[0].device)
            whole.narrow(axis, start, local).copy_(args[0])
            return func(whole, **kwargs).narrow(axis, start, local).to(args[0].dtype)
        kwargs = {name: value for name, value in kwargs.items() if name != "size"}
        drawn = func(*lead, (*sizes[:axis], self.share.total, *sizes[axis + 1 :]), **kwargs)
        return drawn.narrow(axis, start, local)


_DRAWS = (torch.rand, torch.randn, torch.randint, torch.bernoulli)


def _sizes(func: Any, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], list[int]]:
    """Return what comes before the size of what is drawn, and that size."""
    if func is torch.bernoulli:
        return (), list(args[0].shape)
    if "size" in kwargs:
        return tuple(args), list(kwargs["size"])
    if func is torch.randint:
        return tuple(args[:-1]), list(args[-1])
    return (), list(args[0] if len(args) == 1 and not isinstance(args[0], int) else args)


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """Join the processes that torchrun started, while in here; a process that it did not start is alone.

    gloo is what they speak on CPUs, and nccl on GPUs, of which each takes the one of its number.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or dist.is_initialized():
        yield Ranks.current()
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "nccl"
    # Its functions have the group as a default, taken when it is imported: imported later, by some part of torch, they
    # would keep the group and its threads beyond the end of `joined`, to a crash at the end of the process.
    from torch.distributed import nn  # noqa: F401

    store, rank, size = met()
    dist.init_process_group(backend, store=store, rank=rank, world_size=size)
    ranks, ended = Ranks.current(), threading.Event()
    beats = threading.Thread(target=_beat, args=(ranks, ended), name="narrows-ranks", daemon=True)
    beats.start()
    try:
        yield ranks
    finally:
        ended.set()
        beats.join(2 * BEAT)
        dist.destroy_process_group()


def _beat(ranks: Ranks, ended: threading.Event) -> None:
    """Give signs of life until the end."""
    store, key = _store(), f"narrows/{ranks.rank}"
    store.set(f"{key}/process", f"process {os.getpid()} on {platform.node()}")
    number = 0
    while not ended.wait(BEAT):
        number += 1
        with contextlib.suppress(RuntimeError):  # the store ends with the first of all processes
            store.set(key, str(number))


def _store() -> Any:
    """Return the store by which ranks know of one another; a connection of its own, since gloo waits on the other."""
    store: Any = dist.distributed_c10d._get_default_store()
    return store.clone()


@contextlib.contextmanager
def _naming_who_is_gone(ranks: Ranks) -> Iterator[None]:
    """Raise TrainingError with the ranks that are gone where those that are left cannot go on without them."""
    try:
        yield
    except RuntimeError as error:
        gone = _silent(ranks, range(ranks.size))
        what = " and ".join(gone) or f"another rank ({str(error).splitlines()[0][:100]})"
        raise TrainingError(
            f"rank {ranks.rank} must reach all ranks; {what} has ended. Resume from the checkpoint."
        ) from error


def _silent(ranks: Ranks, others: Iterable[int]) -> list[str]:
    """Return the ranks that give no sign of life for a while, in words."""

    def beats() -> dict[int, bytes]:
        return {rank: store.get(f"narrows/{rank}") for rank in others if store.check([f"narrows/{rank}"])}

    try:
        store = _store()
        before = beats()
        time.sleep(SILENT)
        after = beats()
        silent = [rank for rank in others if rank != ranks.rank and before.get(rank) == after.get(rank)]
        return [f"rank {rank} ({store.get(f'narrows/{rank}/process').decode()})" for rank in silent]
    except RuntimeError:  # the store was that of a rank that is gone
        return ["rank 0"]
