"""The one training loop and what it is made of."""

from narrows.training.checkpoints import EVERY, Checkpoints, fingerprint, interval
from narrows.training.lockstep import Lockstep, Training, fits, rehearse
from narrows.training.loop import EPOCH, Report, Settings, Trainer, train
from narrows.training.rows import Rows, subset

__all__ = [
    "EPOCH",
    "EVERY",
    "Checkpoints",
    "Lockstep",
    "Report",
    "Rows",
    "Settings",
    "Trainer",
    "Training",
    "fingerprint",
    "fits",
    "interval",
    "rehearse",
    "subset",
    "train",
]
