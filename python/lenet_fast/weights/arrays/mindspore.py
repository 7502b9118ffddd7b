"""MindSpore checkpoints (.ckpt): a protobuf Checkpoint, which is a row of values, each a name and a tensor.

A tensor is its sizes, the name of its type and its bytes. A large one comes in pieces: values of the same name, one
behind the other, each with the sizes of the whole. A number by itself has one size, 0. Behind the values may stand
"crc_num" and the CRC-32 of all that comes before, in ten bytes, the highest first.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...errors import refuse, whole
from ..files import File
from ..source import TORCH, Source, Tensors
from . import dtypes
from .protobuf import Field, fields

_CHECKSUM, _CHECKSUM_SIZE = b"crc_num", 10
_TEXTS = ("str", "random_op")  # what a training run notes beside the weights
_TYPES = {
    "Float16": "f2", "Float32": "f4", "Float64": "f8", "BFloat16": dtypes.BFLOAT16, "Bool": "?", "Int8": "i1",
    "Int16": "i2", "Int32": "i4", "Int64": "i8", "UInt8": "u1", "UInt16": "u2", "UInt32": "u4", "UInt64": "u8",
}  # fmt: skip


def read(file: File) -> Source:
    """Read the tensors of a checkpoint, without an optimiser's memory of them."""
    with whole("a whole MindSpore checkpoint", "save or fetch it again"):
        pieces = _pieces(file.data, _end(file.data))
        found: Tensors = {}
        for name, same in groupby(pieces, lambda piece: piece.name):
            if name in found:
                raise ValueError(f"two tensors of the name {name}")
            if (array := _joined(list(same))) is not None:
                found[name] = array
    return Source("MindSpore", {name: array for name, array in found.items() if not _is_memory(name, found)}, TORCH)


@dataclass(frozen=True)
class _Piece:
    """A tensor, or a part of one."""

    name: str
    shape: tuple[int, ...]
    kind: str
    data: memoryview


def _end(data: bytes) -> int:
    """Where the values end; ValueError if the checksum behind them is another."""
    end = len(data) - _CHECKSUM_SIZE - len(_CHECKSUM)
    if end < 0 or not data.startswith(_CHECKSUM, end):
        return len(data)
    if zlib.crc32(memoryview(data)[:end]) != int.from_bytes(data[-_CHECKSUM_SIZE:], "big"):
        raise ValueError("a checksum that differs")
    return end


def _pieces(data: bytes, end: int) -> Iterator[_Piece]:
    for value in fields(data, 0, end):
        charge("visits", 20)
        if value.number != 1:
            raise ValueError(f"field {value.number} beside the values")
        inside = {field.number: field for field in _counted(data, value) if field.number in (1, 2)}
        name = inside[1].content().decode()
        if 2 in inside:  # and not a map of embeddings, which are no weights
            yield _piece(name, inside[2])


def _counted(data: bytes, message: Field) -> Iterator[Field]:
    """The fields of a message, each of which takes its time."""
    for field in fields(data, message.begin, message.end):
        charge("visits", 3)
        yield field


def _piece(name: str, tensor: Field) -> _Piece:
    sizes: list[int] = []
    kind, content = "", memoryview(b"")
    for field in _counted(tensor.data, tensor):
        match field.number:
            case 1:
                sizes.append(field.signed())
            case 2:
                kind = field.content().decode()
            case 3:
                content = memoryview(field.data)[field.begin : field.end]
        if len(sizes) > dtypes.MOST_AXES:
            raise ValueError(f"{name} of more than {dtypes.MOST_AXES} axes")
    return _Piece(name, tuple(sizes), kind, content)


def _joined(pieces: list[_Piece]) -> NDArray[Any] | None:
    """The tensor of all its pieces; None for a text."""
    first = pieces[0]
    if any((piece.shape, piece.kind) != (first.shape, first.kind) for piece in pieces):
        raise ValueError(f"{first.name} in pieces that do not go together")
    if first.kind in _TEXTS:
        return None
    if first.kind not in _TYPES:
        refuse(
            first.name, "real or whole numbers", f"values of type {first.kind}", "save the model without quantising it"
        )
    kind, size = _TYPES[first.kind], sum(len(piece.data) for piece in pieces)
    one = dtypes.itemsize(kind)
    shape = () if first.shape == (0,) and size == one else first.shape
    if min(shape, default=0) < 0 or math.prod(shape) * one != size:
        raise ValueError(f"{first.name} of shape {shape} in {size:,} bytes")
    arrays = [dtypes.values(piece.data, kind) for piece in pieces]
    if len(arrays) > 1:
        charge("values", math.prod(shape))
    return (np.concatenate(arrays) if len(arrays) > 1 else arrays[0]).reshape(shape)


def _is_memory(name: str, tensors: Tensors) -> bool:
    """Whether an optimiser made it of a weight, of whose name it puts a word in front: "moments.conv1.weight"."""
    of = name.partition(".")[2]
    return "." in of and of in tensors and tensors[of].shape == tensors[name].shape
