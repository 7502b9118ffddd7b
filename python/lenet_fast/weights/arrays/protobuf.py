"""Protobuf as its bytes: messages taken apart field by field, without a schema and without believing a length.

A message is a row of fields; each begins with a number, field << 3 | wire type, and its content is a number of seven
bits a byte (wire type 0), 8 or 4 bytes (1, 5), or a length and as many bytes (2): text, a message, packed numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import NamedTuple, TypeAlias

from ...budget import charge

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_SIZES = {FIXED64: 8, FIXED32: 4}
_LONGEST_VARINT = 10
_DEEPEST = 32


class Field(NamedTuple):
    """A field: its number, its wire type, and where in `data` its content begins and ends."""

    data: bytes
    number: int
    wire: int
    begin: int
    end: int

    def content(self) -> bytes:
        """What a field of a length holds; ValueError if it is a number."""
        if self.wire != LENGTH:
            raise ValueError("a number where a message belongs")
        return self.data[self.begin : self.end]

    def signed(self) -> int:
        """The number of 64 bits in any other field, negative if its first bit says so; ValueError if it is bytes."""
        if self.wire == LENGTH:
            raise ValueError("bytes where a number belongs")
        is_fixed = self.wire in _SIZES
        part = self.data[self.begin : self.end]
        value = int.from_bytes(part, "little") if is_fixed else varint(part, 0)[0]
        return value - (1 << 64) if value >> 63 else value


def fields(data: bytes, begin: int = 0, end: int | None = None, *, is_cut: bool = False) -> Iterator[Field]:
    """The fields of the message that lies between two places; ValueError for damage.

    A field that reaches beyond the end is damage too, unless `is_cut`: then it is the last one.
    """
    end = len(data) if end is None else end
    at = begin
    while at < end:
        key, at = varint(data, at)
        size, at = _extent(data, key & 7, at)
        if size > end - at and not is_cut:
            raise ValueError(f"a field of {size:,} bytes in {end - at:,}")
        yield Field(data, key >> 3, key & 7, at, at + size)
        at += size


class Content(Enum):
    """What is inside a field that holds no message to look into."""

    BYTES = "it takes as much memory as bytes"
    NUMBERS = "each byte may be a number"


#: What is inside the fields of a message, by their numbers; of others nothing is known.
Parts: TypeAlias = "Mapping[int, Parts | Content]"


def charge_parts(data: bytes, parts: Parts, begin: int = 0, end: int | None = None, depth: int = 0) -> None:
    """Count what parsing a message makes, before that is done: a part of two bytes may take a hundred of memory."""
    if depth > _DEEPEST:
        raise ValueError("messages in messages without an end")
    for field in fields(data, begin, end, is_cut=True):
        charge("visits")
        if field.wire != LENGTH:
            continue
        last = min(field.end, len(data))
        match parts.get(field.number):
            case None:
                charge("visits", (last - field.begin) // 2)
            case Content.NUMBERS:
                charge("values", last - field.begin)
            case Content.BYTES:
                pass
            case inside:
                charge_parts(data, inside, field.begin, last, depth + 1)


def _extent(data: bytes, wire: int, at: int) -> tuple[int, int]:
    """How many bytes a field's content has, and where it begins."""
    if wire == LENGTH:
        return varint(data, at)
    if wire == VARINT:
        return varint(data, at)[1] - at, at
    if wire not in _SIZES:
        raise ValueError(f"a protobuf field of kind {wire}")
    return _SIZES[wire], at


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of up to 64 bits, and the place behind it; ValueError if there is none."""
    value = 0
    for count, byte in enumerate(data[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, at + count + 1
    is_cut = len(data) - at < _LONGEST_VARINT
    raise ValueError(f"half a number at byte {at:,}" if is_cut else "a number of more than 64 bits")
