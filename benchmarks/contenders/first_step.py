"""`narrows train` up to its first step, and no further. A process of its own is timed, from its start to its end."""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

from narrows.cli.app import main
from narrows.cli.config import Plan

dataset_of = Plan.dataset


def stop(*_: object) -> None:
    os._exit(0)


def dataset(plan: Plan) -> Any:
    """Load the data, and see to it that the first step ends all; torch is there by now, and was not at the start."""
    from narrows.training import loop

    made = loop.optimizer

    def stopped(*given: Any, **options: Any) -> Any:
        optimizer = made(*given, **options)
        optimizer.step = stop  # type: ignore[method-assign]
        return optimizer

    loop.optimizer = stopped
    return dataset_of(plan)


Plan.dataset = dataset  # type: ignore[method-assign]
with tempfile.TemporaryDirectory() as folder:
    main(["train", "vae", "--data", "mnist-5k", "--out", folder])
sys.exit("the training took no step")
