"""The penalty axis: what is added to an autoencoder's objective; any number of penalties, by name or as objects."""

from narrows.components import Axis
from narrows.penalties.adversarial import Adversarial
from narrows.penalties.base import L1, Contractive, Penalty, PenaltyLayer, Sparsity

__all__ = ["L1", "PENALTIES", "Adversarial", "Contractive", "Penalty", "PenaltyLayer", "Sparsity"]

PENALTIES = Axis("penalty", {"sparsity": Sparsity, "l1": L1, "contractive": Contractive, "adversarial": Adversarial})
