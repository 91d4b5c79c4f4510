"""The one training loop and what it is made of."""

from narrows.training.checkpoints import EVERY, Checkpoints, fingerprint, interval
from narrows.training.loop import Settings, Trainer, train
from narrows.training.report import EPOCH, Report

__all__ = ["EPOCH", "EVERY", "Checkpoints", "Report", "Settings", "Trainer", "fingerprint", "interval", "train"]
