"""How long to train where `epochs="auto"`, what to hold out then, and how many threads a step is worth.

All of it follows from the sizes of the data and of the module, never from a clock: the same seed gives the same weights
on a busy machine.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator
from functools import cache
from typing import Any

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import nn

from narrows.data.arrays import Array
from narrows.data.batches import Batches
from narrows.module import Module
from narrows.training.report import Report

STEPS, LIGHT = 2000, 2 * 10**11
"""Steps that training takes unless the data are very small or large: a quarter of them where that is more work."""
FEWEST, MOST = 15, 200
"""Epochs: at least, unless the work is too much; at most, however few steps an epoch has."""
PATIENCE = 1 / 4
"""Share of the epochs without a better validation loss after which training ends."""
WORK = 3 * 10**12
"""Multiplications in all, beyond which epochs are fewer: a minute or two on two cores."""
LONGEST = 100_000
"""Steps in all, likewise: a step has a cost of its own."""
HELD_OUT = (100, 10_000)
"""Samples that are held out: a tenth, but so many at least and at most; never more than a quarter."""
FEW = 20
"""Held-out samples that are too few to choose a number of steps by."""
SMALL = 5 * 10**7
"""Multiplications in a step below which a second thread costs more than it gains."""


def held_out(n: int, seed: int) -> tuple[Array, Array] | None:
    """Return the positions of the samples to train on and of those held out, ascending; None for fewer than 4."""
    size = size_held_out(n)
    return apart(n, size, seed) if size else None


def size_held_out(n: int) -> int:
    """Return how many of n samples are held out; 0 of fewer than 4."""
    low, high = HELD_OUT
    return min(max(n // 10, low), high, n // 4)


def costly(held: int, n: int) -> bool:
    """Return whether the samples held out, of n, are too many not to be trained on in the end: more than a tenth.

    Of very few, nobody can say how long to train for.
    """
    return held >= FEW and 10 * held > n


def apart(n: int, size: int, seed: int) -> tuple[Array, Array]:
    """Return the positions of n - size samples and of `size` others, drawn with a seed, ascending."""
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[size:]), np.sort(order[:size])


def auto_epochs(n: int, batch_size: int | None, multiplications: int) -> int:
    """Return the epochs for n samples, from the multiplications that a sample takes in training."""
    steps = math.ceil(n / min(batch_size or n, n))
    passes = math.ceil(STEPS / steps)
    if passes * n * multiplications > LIGHT:
        passes = math.ceil(STEPS / 4 / steps)
    epochs = min(max(passes, FEWEST), MOST)
    return max(1, min(epochs, WORK // max(1, n * multiplications), LONGEST // steps))


def multiplications(module: Module, data: Batches) -> int:
    """Return about how many multiplications by weights one sample takes in a step of training.

    They are counted in one pass, of which gradients cost twice as much again.
    """
    total = 0

    def count(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal total
        first = output[0] if isinstance(output, tuple) else output
        wide = first if not isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d) else inputs[0]
        weights = sum(p.numel() for p in layer.parameters(recurse=False) if p.dim() > 1)
        # Convolutions and recurrent layers multiply by their weights at every position.
        positions = math.prod(wide.shape[2:]) if "Conv" in type(layer).__name__ else math.prod(wide.shape[1:-1])
        total += weights * positions

    layers = [layer for layer in module.modules() if any(p.dim() > 1 for p in layer.parameters(recurse=False))]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            module.loss(data.take(torch.zeros(1, dtype=torch.int64, device=data.device)))
    finally:
        module.train(training)
        for hook in hooks:
            hook.remove()
    return 3 * total


def on_one_thread(reports: Generator[Report, None, None]) -> Generator[Report, None, None]:
    """Yield reports of a training whose steps run on one thread, though others may run on more meanwhile.

    On a busy machine two threads wait for each other in every product of a small step, which takes several times as
    long. Only the thread that reads the reports is limited, and only while training is at work.
    """
    pools = _pools()
    with contextlib.closing(reports):
        while True:
            with pools.limit(limits=1):
                report = next(reports, None)
            if report is None:
                return
            yield report


def use_one_thread() -> None:
    """Let this thread compute by itself: helpers cost more than they gain in small products, and others may wait."""
    torch.get_num_threads()  # sets the number of this thread's helpers when it is first asked for
    _pools().limit(limits=1)


@cache
def _pools() -> ThreadpoolController:
    """Return torch's threads; to look for them among the libraries of the process takes as long as a small step."""
    return ThreadpoolController().select(user_api="openmp")
