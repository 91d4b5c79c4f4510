"""The pictures: grids of samples, curves, and maps of codes.

Images are put together pixel by pixel (whole-number scale, no smoothing), so that what is seen is what the model made.
Everything else is drawn by matplotlib without its global state, so that pictures can be made in any thread. Every
function returns a Pillow image; matplotlib and Pillow are imported when the first picture is made.

style.py     what all pictures share
samples.py   samples as pixels: versions under each other, galleries
points.py    tables and sequences
charts.py    curves, maps of codes
"""

from narrows.figures.charts import curves, latent_map
from narrows.figures.samples import compare, gallery, room

__all__ = ["compare", "curves", "gallery", "latent_map", "room"]
