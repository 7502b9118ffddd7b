"""Kernels that a file keeps one tensor per map: conv1.0, conv1.1, ... for one layer of as many maps.

Two layers of one map each (features.0, features.3) look the same. So both readings are given, and the network that is
filled decides: it has one layer of two maps, or two of one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ..names import natural
from ..source import Tensors

_VISITS = 3  # to look at a name


def whole_or_pieces(tensors: Tensors) -> list[Tensors]:
    """The tensors with all that can be pieces of a kernel or a bias joined, if there are any; and as they are."""
    instead: dict[str, Tensors] = {}
    for pattern, names in _runs(tensors).items():
        joined = _joined([tensors[name] for name in sorted(names, key=natural)])
        if joined is not None:
            instead |= {name: {} for name in names} | {names[0]: {pattern: joined}}
    if not instead:
        return [tensors]
    whole: Tensors = {}
    for name, array in tensors.items():
        whole.update(instead.get(name, {name: array}))
    return [whole, tensors]


def _runs(tensors: Tensors) -> dict[str, list[str]]:
    """The names that differ in their last number alone, by what they share."""
    runs: dict[str, list[str]] = {}
    for name in tensors:
        charge("visits", _VISITS)
        numbers = list(re.finditer(r"\d+", name))
        if numbers:
            runs.setdefault(name[: numbers[-1].start()] + "#" + name[numbers[-1].end() :], []).append(name)
    return runs


def _joined(arrays: Sequence[NDArray[Any]]) -> NDArray[Any] | None:
    """One kernel (outputs, inputs, 5, 5) of those of single maps, one vector of single biases; None for all else."""
    shape = arrays[0].shape
    if len(arrays) < 2 or any(array.shape != shape for array in arrays):
        return None
    if shape == (1,):
        return np.concatenate(arrays)
    if shape[-2:] == (5, 5) and shape[:-3] in ((), (1,)):
        charge("values", len(arrays) * arrays[0].size)
        return np.stack([array.reshape(-1, 5, 5) for array in arrays])
    return None
