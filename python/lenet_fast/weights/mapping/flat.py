"""Arrays that have lost their axes: a kernel as one vector of all its numbers, or as the matrix of im2col.

A vector of 150 numbers may be six kernels of one map, or the biases of 150 units. So as many of a length are wanted as
the network has kernels of that many numbers, told from biases of that length by their names; and the order of the axes
that they had is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NoReturn

from ...budget import charge
from ...errors import refuse
from ..source import Tensors
from .places import Place
from .roles import is_bias


def without_axes(places: Sequence[Place], pool: Tensors) -> Tensors:
    """The arrays that can be the kernel of the first of these places, which are still to be filled."""
    charge("visits", 2 * len(pool))
    place, size = places[0], math.prod(places[0].shape)
    found = {name: array for name, array in pool.items() if array.size == size and array.squeeze().ndim <= 2}
    if len(place.shape) == 2:
        found = {name: array for name, array in found.items() if array.squeeze().ndim < 2}
    vectors = {name for name, array in found.items() if array.squeeze().ndim < 2}
    called_biases = {name for name in vectors if is_bias(name)}
    wanted = sum(math.prod(other.shape) == size for other in places)
    as_long = sum(other.bias != "" and other.shape[0] == size for other in places)
    if len(vectors - called_biases) > wanted or (vectors - called_biases and as_long > len(called_biases)):
        _refuse(place, size, sorted(vectors))
    return {name: array for name, array in found.items() if name not in called_biases}


def _refuse(place: Place, size: int, names: Sequence[str]) -> NoReturn:
    found = f"{', '.join(names[:12])} of {size:,}, whose names do not say which are biases"
    way_out = "pass the tensors under lenet_fast's names to lenet_fast.from_state_dict"
    refuse(place.name, f"one vector of the {size:,} numbers of {place.shape}", found, way_out)
