"""TensorFlow checkpoints: NAME.index, a table of the variables, and their values in NAME.data-00000-of-00001.

The index is a sorted table as leveldb keeps it: blocks of keys that share prefixes with the key before, a block that
says where the blocks are, and a footer of 48 bytes. Each value is a small protobuf: type, shape, file, place and
checksum of a variable. The first key is empty, and its value says how many files there are. A SavedModel keeps the same
two files as `variables/variables.*`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...budget import charge, current
from ...errors import refuse, whole
from ..files import File
from ..names import natural
from ..signatures import is_tensorflow
from ..source import KERAS, Source, Tensors
from . import dtypes, tensorflow_graph
from .protobuf import fields, varint

_FOOTER, _TRAILER = 48, 5
_LARGEST_INDEX = 1 << 21  # bytes; a LeNet's has some hundred
_LONGEST_KEY, _MOST_KEYS, _MOST_SHARDS = 1 << 10, 1 << 12, 64
_LARGEST_SUMMED = 1 << 21  # bytes of values whose checksums are looked at: those of a LeNet, in a moment
_MOST_FILES = 20_000  # of a folder that are looked at
_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
_TYPES = {1: "f4", 2: "f8", 14: dtypes.BFLOAT16, 19: "f2"}


def index_in(folder: Path) -> Path | None:
    """The index inside a SavedModel's folder, or the only one in a folder of checkpoints."""
    variables = folder / "variables"
    saved = variables / "variables.index"
    if saved.exists() and not variables.is_symlink():
        return saved
    with os.scandir(folder) as entries:
        found = [folder / entry.name for entry in islice(entries, _MOST_FILES) if entry.name.endswith(".index")]
    return found[0] if len(found) == 1 else None


def read(file: File) -> Source:
    """Read the variables of real numbers that an index names, in the natural order of their names."""
    with whole("a whole TensorFlow checkpoint", "copy all of its files again"):
        tensors = _Bundle(file).tensors()
    return Source("TensorFlow checkpoint", tensors, KERAS, said=tensorflow_graph.said_beside(file))


# --- a variable in the index ---


@dataclass(frozen=True)
class _Entry:
    """Where a variable lies."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int | None
    sliced: bool


def _shape(data: bytes) -> tuple[int, ...]:
    """The sizes in a TensorShapeProto."""
    sizes = []
    for field in fields(data):
        if field.number == 2:
            sizes.append(next((size.signed() for size in fields(field.content()) if size.number == 1), 0))
        elif field.number == 3 and field.signed():
            raise ValueError("a variable of unknown rank")
        if len(sizes) > dtypes.MOST_AXES:
            raise ValueError(f"a variable of more than {dtypes.MOST_AXES} axes")
    return tuple(sizes)


def _entry(data: bytes) -> _Entry:
    """A BundleEntryProto; what is zero is left out of it."""
    numbers: dict[int, int] = {}
    shape: tuple[int, ...] = ()
    sliced = False
    for field in fields(data):
        if field.number == 2:
            shape = _shape(field.content())
        elif field.number == 7:
            sliced = True
        elif field.number <= 6:
            numbers[field.number] = field.signed()
    dtype, shard, offset, size = (numbers.get(n, 0) for n in (1, 3, 4, 5))
    return _Entry(dtype, shape, shard, offset, size, numbers.get(6), sliced)


# --- the table ---


def _table(data: bytes) -> dict[bytes, bytes]:
    """Key -> value, from all blocks."""
    if len(data) < _FOOTER or not is_tensorflow(data):
        raise ValueError("no footer")
    if len(data) > _LARGEST_INDEX:
        raise ValueError(f"an index of {len(data):,} bytes")
    footer = data[-_FOOTER:]
    at = 0
    for _ in range(2):  # the first block is of metadata, which nobody writes
        _, at = varint(footer, at)
    place, at = varint(footer, at)
    size, _ = varint(footer, at)
    found: dict[bytes, bytes] = {}
    behind = 0
    for _, handle in _block(data, place, size):
        begin, at = varint(handle, 0)
        length, _ = varint(handle, at)
        if begin < behind:
            raise ValueError("blocks that overlap")
        found.update(_block(data, begin, length))
        if len(found) > _MOST_KEYS:
            raise ValueError("more keys than a model has")
        behind = begin + length
    return found


def _block(data: bytes, begin: int, size: int) -> list[tuple[bytes, bytes]]:
    """The keys and values of one block."""
    end = begin + size
    if end + _TRAILER > len(data) - _FOOTER or size < 4:
        raise ValueError(f"a block of {size:,} bytes at {begin:,} of {len(data):,}")
    if data[end]:
        raise ValueError("a compressed index; write the checkpoint with a TensorFlow of version 1.0 or later")
    if _checksum(data[begin : end + 1]) != int.from_bytes(data[end + 1 : end + _TRAILER], "little"):
        raise ValueError("a checksum of the index that differs")
    block = data[begin:end]
    restarts = int.from_bytes(block[-4:], "little")
    if 4 * (restarts + 1) > size:
        raise ValueError(f"{restarts:,} restarts in {size:,} bytes")
    return list(_records(block[: size - 4 * (restarts + 1)]))


def _records(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    key, at, count = b"", 0, 0
    while at < len(block):
        shared, at = varint(block, at)
        fresh, at = varint(block, at)
        length, at = varint(block, at)
        count += 1
        if shared > len(key) or fresh + length > len(block) - at or shared + fresh > _LONGEST_KEY or count > _MOST_KEYS:
            raise ValueError("a key or a value that is too long, or too many of them")
        key = key[:shared] + block[at : at + fresh]
        yield key, block[at + fresh : at + fresh + length]
        at += fresh + length


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC = _crc_table()


def _checksum(data: bytes | memoryview) -> int:
    """CRC-32C, masked: rotated, and a constant added."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


# --- the variables ---


class _Bundle:
    """A checkpoint: its index, and the files of values as far as they are wanted."""

    def __init__(self, file: File) -> None:
        self._file = file
        table = _table(file.data)
        if b"" not in table:
            raise ValueError("an index without a header")
        header = {field.number: field for field in fields(table.pop(b""))}
        self._count = header[1].signed() if 1 in header else 1
        if 2 in header and header[2].signed():
            refuse("", "a little-endian checkpoint", "a big-endian one", "save it elsewhere")
        self._entries = {key.decode(): _entry(value) for key, value in table.items() if not key.startswith(b"\0")}
        self._shards: dict[int, memoryview] = {}
        self._summed = 0

    def tensors(self) -> Tensors:
        """The variables of real numbers; counters, texts and the graph of objects are left out."""
        found: Tensors = {}
        for key in sorted(self._entries, key=natural):
            charge("visits", 10)
            entry = self._entries[key]
            if entry.dtype in _TYPES and not self._is_memory(key):
                found[self._name(key)] = self._array(key, entry)
        if any(name.startswith("variables/") for name in found):  # Keras' export holds every variable twice
            return {name: array for name, array in found.items() if not name.startswith("_all_variables/")}
        return found

    def _is_memory(self, key: str) -> bool:
        """Whether a variable is a Keras optimiser's own: its steps, and what it remembers of each weight."""
        optimiser, found, _ = key.rpartition("/_variables/")
        return bool(found) and f"{optimiser}/_iterations{_SUFFIX}" in self._entries

    def _name(self, key: str) -> str:
        """A variable's name: where Keras' optimiser refers to a weight, the checkpoint names it by that way."""
        name = key.removesuffix(_SUFFIX)
        optimiser, found, number = name.rpartition("/_trainable_variables/")
        if found and f"{optimiser}/_iterations{_SUFFIX}" in self._entries:
            return f"trainable_variables/{number}"
        return name

    def _array(self, key: str, entry: _Entry) -> NDArray[Any]:
        if entry.sliced:
            refuse(key, "a whole variable", "one in slices", "save it without a partitioner")
        kind = _TYPES[entry.dtype]
        if min(entry.shape, default=0) < 0 or math.prod(entry.shape) * dtypes.itemsize(kind) != entry.size:
            raise ValueError(f"{key} of shape {entry.shape} in {entry.size:,} bytes")
        shard = self._shard(entry.shard)
        if entry.offset < 0 or entry.offset + entry.size > len(shard):
            raise ValueError(f"{key} at {entry.offset:,} of {len(shard):,} bytes")
        data = shard[entry.offset : entry.offset + entry.size]
        self._summed += entry.size
        checked = entry.checksum is not None and self._summed <= _LARGEST_SUMMED
        if checked and _checksum(data) != entry.checksum:
            raise ValueError(f"{key}, whose checksum differs")
        return dtypes.values(data, kind).reshape(entry.shape)

    def _shard(self, number: int) -> memoryview:
        if not 0 <= number < self._count <= _MOST_SHARDS:
            raise ValueError(f"file {number} of {self._count}")
        if number not in self._shards:
            stem = self._file.path.name.removesuffix(".index")
            data = self._file.companion(f"{stem}.data-{number:05d}-of-{self._count:05d}").data
            if sum(map(len, self._shards.values())) + len(data) > current().file_bytes:
                raise ValueError("more values than a model has")
            self._shards[number] = memoryview(data)
        return self._shards[number]
