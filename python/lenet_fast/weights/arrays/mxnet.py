"""MXNet and Gluon parameters (.params): a list of arrays, then the list of their names.

Each array begins with a magic number that tells its version, then come shape, device, type and values. Version 2 is
what MXNet wrote from 1.0 on, version 3 where NumPy's shapes were on; the oldest have no magic number but begin with the
shape.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from numpy.typing import NDArray

from ...budget import charge
from ...errors import whole
from ..files import File
from ..signatures import MXNET
from ..source import TORCH, Source, Tensors
from . import dtypes

_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_TYPES = {0: "f4", 1: "f8", 2: "f2", 3: "u1", 4: "i4", 5: "i1", 6: "i8", 7: "?", 12: dtypes.BFLOAT16}
_MOST_ARRAYS, _LONGEST_NAME = 1 << 12, 1 << 10


def read(file: File) -> Source:
    """Read the arrays of a file, "arg:" and "aux:" taken off their names."""
    with whole("a whole file of MXNet's"):
        return Source("MXNet", _Reader(file.data).tensors(), TORCH)


class _Reader:
    """A place in the file, which moves on."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = memoryview(data), len(MXNET)

    def tensors(self) -> Tensors:
        """Name -> array."""
        arrays = [self._array() for _ in range(self._count("arrays"))]
        names = [self._name() for _ in range(self._count("names"))] or [str(number) for number in range(len(arrays))]
        if self._at != len(self._data):
            raise ValueError(f"{len(self._data) - self._at:,} bytes too many")
        if len(names) != len(arrays) or len(set(names)) != len(names):
            raise ValueError(f"{len(set(names))} names of {len(arrays)} arrays")
        return {name: array for name, array in zip(names, arrays, strict=True) if array is not None}

    def _take(self, size: int) -> memoryview:
        if size > len(self._data) - self._at:
            raise ValueError(f"{len(self._data) - self._at:,} bytes where {size:,} belong")
        self._at += size
        return self._data[self._at - size : self._at]

    def _numbers(self, form: str) -> tuple[int, ...]:
        return struct.unpack(f"<{form}", self._take(struct.calcsize(f"<{form}")))

    def _count(self, what: str) -> int:
        (count,) = self._numbers("Q")
        if count > _MOST_ARRAYS:
            raise ValueError(f"{count:,} {what}")
        return count

    def _name(self) -> str:
        (length,) = self._numbers("Q")
        if length > _LONGEST_NAME:
            raise ValueError(f"a name of {length:,} bytes")
        name = bytes(self._take(length)).decode()
        return name[4:] if name.startswith(("arg:", "aux:")) else name

    def _array(self) -> NDArray[Any] | None:
        """One array; None where a shape without axes stands for none."""
        charge("visits", 10)
        (magic,) = self._numbers("I")
        if magic in (_V2, _V3) and self._numbers("i") != (0,):
            raise ValueError("a sparse array; convert it with tostype('default')")
        shape = self._shape(magic)
        if shape is None:
            return None
        self._numbers("ii")  # the device
        (flag,) = self._numbers("i")
        if flag not in _TYPES:
            raise ValueError(f"an array of type {flag}")
        kind = _TYPES[flag]
        return dtypes.values(self._take(math.prod(shape) * dtypes.itemsize(kind)), kind).reshape(shape)

    def _shape(self, magic: int) -> tuple[int, ...] | None:
        old = magic not in (_V1, _V2, _V3)
        axes = magic if old else self._numbers("i")[0]
        if axes == (-1 if magic == _V3 else 0):
            return None
        if not 0 <= axes <= dtypes.MOST_AXES:
            raise ValueError(f"an array of {axes:,} axes")
        sizes = self._numbers("I" * axes if old else "q" * axes)
        if min(sizes, default=0) < 0:
            raise ValueError(f"an array of shape {sizes}")
        return sizes
