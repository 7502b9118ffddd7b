"""weights/arrays/protobuf.py: messages taken apart without a schema, no length of theirs believed."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from lenet_fast.weights.arrays.protobuf import fields, varint


def encoded(value):
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 1 << 31, (1 << 63) - 1, (1 << 64) - 1])
def test_a_number_is_seven_bits_a_byte(value):
    data = b"\xff" + encoded(value) + b"\x01"
    assert varint(data, 1) == (value, len(data) - 1)


@pytest.mark.parametrize(
    ("data", "words"), [(b"", "half a number"), (b"\x80", "half"), (b"\xff" * 9, "half"), (b"\x80" * 10, "64 bits"), (b"\x80" * 11, "64 bits")]
)  # fmt: skip
def test_a_number_without_an_end_is_damage(data, words):
    with pytest.raises(ValueError, match=words):
        varint(data, 0)


MESSAGE = b"\x08\x96\x01" + b"\x12\x02hi" + b"\x19" + bytes(7) + b"\x80" + b"\x25\x01\0\0\0" + b"\xa2\x06\0"


def test_fields_in_order():
    """Of every kind: number 150, text, 8 bytes, 4 bytes, and nothing in field 100."""
    found = list(fields(MESSAGE))
    assert [(f.number, f.wire) for f in found] == [(1, 0), (2, 2), (3, 1), (4, 5), (100, 2)]
    assert (found[0].signed(), found[1].content(), found[4].content()) == (150, b"hi", b"")
    assert (found[2].signed(), found[3].signed()) == (-(1 << 63), 1)


def test_a_number_of_64_bits_may_be_negative():
    for value in (-1, -(1 << 63), (1 << 63) - 1):
        (field,) = fields(b"\x08" + encoded(value % (1 << 64)))
        assert field.signed() == value


def test_what_is_asked_for_must_be_of_that_kind():
    number, text = list(fields(MESSAGE))[:2]
    with pytest.raises(ValueError, match="a number where a message belongs"):
        number.content()
    with pytest.raises(ValueError, match="bytes where a number belongs"):
        text.signed()


def test_a_message_inside_a_message_ends_where_it_ends():
    outer = b"\x0a\x04\x08\x01\x10\x02" + b"\x10\x07"
    inner = next(iter(fields(outer)))
    assert [(f.number, f.signed()) for f in fields(outer, inner.begin, inner.end)] == [(1, 1), (2, 2)]


@pytest.mark.parametrize("length", [3, 1 << 20, 1 << 62, (1 << 64) - 1])
def test_a_field_beyond_the_end_is_damage_unless_the_message_is_cut(length):
    data = b"\x08\x01\x12" + encoded(length) + b"hi"
    with pytest.raises(ValueError, match=f"a field of {length:,} bytes in 2"):
        list(fields(data))
    found = list(fields(data, is_cut=True))
    assert [f.number for f in found] == [1, 2] and found[1].content() == b"hi"


@pytest.mark.parametrize("wire", [3, 4, 6, 7])
def test_other_kinds_of_fields_are_damage(wire):
    with pytest.raises(ValueError, match=f"field of kind {wire}"):
        list(fields(bytes([8 | wire, 0])))


def test_damage_is_a_value_error_and_reading_comes_to_an_end():
    random = np.random.default_rng(3)
    for _ in range(500):
        data = random.bytes(int(random.integers(1, 60)))
        for is_cut in (False, True):
            with contextlib.suppress(ValueError):
                assert len(list(fields(data, is_cut=is_cut))) <= len(data)
