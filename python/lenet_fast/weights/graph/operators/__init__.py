"""The canonical operators: one table, in which the meaning of each stands once.

What a format calls them and how it spells their attributes is its reader's table. Here is what they do to the image's
values, which become operations of a `Trace`, and to constants, which NumPy computes.
"""

from __future__ import annotations

from . import conv_pool, dense_rbf, elementwise, heads, shapes
from .call import Call, Operator

__all__ = ["OPERATORS", "Call", "Operator"]

OPERATORS: dict[str, Operator] = {
    **conv_pool.OPERATORS,
    **dense_rbf.OPERATORS,
    **elementwise.OPERATORS,
    **shapes.OPERATORS,
    **heads.OPERATORS,
}
