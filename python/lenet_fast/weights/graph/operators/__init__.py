"""The canonical operators: one table, in which the meaning of each stands once.

What a format calls them and how it spells their attributes is its reader's table. Here is what they do to the image's
values, which become operations of a `Trace`, and to constants, which NumPy computes.
"""

from __future__ import annotations

from . import elementwise, ends, full, maps, moves
from .call import Call, Operator

__all__ = ["OPERATORS", "Call", "Operator"]

OPERATORS: dict[str, Operator] = {
    **maps.OPERATORS,
    **full.OPERATORS,
    **elementwise.OPERATORS,
    **moves.OPERATORS,
    **ends.OPERATORS,
}
