"""Vectors: biases by their layers' names, and the pairs of trainable subsampling.

Shapes tell little here: many vectors are as long as each other. So the stem of a name decides, which a layer's arrays
share (conv1 of conv1.weight and conv1.bias); two vectors that share theirs with no kernel are subsampling's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...budget import charge
from ...errors import OpenQuestionError, refuse
from ...network import Network, Subsample2x2
from ..names import natural
from ..source import Tensors
from .answers import COEFFICIENTS
from .foreign import GRAPH_WANTED
from .places import Filled, Place
from .roles import is_bias, is_factor, stem

#: What makes a coefficient one of the sum of four values, as ours are.
_FACTORS = {"sum": 1.0, "mean": 0.25}


# --- trainable subsampling ---


def pairs(network: Network, pool: Tensors, kernels: Mapping[str, Filled], meaning: str | None) -> dict[str, Filled]:
    """Coefficients and biases of trainable subsampling; `meaning` is "sum" or "mean", or None if nobody said so."""
    found: dict[str, Filled] = {}
    taken = {stem(filled.names[0]) for filled in kernels.values()}
    for layer, figures in zip(network.layers, network.figures, strict=True):
        if isinstance(layer, Subsample2x2) and figures.parameters:
            (coefficient, shape), (bias, _) = figures.parameters.items()
            charge("visits", 3 * len(pool))
            without_kernel = {name: array for name, array in pool.items() if stem(name) not in taken}
            names = _pair(coefficient, shape[0], without_kernel)
            scaled = pool.pop(names[0]).astype(np.float64).ravel() * _factor(meaning, names[0])
            found[coefficient] = Filled(np.broadcast_to(scaled, shape), names[:1])
            found[bias] = Filled(np.broadcast_to(pool.pop(names[1]).ravel(), shape), names[1:])
    return found


def _pair(coefficient: str, size: int, pool: Tensors) -> tuple[str, str]:
    """The first two vectors that share a stem, of which one is called a bias and one is not, that one first."""
    stems: dict[str, list[str]] = {}
    for name, array in pool.items():
        if array.size in (size, 1):
            stems.setdefault(stem(name), []).append(name)
    for names in stems.values():
        if len(names) == 2 and is_bias(names[0]) != is_bias(names[1]):
            first, second = sorted(names, key=is_bias)
            return first, second
    wanted = f"coefficients and biases of trainable subsampling, two vectors of {size}"
    way_out = "name the network without trainable subsampling, or pass the tensors under lenet_fast's names to lenet_fast.from_state_dict"  # noqa: E501
    refuse(coefficient, wanted, "none that are named as such", way_out)


def _factor(meaning: str | None, source: str) -> float:
    if meaning is None:
        wanted = "to know whether coefficients are on the sum of four values or on their mean"
        way_out = "pass coefficients='sum' (as in the 1998 paper) or 'mean' (average pooling)"
        raise OpenQuestionError(
            source, wanted, "nothing that tells", way_out, keyword="coefficients", choices=COEFFICIENTS
        )
    return _FACTORS[meaning]


# --- biases ---


def biases(places: Sequence[Place], pool: Tensors, kernels: Mapping[str, Filled]) -> dict[str, Filled]:
    """The biases of convolutions and full connections: by layer name, then size and order; zeros if absent."""
    found: dict[str, Filled] = {}
    still_open: list[Place] = []
    for place in places:
        if not place.bias:
            continue
        if twin := _twin(place, pool, kernels[place.name].names[0]):
            found[place.bias] = Filled(pool.pop(twin).ravel(), (twin,))
        else:
            still_open.append(place)
    for size in {place.shape[0] for place in still_open}:
        found |= _in_order([place.bias for place in still_open if place.shape[0] == size], size, pool)
    for place in still_open:
        found.setdefault(place.bias, Filled(np.zeros(place.shape[0], np.float32), ("absent: zeros",)))
    return found


def _twin(place: Place, pool: Tensors, kernel: str) -> str | None:
    """The only vector of the right size whose name has the stem of the kernel's."""
    charge("visits", 3 * len(pool))
    shared = stem(kernel)
    twins = [name for name, array in pool.items() if stem(name) == shared and array.size == place.shape[0]]
    return twins[0] if len(twins) == 1 and (shared or len(pool) == 1) else None


def _in_order(places: Sequence[str], size: int, pool: Tensors) -> dict[str, Filled]:
    """As many vectors of one size as places, in the natural order of their names."""
    vectors = [name for name, array in pool.items() if array.size == size and array.squeeze().ndim <= 1]
    vectors = [name for name in vectors if not is_factor(name)]
    if not vectors:
        return {}
    if len(vectors) > len(places):
        found = f"{len(vectors)} ({', '.join(vectors)}), perhaps of batch normalisation"
        wanted = f"{len(places)} bias vector{'s' * (len(places) > 1)} of {size}"
        refuse(places[0], wanted, found, GRAPH_WANTED)
    if len(vectors) < len(places):
        found = f"{len(vectors)} ({', '.join(vectors)}) whose names do not say which is which"
        way_out = "pass the tensors under lenet_fast's names to lenet_fast.from_state_dict"
        refuse(places[0], f"{len(places)} bias vectors of {size}", found, way_out)
    ordered = zip(places, sorted(vectors, key=natural), strict=True)
    return {place: Filled(pool.pop(vector).ravel(), (vector,)) for place, vector in ordered}
