"""The same samples drawn from the saved model in a new process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from narrows import figures
from narrows.analyses.analysis import Analysis, Result, Subject
from narrows.errors import TrainingError
from narrows.params import model, param

DRAW = """
import sys
import numpy
import narrows
folder, target, n, seed = sys.argv[1:]
numpy.save(target, narrows.load(folder).sample(int(n), seed=int(seed)), allow_pickle=False)
"""
"""The program of the new process."""


@model
class Regenerate(Analysis):
    """Draw samples in this process and, from the saved model, in a new one, and compare them."""

    n: int = param(10, "Number of samples.", low=1, high=100)
    seed: int = param(0, "Of the draw.", low=0)

    def run(self, subject: Subject) -> Result:
        """Run the analysis."""
        samples = np.asarray(subject.model.sample(self.n, seed=self.seed))
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "samples.npy"
            arguments = [str(subject.run.folder.resolve()), str(target), str(self.n), str(self.seed)]
            # The same interpreter and a constant program: nothing of this comes from a file.
            process = subprocess.run(  # noqa: S603
                [sys.executable, "-c", DRAW, *arguments], capture_output=True, text=True, check=False
            )
            if process.returncode:
                last = (process.stderr.strip().splitlines() or ["no message"])[-1]
                raise TrainingError(f"Regenerate: the new process must end without an error; it ended with {last!r}.")
            others = np.load(target, allow_pickle=False)
        picture = subject.draw("regenerated.png", figures.compare({"this process": samples, "a new one": others}))
        difference = np.abs(samples.astype(np.float64) - others).max()
        return Result({"largest difference": float(difference)}, (picture,))
