"""`narrows train` up to its first step, and no further. A process of its own is timed, from its start to its end."""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

from narrows.cli.app import main, training

data_of = training.data_of


def stop(*_: object) -> None:
    os._exit(0)


def watched(plan: training.Plan) -> Any:
    """Load the data, and see to it that the first step ends all; torch is there by now, and was not at the start."""
    from narrows.training import loop

    made = loop.optimizer

    def stopped(*given: Any, **options: Any) -> Any:
        found = made(*given, **options)
        found.step = stop  # type: ignore[method-assign]
        return found

    loop.optimizer = stopped
    return data_of(plan)


training.data_of = watched
with tempfile.TemporaryDirectory() as folder:
    main(["train", "vae", "--data", "mnist-5k", "--out", folder])
sys.exit("the training took no step")
