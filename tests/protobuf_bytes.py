"""Protobuf messages for tests, written by the number of each field."""

from __future__ import annotations

import struct

import numpy as np


def varint(value):
    """A number in seven bits a byte; a negative one in 64 bits."""
    value, out = value % (1 << 64), b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number, value):
    """One field: a number, a float, a text or bytes; a tuple is packed numbers, an array packed floats."""
    if isinstance(value, (bool, int)):
        return varint(number << 3) + varint(int(value))
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, tuple):
        value = b"".join(map(varint, value))
    elif isinstance(value, np.ndarray):
        value = value.astype("<f4").tobytes()
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(fields):
    """A message of these fields by number, in this order; a list is a field as many times."""
    parts = (
        (number, value) for number, given in fields.items() for value in (given if isinstance(given, list) else [given])
    )
    return b"".join(field(number, value) for number, value in parts)
