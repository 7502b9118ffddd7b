"""Hostile files of arrays: TensorFlow's checkpoints, MATLAB's, MXNet's and Flax's."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from lenet_fast.weights.arrays.tensorflow import _checksum
from lenet_fast.weights.signatures import MXNET, TENSORFLOW
from protobuf_bytes import field, varint

from .archives import zeros
from .case import Case

#: Type, shape, offset and bytes.
Variable: TypeAlias = "tuple[int, tuple[int, ...], int, int]"
NAMED = {"network": "lenet5-relu-max"}
FLAX = ("msgpack",)
_MEBIBYTE = 1 << 20
_COMPRESSED = 15  # MATLAB's type of an element


# --- TensorFlow ---


def _entry(dtype: int, sizes: bytes, offset: int, size: int) -> bytes:
    return field(1, dtype) + field(2, sizes) + field(4, offset) + field(5, size)


def _block(records: bytes) -> bytes:
    data = records + struct.pack("<II", 0, 1) + b"\0"
    return data + struct.pack("<I", _checksum(data))


def _record(shared: int, key: bytes, value: bytes) -> bytes:
    return varint(shared) + varint(len(key)) + varint(len(value)) + key + value


def index(blocks: Iterable[bytes]) -> bytes:
    """A table of blocks of records, the first of which begins with the header's."""
    data, handles = b"", b""
    for inside in blocks:
        block = _block(inside)
        handles += _record(0, b"", varint(len(data)) + varint(len(block) - 5))
        data += block
    at, last = len(data), _block(handles)
    footer = bytes(2) + varint(at) + varint(len(last) - 5)
    return data + last + footer.ljust(40, b"\0") + TENSORFLOW


_HEADER = _record(0, b"", field(1, 1))


def checkpoint(entries: Mapping[bytes, Variable]) -> bytes:
    """An index of variables."""
    return index([records(entries)])


def records(entries: Mapping[bytes, Variable]) -> bytes:
    """The one block of such an index, the header's record first."""
    found = _HEADER
    for key, (dtype, shape, offset, size) in entries.items():
        sizes = b"".join(field(2, field(1, n)) for n in shape)
        found += _record(0, key, _entry(dtype, sizes, offset, size))
    return found


def _natural_names(path: Path) -> bytes:
    """8,000 names of a thousand characters, all but the last two of each shared, which count 500 numbers each."""
    rest = b"".join(_record(1010, struct.pack("BB", 97 + n % 26, 97 + n // 26), b"") for n in range(676))
    return index([_HEADER, *(_record(0, b"%02da" % n + b"1a" * 505, b"") + rest for n in range(12))])


def _shared_values(path: Path) -> bytes:
    """500 variables that are the same half mebibyte of bfloat16."""
    size = _MEBIBYTE // 2
    path.with_suffix(".data-00000-of-00001").write_bytes(bytes(size))
    return checkpoint({b"v%d" % n: (14, (size // 2,), 0, size) for n in range(500)})


def _long_shape(path: Path) -> bytes:
    """A variable of 60,000 sizes, which are multiplied."""
    sizes = field(2, field(1, (1 << 63) - 1)) * 60_000
    return index([_HEADER + _record(0, b"a", _entry(1, sizes, 0, 4))])


def _variable(key: bytes, shape: tuple[int, ...], offset: int = 0, size: int = 4) -> Callable[[Path], bytes]:
    def write(path: Path) -> bytes:
        path.with_suffix(".data-00000-of-00001").write_bytes(bytes(84))
        return checkpoint({key: (1, shape, offset, size)})

    return write


# --- MATLAB ---


def _mat(*elements: bytes) -> bytes:
    return b"MATLAB 5.0".ljust(124) + b"\0\1IM" + b"".join(elements)


def _element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(0 if kind == _COMPRESSED else -len(data) % 8)


def _head(kind: int, shape: tuple[int, ...], name: bytes) -> bytes:
    sizes = _element(5, struct.pack(f"<{len(shape)}i", *shape))
    return _element(6, struct.pack("<II", kind, 0)) + sizes + _element(1, name)


def _matrix(shape: tuple[int, ...], name: bytes, body: bytes, kind: int = 6) -> bytes:
    return _element(14, _head(kind, shape, name) + body)


def _mat_zeros(path: Path) -> bytes:
    """31 mebibytes of zeros in eight bits, of the class double, compressed."""
    count = 31 * _MEBIBYTE
    head = _head(6, (count, 1), b"a") + struct.pack("<II", 2, count)
    plain = struct.pack("<II", 14, len(head) + count)
    stream = zlib.compressobj(9)
    data = stream.compress(plain + head) + stream.compress(bytes(count)) + stream.flush()
    return _mat(_element(_COMPRESSED, data))


def _nested_structs(path: Path) -> bytes:
    """Structs of 8,000 in structs of 8,000, sixteen deep: their names are made before they are looked for."""
    body = b""
    for _ in range(16):
        fields = _element(5, struct.pack("<i", 256)) + _element(1, (b"f" * 255).ljust(256, b"\0"))
        body = _matrix((8000, 1), b"a", fields + body, 2)
    return _mat(body)


def _many_cells(path: Path) -> bytes:
    """1,000 matrices in a cell, each of another number of classes."""
    inside = b"".join(_matrix((2, n), b"", _element(2, bytes(2 * n)), 9) for n in range(2, 1000))
    return _mat(_matrix((998, 1), b"a", inside, 1))


def _mat_bomb(path: Path) -> bytes:
    """A gibibyte of zeros."""
    return _mat(_element(_COMPRESSED, zeros(1 << 30)))


# --- MXNet ---


def _mxnet(*arrays: bytes, names: Iterable[bytes] = ()) -> bytes:
    named = b"".join(struct.pack("<Q", len(name)) + name for name in names)
    count = struct.pack("<Q", sum(1 for _ in names))
    return MXNET + struct.pack("<Q", len(arrays)) + b"".join(arrays) + count + named


def _mxnet_array(shape: tuple[int, ...], data: bytes, flag: int = 3) -> bytes:
    sizes = struct.pack(f"<iI{len(shape)}q", 0, len(shape), *shape)
    return struct.pack("<I", 0xF993FAC9) + sizes + struct.pack("<iii", 1, 0, flag) + data


def _mxnet_classes(path: Path) -> bytes:
    """1,000 matrices, each of another number of classes."""
    return _mxnet(*(_mxnet_array((1, n), bytes(n)) for n in range(2, 1000)))


def _mxnet_nothing(path: Path) -> bytes:
    """An array of nothing whose sizes are as large as numbers are."""
    return _mxnet(_mxnet_array((0, 2**62, 2**62), b""))


# --- Flax ---


def _flax(body: bytes) -> bytes:
    """A map with one array of one value, and something else."""
    array = b"\x93\x91\x01\xa5uint8\xc4\x01\0"
    return b"\x82\xa1a" + b"\xc7" + bytes([len(array)]) + b"\x01" + array + b"\xa1b" + body


def _flax_array(shape: bytes, kind: bytes, data: bytes) -> bytes:
    inside = b"\x93" + shape + bytes([0xA0 + len(kind)]) + kind + b"\xc6" + struct.pack(">I", len(data)) + data
    return b"\xc9" + struct.pack(">I", len(inside)) + b"\x01" + inside


def _empty_maps(path: Path) -> bytes:
    """A million empty maps in 250 lists."""
    return _flax(b"\xdc\x00\xff" + (b"\xdc\x0f\xff" + b"\x80" * 4095) * 255)


def _flax_name(name: bytes) -> Callable[[Path], bytes]:
    """A map in which a text of no UTF-8 is a name."""
    return lambda path: _flax(b"\x81" + bytes([0xA0 + len(name)]) + name + _flax_array(b"\x91\x01", b"uint8", b"\0"))


CASES = {
    "tensorflow_natural_names": Case("m.index", _natural_names, "memory"),
    "tensorflow_shared_values": Case("m.index", _shared_values, "memory", "values"),
    "tensorflow_long_shape": Case("m.index", _long_shape, "time"),
    "tensorflow_nothing_large": Case("m.index", _variable(b"a", (0, 2**62, 2**62), size=0), "exception"),
    "tensorflow_name_no_text": Case("m.index", _variable(b"\xed\xa0\x80", (1,)), "exception"),
    "tensorflow_offset": Case("m.index", _variable(b"a", (1,), 2**63 - 1), "exception"),
    "tensorflow_name_newlines": Case("m.index", _variable(b"\n\x1b[2J\0", (7, 3), size=84), "sentence", options=NAMED),
    "matlab_zeros": Case("m.mat", _mat_zeros, "memory"),
    "matlab_bomb": Case("m.mat", _mat_bomb, "memory"),
    "matlab_nested_structs": Case("m.mat", _nested_structs, "memory"),
    "matlab_many_classes": Case("m.mat", _many_cells, "time"),
    "mxnet_many_classes": Case("m.params", _mxnet_classes, "time"),
    "mxnet_nothing_large": Case("m.params", _mxnet_nothing, "exception"),
    "flax_empty_maps": Case("m.msgpack", _empty_maps, "memory", "visits", needs=FLAX),
    "flax_deep": Case("m.msgpack", lambda path: _flax(b"\x91" * 100_000 + b"\xc0"), "exception", needs=FLAX),
    "flax_nothing_large": Case(
        "m.msgpack",
        lambda path: _flax(_flax_array(b"\x93\x00" + b"\xcf" + b"\x7f" * 8 + b"\xcf" + b"\x7f" * 8, b"uint8", b"")),
        "exception",
        needs=FLAX,
    ),
    "flax_name_no_text": Case("m.msgpack", _flax_name(b"\xed\xa0\x80"), "exception", needs=FLAX),
    "flax_timestamp": Case("m.msgpack", lambda path: _flax(b"\xd5\xff\0\0"), "exception", needs=FLAX),
}
