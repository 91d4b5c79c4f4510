"""The one training loop and what it is made of."""

from narrows.data.batches import Rows, subset
from narrows.training.checkpoints import EVERY, Checkpoints, fingerprint, interval
from narrows.training.loop import EPOCH, Report, Settings, Trainer, train

__all__ = [
    "EPOCH",
    "EVERY",
    "Checkpoints",
    "Report",
    "Rows",
    "Settings",
    "Trainer",
    "fingerprint",
    "interval",
    "subset",
    "train",
]
