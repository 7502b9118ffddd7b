"""What a network costs, before anything is made for it."""

from __future__ import annotations

from math import prod

from ..budget import need
from ..network import Network


def afford(network: Network) -> None:
    """Count a network against the budget; OverBudgetError if its parameters, its work or its memory are too much."""
    need("parameters", sum(map(prod, network.parameters.values())))
    need("multiply_adds", sum(figures.multiply_adds for figures in network.figures))
    need("memory", network.core.memory())
