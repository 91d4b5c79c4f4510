"""Sweeps: one model trained with every combination of some parameters' values and several seeds, in one table."""

from narrows.sweeps.sweep import BASELINES, ELBO, Row, Sweep, Trained, written

__all__ = ["BASELINES", "ELBO", "Row", "Sweep", "Trained", "written"]
