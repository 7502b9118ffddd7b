"""Which arrays of a file can be weights at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ...budget import charge
from ...errors import refuse
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
    return kept
