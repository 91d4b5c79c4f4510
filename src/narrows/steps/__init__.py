"""What can be done with a finished run, by the command line and by recipes alike: one class each.

subject.py      a run with its model and data; what a step is and what it finds
denoising.py    denoise
"""

from narrows.steps.denoising import Denoise
from narrows.steps.subject import Outcome, Step, Subject

__all__ = ["STEPS", "Outcome", "Step", "Subject"]

STEPS: dict[str, type[Step]] = {
    "denoise": Denoise,
}
"""Name -> step; the name is its command."""
