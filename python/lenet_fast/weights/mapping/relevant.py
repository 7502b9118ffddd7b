"""Which arrays of a file can be weights at all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...errors import refuse
from ..names import natural
from ..source import Tensors
from .roles import is_beside_weights, is_bias

_LONGEST_NAME = 1 << 12


def relevant(tensors: Mapping[str, NDArray[Any]]) -> Tensors:
    """The arrays that can be weights: real numbers with axes, no optimiser's memory."""
    kept = {}
    for name, array in tensors.items():
        charge("visits", 10)
        if len(name) > _LONGEST_NAME:
            refuse(name, f"names of {_LONGEST_NAME:,} characters at most", f"one of {len(name):,}")
        if is_beside_weights(name) or array.ndim == 0 or array.dtype.kind not in "fiu" or not array.size:
            continue
        is_vector = sum(n > 1 for n in array.shape) == 1 and array.ndim > 1 and is_bias(name)
        kept[name] = array.ravel() if is_vector else array  # (1, n), (n, 1), (1, n, 1, 1): a vector all the same
    return _stacked(kept)


def _stacked(tensors: Tensors) -> Tensors:
    """Kernels that are stored one tensor per map (conv1.0, conv1.1, ...) as one tensor, and their biases too."""
    instead: dict[str, Tensors] = {}
    for pattern, names in _runs(tensors).items():
        joined = _joined([tensors[name] for name in sorted(names, key=natural)])
        if joined is not None:
            instead |= {name: {} for name in names} | {names[0]: {pattern: joined}}
    found: Tensors = {}
    for name, array in tensors.items():
        found.update(instead.get(name, {name: array}))
    return found


def _runs(tensors: Tensors) -> dict[str, list[str]]:
    """The names that differ in their last number alone, by what they share."""
    runs: dict[str, list[str]] = {}
    for name in tensors:
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
