"""Draw the same samples from the saved model in a new process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Outcome, Step, Subject
from narrows.errors import TrainingError
from narrows.params import model, param

__all__ = ["Regenerate"]

DRAW = """
import sys
import numpy
import narrows
folder, target, n, seed = sys.argv[1:]
numpy.save(target, narrows.load(folder).sample(int(n), seed=int(seed)), allow_pickle=False)
"""
"""What the new process does."""


@model
class Regenerate(Step):
    """Draw samples here and, from the saved model, in a new process, and compare them."""

    n: int = param(10, "How many samples.", low=1, high=100)
    seed: int = param(0, "Of the draw.", low=0)

    def run(self, subject: Subject) -> Outcome:
        """Do it."""
        here = subject.model.sample(self.n, seed=self.seed)
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "samples.npy"
            arguments = [str(subject.run.folder.resolve()), str(target), str(self.n), str(self.seed)]
            # Our own interpreter and our own words: nothing of this comes from a file.
            ended = subprocess.run(  # noqa: S603
                [sys.executable, "-c", DRAW, *arguments], capture_output=True, text=True, check=False
            )
            if ended.returncode:
                last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
                raise TrainingError(f"Regenerate: the new process must end well; it said {last!r}.")
            there = np.load(target, allow_pickle=False)
        picture = subject.draw("regenerated.png", figures.compare({"this process": here, "a new one": there}))
        return Outcome({"largest difference": float(np.abs(here - there).max())}, (picture,))
