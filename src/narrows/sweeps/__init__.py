"""Sweeps: one model trained with every combination of some parameters' values and several seeds, in one table.

sweep.py      Sweep: what is trained, and how
measures.py   what is measured of every run
table.py      rows, CSV, picture
study.py      Study: the same trainings shared by workers, on one machine or many
storage.py    where its trials are
"""

from narrows.sweeps.measures import BASELINES, ELBO
from narrows.sweeps.study import Study
from narrows.sweeps.sweep import Sweep
from narrows.sweeps.table import Row, Trained
from narrows.sweeps.trials import Range

__all__ = ["BASELINES", "ELBO", "Range", "Row", "Study", "Sweep", "Trained"]
