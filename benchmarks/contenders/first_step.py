"""`narrows train` up to its first step, and no further. A process of its own is timed, from its start to its end."""

from __future__ import annotations

import os
import sys
import tempfile

from torch.optim.optimizer import register_optimizer_step_pre_hook

from narrows.cli import main


def stop(*_: object) -> None:
    os._exit(0)


register_optimizer_step_pre_hook(stop)
with tempfile.TemporaryDirectory() as folder:
    main(["train", "vae", "--data", "mnist-5k", "--out", folder])
sys.exit("the training took no step")
