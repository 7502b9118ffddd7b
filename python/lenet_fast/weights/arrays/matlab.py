"""MATLAB files (.mat) of version 5, which MATLAB's save -v6 and -v7, Octave's save -v7 and SciPy write.

A header of 128 bytes, then elements: type, length and data, padded to eight bytes, small ones within their tag; of
version 7 each variable is compressed. A matrix is an element of elements: class, sizes, name and values, whose type may
be narrower than the class; cells and structs hold matrices. Values lie column by column. What is in structs and cells
is named by the way to it, counted from 0: net.layers[0].weights[1], as MatConvNet has it.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...budget import charge, current
from ...errors import refuse, whole
from ..files import File
from ..source import UNKNOWN, Layout, Source, Tensors
from . import dtypes

_HEADER = 128
_VERSIONS: dict[bytes, dtypes.Order] = {b"\0\1IM": "<", b"\1\0MI": ">"}
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_CELL, _STRUCT, _OBJECT, _OPAQUE = 1, 2, 3, 17
_COMPLEX, _LOGICAL = 0x0800, 0x0200
_DEEPEST, _MOST, _LONGEST_NAME, _LONGEST_PATH = 16, 1 << 13, 256, 1 << 10
#: MatConvNet's weights: filters of (rows, columns, inputs, outputs) and biases. The rest of its structs are settings.
_MATCONVNET = re.compile(r"layers\[\d+\]\.(weights\[[01]\]|filters|biases)$|params\[\d+\]\.value$")
_MATCONVNET_LAYOUT = Layout("HWIO", "IO", None)


def read(file: File) -> Source:
    """Read the arrays of real numbers; texts, logical values, sparse, complex and nameless arrays are left out."""
    data = file.data
    order = _VERSIONS.get(data[124:128])
    if data[512:520] == b"\x89HDF\r\n\x1a\n" or data.startswith(b"MATLAB 7.3"):
        refuse("", "a .mat file of version 5", "one of version 7.3", "save with -v7")
    if order is None:
        refuse("", "a whole .mat file of version 5", "another or half a header", "save with -v7")
    reader = _Reader(order, current().unpacked_bytes(len(data)))
    with whole("a whole .mat file"):
        tensors = dict(reader.variables(memoryview(data)[_HEADER:]))
    if not tensors and reader.objects:
        found = f"{reader.objects[0]!r}, an object of MATLAB's"
        refuse("", "arrays", found, "save its weights as arrays, or export the network with exportONNXNetwork")
    return Source("MATLAB", *_of_matconvnet(tensors))


def _of_matconvnet(tensors: Tensors) -> tuple[Tensors, Layout]:
    """The weights alone where the file is MatConvNet's."""
    weights = {name: array for name, array in tensors.items() if _MATCONVNET.search(name)}
    return (weights, _MATCONVNET_LAYOUT) if weights else (tensors, UNKNOWN)


@dataclass(frozen=True)
class _Matrix:
    """A matrix whose head is read: what it holds follows at `at`."""

    kind: int
    flags: int
    shape: tuple[int, ...]
    name: str
    at: int


def _text(data: memoryview) -> str:
    """A name, up to the first zero."""
    if len(data) > _LONGEST_NAME:
        raise ValueError(f"a name of {len(data):,} bytes")
    return bytes(data).split(b"\0")[0].decode("utf-8", "replace")


class _Reader:
    """Elements in one order of bytes; counts what it makes, so that a small file stays small."""

    def __init__(self, order: dtypes.Order, unpacked: int) -> None:
        self._order = order
        self._endian: Literal["little", "big"] = "little" if order == "<" else "big"
        self._left, self._matrices = unpacked, 0
        self.objects: list[str] = []

    def variables(self, data: memoryview) -> Iterator[tuple[str, NDArray[Any]]]:
        """Every array, by name."""
        at = 0
        while at < len(data):
            charge("visits", 10)
            kind, body, at = self._element(data, at)
            if kind == _COMPRESSED:
                kind, body, _ = self._element(self._unpacked(body), 0)
            if kind == _MATRIX:
                yield from self._matrix(body, None, 0)

    def _unpacked(self, data: memoryview) -> memoryview:
        stream = zlib.decompressobj()
        plain = stream.decompress(data, self._left + 1)
        if len(plain) > self._left:
            raise ValueError("more compressed values than a model has")
        if not stream.eof:
            raise ValueError("compressed values that are cut off")
        self._left -= len(plain)
        return memoryview(plain)

    def _number(self, data: memoryview) -> int:
        return int.from_bytes(data, self._endian)

    def _element(self, data: memoryview, at: int) -> tuple[int, memoryview, int]:
        """Type and data of the element at a place, and the place behind it."""
        if at + 8 > len(data):
            raise ValueError("half a tag")
        kind = self._number(data[at : at + 4])
        small, kind = kind >> 16, kind & 0xFFFF
        size = small or self._number(data[at + 4 : at + 8])
        begin = at + (4 if small else 8)
        if size > (4 if small else len(data) - begin):
            raise ValueError(f"an element of {size:,} bytes in {len(data) - begin:,}")
        behind = at + 8 if small else begin + size + (0 if kind == _COMPRESSED else -size % 8)
        return kind, data[begin : begin + size], behind

    def _matrix(self, data: memoryview, path: str | None, depth: int) -> Iterator[tuple[str, NDArray[Any]]]:
        """The arrays in a matrix; `path` is its name where it is inside another."""
        self._matrices += 1
        charge("visits", 20)
        if depth > _DEEPEST or self._matrices > _MOST:
            raise ValueError("more cells and structs than a model has")
        if not data:  # what an empty cell holds
            return
        head = self._head(data)
        name = head.name if path is None else path
        if head.kind == _CELL:
            yield from self._children(data, head.at, (f"{name}[{n}]" for n in self._counted(head)), depth)
        elif head.kind in (_STRUCT, _OBJECT):
            yield from self._struct(data, head, name, depth)
        elif head.kind == _OPAQUE:
            self.objects.append(name[:40])
        elif head.kind in _CLASSES and not head.flags & (_COMPLEX | _LOGICAL) and name:
            yield name, self._array(data, head)

    def _head(self, data: memoryview) -> _Matrix:
        _, flags, at = self._element(data, 0)
        word = self._number(flags[:4])
        if word & 0xFF == _OPAQUE:  # it has no sizes
            _, name, at = self._element(data, at)
            return _Matrix(_OPAQUE, 0, (), _text(name), at)
        kind, sizes, at = self._element(data, at)
        shape = tuple(int(n) for n in self._values(kind, sizes)[: dtypes.MOST_AXES + 1])
        if not 2 <= len(shape) <= dtypes.MOST_AXES or min(shape) < 0:
            raise ValueError(f"a matrix of {len(shape)} axes")
        _, name, at = self._element(data, at)
        return _Matrix(word & 0xFF, word, shape, _text(name), at)

    def _values(self, kind: int, data: memoryview) -> NDArray[Any]:
        if kind not in _TYPES:
            raise ValueError(f"values of type {kind}")
        return dtypes.values(data, _TYPES[kind], self._order)

    def _array(self, data: memoryview, head: _Matrix) -> NDArray[Any]:
        """The values, in the type of the class; what is a row, a column or one number for MATLAB loses the ones."""
        kind, body, _ = self._element(data, head.at)
        flat = self._values(kind, body)
        if math.prod(head.shape) != len(flat):
            raise ValueError(f"a matrix of shape {head.shape} of {len(flat):,} values")
        wanted = np.dtype(_CLASSES[head.kind]).newbyteorder(self._order)
        if flat.dtype != wanted:
            charge("values", len(flat))
            with np.errstate(all="ignore"):
                flat = flat.astype(wanted)
        if len(head.shape) == 2 and 1 in head.shape:
            return flat.reshape([n for n in head.shape if n != 1])
        return flat.reshape(head.shape, order="F")

    def _counted(self, head: _Matrix) -> range:
        count = math.prod(head.shape)
        if count > _MOST:
            raise ValueError(f"{count:,} cells")
        return range(count)

    def _struct(self, data: memoryview, head: _Matrix, name: str, depth: int) -> Iterator[tuple[str, NDArray[Any]]]:
        at = head.at
        if head.kind == _OBJECT:
            _, _, at = self._element(data, at)  # its class
        _, length, at = self._element(data, at)
        _, text, at = self._element(data, at)
        size = self._number(length[:4])
        if size < 1 or len(text) % size or len(text) // size > _MOST:
            raise ValueError("a struct without names")
        fields = [_text(text[n : n + size]) for n in range(0, len(text), size)]
        count = math.prod(head.shape)
        if count * max(len(fields), 1) > _MOST:
            raise ValueError(f"{count:,} structs")
        owners = (name if count == 1 else f"{name}[{n}]" for n in range(count if fields else 0))
        yield from self._children(data, at, (f"{owner}.{field}" for owner in owners for field in fields), depth)

    def _children(
        self, data: memoryview, at: int, names: Iterable[str], depth: int
    ) -> Iterator[tuple[str, NDArray[Any]]]:
        for name in names:
            if len(name) > _LONGEST_PATH:
                raise ValueError("cells and structs with names that are too long")
            kind, body, at = self._element(data, at)
            if kind != _MATRIX:
                raise ValueError(f"a cell of type {kind}")
            yield from self._matrix(body, name, depth + 1)
