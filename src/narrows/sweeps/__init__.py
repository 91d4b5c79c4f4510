"""Sweeps: one model trained with every combination of some parameters' values and several seeds, in one table.

sweep.py      Sweep: what is trained, and how
measures.py   what is measured of every run
table.py      rows, CSV, picture
"""

from narrows.sweeps.measures import BASELINES, ELBO
from narrows.sweeps.sweep import Sweep
from narrows.sweeps.table import Row, Trained

__all__ = ["BASELINES", "ELBO", "Row", "Sweep", "Trained"]
