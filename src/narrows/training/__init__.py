"""The one training loop and what it is made of."""

from narrows.training.checkpoints import Checkpoints, fingerprint
from narrows.training.loop import EPOCH, Report, Settings, train
from narrows.training.rows import Rows, subset

__all__ = ["EPOCH", "Checkpoints", "Report", "Rows", "Settings", "fingerprint", "subset", "train"]
