"""Following a graph whose file may not say how large its images are: the first size that all of it fits.

Whatever a damaged graph makes Python or NumPy raise on the way becomes a WeightsError here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from ..errors import WeightsError
from ..operations import Affine, Conv, Pool
from .trace import Trace, refuse

#: Sides of images to try.
SIDES = (28, 32)
#: Of a graph; a LeNet has some dozens.
MOST_LAYERS = 500

_Candidate = TypeVar("_Candidate")
_CONTRADICTIONS = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError,
)  # fmt: skip


def followed(
    name: str, form: str, follow: Callable[[Trace, _Candidate], None], candidates: Sequence[_Candidate]
) -> Trace:
    """Trace a graph with the first candidate that fits; otherwise the error of the one that came furthest."""
    furthest, wrong = -1, WeightsError(f"wanted images of some size in this {form} model, found none to try")
    for candidate in candidates:
        trace = Trace()
        try:
            with np.errstate(all="ignore"):
                follow(trace, candidate)
            _check_ends(trace)
            return trace
        except WeightsError as error:
            found = error
        except _CONTRADICTIONS as error:
            found = WeightsError(f"wanted a valid {form} graph, found a contradiction in it ({error!r})")
        if len(trace.steps) > furthest:
            furthest, wrong = len(trace.steps), found
    raise WeightsError(f"{name}: {wrong}") from wrong


def _check_ends(trace: Trace) -> None:
    first = next((step for step in trace.steps if not isinstance(step.operation, Affine)), None)
    if first is None or not isinstance(first.operation, (Conv, Pool)):
        found = "none" if first is None else type(first.operation).__name__.lower()
        refuse(first.where if first else "graph", "a convolution as the first layer", found, "this is no LeNet")
    if trace.maps and trace.maps[1:] != (1, 1):
        found = f"maps of {trace.maps[1]}x{trace.maps[2]}"
        refuse(
            trace.steps[-1].where, "scores as the end of the graph", found, "the file is truncated, or this is no LeNet"
        )
