"""Flax files, as flax.serialization.to_bytes writes them: maps of names in MessagePack.

An array is an extension of type 1 that holds, in MessagePack again, its shape, the name of its type and its bytes; a
NumPy scalar is one of type 3. An array of more than a gigabyte is a map of chunks. Which map is inside which makes the
names: "params.Conv_0.kernel".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...errors import whole
from ...extras import needs
from ..files import File
from ..source import KERAS, Source, Tensors
from . import dtypes

_ARRAY, _SCALAR = 1, 3
_CHUNKED = "__msgpack_chunked_array__"
_TYPES = re.compile(r"float(16|32|64)|bfloat16|u?int(8|16|32|64)|bool|complex(64|128)")
_DEEPEST, _MOST, _LONGEST_NAME = 32, 1 << 12, 1 << 10
#: How an item begins that is a map or a list.
_MAPS, _LISTS = (*range(0x80, 0x90), 0xDE, 0xDF), (*range(0x90, 0xA0), 0xDC, 0xDD)


def read(file: File) -> Source:
    """Read the arrays of a file; the names of the maps around them, joined by dots, are their names."""
    msgpack = needs("msgpack", "msgpack", "reading Flax files")
    tensors: Tensors = {}
    with whole("a whole Flax file"):
        for name, array in _named("", _Reader(msgpack, file.data).tree(), 0):
            tensors[name] = array
            if len(tensors) > _MOST:
                raise ValueError("more arrays than a model has")
    return Source("Flax", tensors, KERAS)


class _Reader:
    """MessagePack, taken apart item by item so that each is counted; arrays are bytes inside it."""

    def __init__(self, msgpack: Any, data: bytes) -> None:
        self._msgpack, self._data = msgpack, data

    def tree(self) -> Any:
        """The whole file."""
        return self._all_of(self._data, 0)

    def _all_of(self, data: bytes, depth: int) -> Any:
        size = len(data)
        items = self._msgpack.Unpacker(
            None,
            raw=False,
            strict_map_key=False,
            ext_hook=self._msgpack.ExtType,
            max_buffer_size=size or 1,
            max_str_len=min(size, _LONGEST_NAME),
            max_bin_len=size,
            max_ext_len=size,
        )
        items.feed(data)
        value = self._item(items, data, depth)
        if items.tell() != size:
            raise ValueError(f"{size - items.tell():,} bytes too many")
        return value

    def _item(self, items: Any, data: bytes, depth: int) -> Any:
        charge("visits", 2)
        if depth > _DEEPEST:
            raise ValueError("maps in maps without an end")
        kind = data[items.tell()]
        if kind in _MAPS:
            count = items.read_map_header()
            return dict(self._pair(items, data, depth) for _ in range(count))
        if kind in _LISTS:
            return [self._item(items, data, depth + 1) for _ in range(items.read_array_header())]
        value = items.unpack()
        return self._found(value, depth) if isinstance(value, self._msgpack.ExtType) else value

    def _pair(self, items: Any, data: bytes, depth: int) -> tuple[Any, Any]:
        key = self._item(items, data, _DEEPEST)
        if not isinstance(key, (str, bytes)):
            raise ValueError(f"a map with a key that is a {type(key).__name__}")
        return key, self._item(items, data, depth + 1)

    def _found(self, extension: Any, depth: int) -> Any:
        if extension.code not in (_ARRAY, _SCALAR):
            return None  # a complex number, perhaps
        shape, kind, values = self._all_of(extension.data, depth + 1)
        return _array(shape, kind, values)


def _array(shape: Any, kind: Any, data: Any) -> NDArray[Any]:
    kind = dtypes.BFLOAT16 if kind == "V2" else kind  # as bfloat16 is called where its package is not loaded
    if not isinstance(kind, str) or not _TYPES.fullmatch(kind) or not isinstance(data, bytes):
        raise ValueError(f"an array of {str(kind)[:40]!r}")
    sizes = _sizes(shape)
    if math.prod(sizes) * dtypes.itemsize(kind) != len(data):
        raise ValueError(f"an array of shape {sizes} in {len(data):,} bytes")
    return dtypes.values(data, kind).reshape(sizes)


def _sizes(shape: Any) -> tuple[int, ...]:
    sizes = dtypes.whole_numbers(shape)
    if min(sizes, default=0) < 0:
        raise ValueError("an array of no shape")
    return sizes


def _named(path: str, value: Any, depth: int) -> Iterator[tuple[str, NDArray[Any]]]:
    if isinstance(value, np.ndarray):
        yield path or "array", value
    elif depth > _DEEPEST or len(path) > _LONGEST_NAME:
        raise ValueError("maps in maps without an end")
    elif isinstance(value, dict) and _CHUNKED in value:
        yield path, _joined(value)
    elif isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            text = key.decode("utf-8") if isinstance(key, bytes) else str(key)
            yield from _named(f"{path}.{text}" if path else text, inner, depth + 1)


def _joined(value: dict[Any, Any]) -> NDArray[Any]:
    """The array of a map of chunks: {"shape": {"0": 5, ...}, "chunks": {"0": array, ...}}."""
    shape, chunks = (_listed(value[key]) for key in ("shape", "chunks"))
    if not chunks or not all(isinstance(chunk, np.ndarray) for chunk in chunks):
        raise ValueError("a chunked array without chunks")
    if len({chunk.dtype for chunk in chunks}) > 1:
        raise ValueError("a chunked array of several types")
    sizes = _sizes(shape)
    if math.prod(sizes) != sum(chunk.size for chunk in chunks):
        raise ValueError(f"a chunked array of shape {sizes} with other chunks")
    return np.concatenate([chunk.ravel() for chunk in chunks]).reshape(sizes)


def _listed(value: Any) -> list[Any]:
    """A list, which Flax writes as a map from "0", "1", ..."""
    if not isinstance(value, dict):
        return value if isinstance(value, list) else []
    return [value[str(number)] for number in range(len(value))]
