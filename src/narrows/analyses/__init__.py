"""What can be done with a finished run, by the command line and by recipes alike: one class each.

subject.py      a run with its model and data; what a step is and what it finds
latent.py       what steps ask of a model's codes
denoising.py    denoise
mapping.py      map
recognition.py  recognise
plane.py        scan, traverse
regenerating.py regenerate
mixing.py       interpolate, combine
expression.py   sums of samples as one writes them
linear.py       cloud, codes
basis.py        components, ranks, features
looking.py      gallery, epochs
"""

from narrows.analyses.analysis import Outcome, Step, Subject
from narrows.analyses.basis import Components, Features, Ranks
from narrows.analyses.denoise import Denoise
from narrows.analyses.gallery import Epochs, Gallery
from narrows.analyses.interpolation import Combine, Interpolate
from narrows.analyses.map import Map
from narrows.analyses.plane import Scan, Traverse
from narrows.analyses.recognition import Recognise
from narrows.analyses.regenerate import Regenerate
from narrows.analyses.subspace import Cloud, Codes

__all__ = ["STEPS", "Outcome", "Step", "Subject"]

STEPS: dict[str, type[Step]] = {
    "denoise": Denoise,
    "map": Map,
    "recognise": Recognise,
    "regenerate": Regenerate,
    "scan": Scan,
    "traverse": Traverse,
    "interpolate": Interpolate,
    "combine": Combine,
    "cloud": Cloud,
    "codes": Codes,
    "components": Components,
    "ranks": Ranks,
    "features": Features,
    "gallery": Gallery,
    "epochs": Epochs,
}
"""Name -> step; the name is its command."""
