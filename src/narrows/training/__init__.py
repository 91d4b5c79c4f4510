"""The one training loop and what it is made of."""

from narrows.training.checkpoints import EVERY, Checkpoints, fingerprint, interval
from narrows.training.loop import EPOCH, Report, Settings, train
from narrows.training.rows import Rows, subset

__all__ = [
    "EPOCH",
    "EVERY",
    "Checkpoints",
    "Report",
    "Rows",
    "Settings",
    "fingerprint",
    "interval",
    "subset",
    "train",
]
