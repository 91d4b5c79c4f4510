"""The pictures: grids of samples, curves, and maps of codes.

Images are put together pixel by pixel (whole-number scale, no smoothing), so that what is seen is what the model made.
Everything else is drawn by matplotlib without its global state, so that pictures can be made in any thread. Every
function returns a Pillow image; matplotlib and Pillow are imported when the first picture is made.

style.py       what all pictures share
samples.py     samples as pixels: versions under each other, galleries
plane.py       samples in a grid whose rows and columns mean something
captions.py    samples with a caption under each
scatter.py     points in a plane and in space, with a model's reconstructions
points.py      tables and sequences
charts.py      curves, maps of codes
tables.py      drawn rows of a table beside real ones
thumbnails.py  samples as thumbnails in a map
sweep.py       values with their spread, and along a parameter that is swept
notebook.py    what a notebook shows of a model and of a run
"""

from narrows.figures.captions import sheet, signed, total
from narrows.figures.charts import curves, latent_map
from narrows.figures.plane import plane, rows
from narrows.figures.samples import LARGEST, compare, gallery, is_image, levels_of, limits_of, room, scaled
from narrows.figures.scatter import cloud, codes
from narrows.figures.sweep import Line, bars, sweep
from narrows.figures.tables import CORRELATED, RealAndDrawn, synthesis
from narrows.figures.thumbnails import thumbnail_map

__all__ = [
    "CORRELATED", "LARGEST", "Line", "RealAndDrawn", "bars", "cloud", "codes", "compare", "curves", "gallery",
    "is_image", "latent_map", "levels_of", "limits_of", "plane", "room", "rows", "scaled", "sheet", "signed", "sweep",
    "synthesis", "thumbnail_map", "total",
]  # fmt: skip
