"""Types of values as NumPy writes them ("f4", "u1"), and bfloat16, which it does not have.

A reader's table goes from its format's names or numbers to these; the order of bytes is told apart from them.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...budget import charge

Order: TypeAlias = Literal["<", ">"]

#: Of an array in a file; a kernel has four.
MOST_AXES = 8

#: The upper half of a float32: two bytes in a file, float32 once they are read.
BFLOAT16 = "bfloat16"


def itemsize(kind: str) -> int:
    """Bytes of one value in a file."""
    return 2 if kind == BFLOAT16 else np.dtype(kind).itemsize


def values(data: bytes | memoryview, kind: str, order: Order = "<") -> NDArray[Any]:
    """The values in some bytes, one behind the other; no copy but of bfloat16."""
    ordered = np.dtype("u2" if kind == BFLOAT16 else kind).newbyteorder(order)
    flat = np.frombuffer(data, ordered.str)  # by its name, so that the machine's own order is told as such
    return widened(flat) if kind == BFLOAT16 else flat


def widened(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The float32 of which these are the upper halves."""
    charge("values", bits.size)
    return (bits.astype(np.uint32) << 16).view(np.float32)


def whole_numbers(sizes: Any) -> tuple[int, ...]:
    """Sizes or strides of an array out of a file, where anything may stand for them; ValueError for anything else."""
    if not isinstance(sizes, (tuple, list)) or len(sizes) > MOST_AXES:
        raise ValueError("an array of no shape")
    if not all(type(n) is int and n.bit_length() < 64 for n in sizes):
        raise ValueError("an array whose sizes are no numbers")
    return tuple(sizes)
