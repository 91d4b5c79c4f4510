"""Analyses of a finished run, for the command line and for recipes alike: one class each, in a file of its own."""

from narrows.analyses.analysis import Analysis, Result, Subject
from narrows.analyses.cloud import Cloud
from narrows.analyses.combination import Combine
from narrows.analyses.components import Components
from narrows.analyses.denoising import Denoise
from narrows.analyses.epochs import Epochs
from narrows.analyses.features import Features
from narrows.analyses.gallery import Gallery
from narrows.analyses.interpolation import Interpolate
from narrows.analyses.latent_map import Map
from narrows.analyses.ranks import Ranks
from narrows.analyses.recognition import Recognise
from narrows.analyses.regeneration import Regenerate
from narrows.analyses.scan import Scan
from narrows.analyses.surface import Codes
from narrows.analyses.traversal import Traverse

__all__ = ["ANALYSES", "Analysis", "Result", "Subject"]

ANALYSES: dict[str, type[Analysis]] = {
    analysis.__name__.lower(): analysis
    for analysis in (
        Denoise, Map, Recognise, Regenerate, Scan, Traverse, Interpolate, Combine, Cloud, Codes, Components, Ranks,
        Features, Gallery, Epochs,
    )
}  # fmt: skip
"""Command -> analysis."""
