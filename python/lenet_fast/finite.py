"""Numbers that the core takes as float32: what they must be, and the sentence if they are not."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import shown

#: The smallest normal float32: what is smaller has fewer bits, and its inverse may be infinite.
TINY = float(np.finfo(np.float32).tiny)


def number(name: str, value: Any) -> float:
    """`value` as a plain number, infinite if float64 has none so large; TypeError for what is no number."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if not isinstance(value, (int, float, np.integer, np.floating)) or isinstance(value, bool):
        raise TypeError(f"{name}: wanted a number, found {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def fit_float32(*values: float) -> bool:
    """Whether they are finite float32 numbers, once rounded."""
    with np.errstate(over="ignore"):
        return bool(np.isfinite(np.array(values, np.float64).astype(np.float32)).all())


def finite(name: str, value: Any) -> float:
    """`value` as a plain number that float32 has; TypeError or ValueError says that it is not one."""
    plain = number(name, value)
    if not fit_float32(plain):
        raise ValueError(f"{name}: wanted a finite number, found {plain:g}; float32 ends at 3.4e38")
    return plain
