"""A module of one number, and what trains it."""

from typing import Any

import numpy as np
import torch
from torch import nn

from narrows.data.arrays import Arrays
from narrows.data.batches import Batches
from narrows.data.schema import Schema
from narrows.module import MAIN, CodeSpec, Loss, Module
from narrows.training import Settings, train

DATA = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
CPU = torch.device("cpu")


def rows_of(X):
    """Return batches of an array as it is."""
    return Batches(Arrays(X), Schema.of(X, scale=None), CPU)


class Line(Module):
    """Half the squared distance of x W from x: something to train that fits on one line."""

    code = CodeSpec((3,))

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(3) * 0.1)
        self.seen = []

    def encode(self, batch):
        return batch.x @ self.weight

    def decode(self, z, batch=None):
        return z

    def loss(self, batch, phase=MAIN):
        self.seen.append((batch.x.clone(), batch.progress))
        return Loss({"reconstruction": ((batch.x - self.encode(batch)) ** 2).sum(1) / 2})


def trained(data=DATA, validation=None, **settings: Any):
    module = Line()
    held_out = None if validation is None else rows_of(validation)
    reports = list(train(module, rows_of(data), Settings(**settings), held_out))
    return module, reports
