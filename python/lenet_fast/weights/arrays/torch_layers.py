"""What the layers of a pickled PyTorch module say of themselves: what they are, though not in which order they compute.

That is in the forward() of the module's class, which is code and not in the file; what forward() calls by itself, such
as torch.relu, is not there either.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

from ...errors import refuse
from ..said import WINDOWS, Said
from . import pickled_arrays
from .pickled import Call

#: A setting in a sentence; parts of a tuple may be shared, so that all of it would have no end.
_SHALLOW = reprlib.Repr()
_SHALLOW.maxlevel = 1
MODULES = "torch.nn.modules."
_WANTED: dict[str, tuple[tuple[str, tuple[Any, ...]], ...]] = {
    "Conv2d": (("stride", (1, (1, 1))), ("dilation", (1, (1, 1))), ("groups", (1,))),
    "MaxPool2d": (("kernel_size", (2, (2, 2))), ("stride", (2, (2, 2), None)), ("padding", (0, (0, 0)))),
    "AvgPool2d": (("kernel_size", (2, (2, 2))), ("stride", (2, (2, 2), None)), ("padding", (0, (0, 0)))),
}


def said_in(tree: Any) -> Said:
    """What the layers in a pickle say; refuses those that we do not have."""
    said, paddings = Said("in its modules"), list[int | None]()

    def look(value: Any) -> None:
        if isinstance(value, Call) and value.path.startswith(MODULES) and isinstance(value.state, dict):
            kind = value.path.rpartition(".")[2]
            _check(kind, value.state)
            _refuse_slopes_of_their_own(kind)
            said.note(kind, slope_of(value.state) if kind == "LeakyReLU" else None)
            if kind == "Conv2d":
                paddings.append(_padding(value.state.get("padding")))

    pickled_arrays.named(tree, look)
    if len(paddings) > 1 and None not in paddings:  # a lone one may stand beside functions that pad otherwise
        said.paddings = {padding for padding in paddings if padding is not None}
    return said


def _check(kind: str, state: Mapping[Any, Any]) -> None:
    for key, wanted in _WANTED.get(kind, ()):
        value = tuple(state[key]) if isinstance(state.get(key), list) else state.get(key, wanted[0])
        if value not in wanted:
            refuse(kind, f"{key} {wanted[0]}", _SHALLOW.repr(value), WINDOWS)


def _refuse_slopes_of_their_own(kind: str) -> None:
    if kind == "PReLU":
        way_out = "pass the live module to lenet_fast.from_torch, or export it to ONNX"
        refuse(kind, "activations without a slope that is trained", kind, way_out)


def slope_of(state: Mapping[Any, Any]) -> float | None:
    """The slope of a LeakyReLU; PyTorch's own where the module has none; None for what is no number."""
    slope = state.get("negative_slope", 0.01)
    return float(slope) if isinstance(slope, float) or (type(slope) is int and abs(slope) <= 1) else None


def _padding(value: Any) -> int | None:
    """How a convolution pads on all sides, as a number, two equal ones or a word."""
    if isinstance(value, str):
        return {"same": 2, "valid": 0}.get(value)
    pair = tuple(value) if isinstance(value, (list, tuple)) else (value, value)
    return pair[0] if len(pair) == 2 and type(pair[0]) is type(pair[1]) is int and pair[0] == pair[1] else None
