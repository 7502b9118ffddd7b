"""Pickles put together opcode by opcode, and the files of PyTorch and NumPy around them."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterable, Sequence

#: Opcodes without an argument.
MARK, STOP, POP, DUP, NONE, TUPLE, REDUCE, BUILD = b"(", b".", b"0", b"2", b"N", b"t", b"R", b"b"
EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT, APPENDS, SETITEM, SETITEMS, OBJ = b")", b"]", b"}", b"e", b"s", b"u", b"o"
TUPLE1, TUPLE2, FALSE, BINPERSID, STACK_GLOBAL = b"\x85", b"\x86", b"\x89", b"Q", b"\x93"
_TORCH_MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")


def program(*body: bytes) -> bytes:
    """A whole pickle of protocol 4."""
    return b"\x80\x04" + b"".join(body) + STOP


def text(value: str | bytes) -> bytes:
    data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def whole(value: int) -> bytes:
    """A number of any size."""
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data if len(data) < 256 else b"\x8b" + struct.pack("<i", len(data)) + data


def binary(data: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(data)) + data


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def put(number: int) -> bytes:
    return b"r" + struct.pack("<I", number)


def get(number: int) -> bytes:
    return b"j" + struct.pack("<I", number)


def row(items: Iterable[bytes]) -> bytes:
    """A tuple."""
    return MARK + b"".join(items) + TUPLE


def listed(*items: bytes) -> bytes:
    return EMPTY_LIST + MARK + b"".join(items) + APPENDS


def mapping(*pairs: tuple[bytes, bytes]) -> bytes:
    return EMPTY_DICT + MARK + b"".join(key + value for key, value in pairs) + SETITEMS


def called(function: bytes, *arguments: bytes) -> bytes:
    return function + row(arguments) + REDUCE


def doubled(inside: bytes, levels: int) -> bytes:
    """A tuple of twice the same tuple of twice the same: two to the power of `levels` ways to the inside."""
    return inside + (DUP + TUPLE2) * levels


# --- PyTorch ---


def tensor(
    sizes: bytes, strides: bytes, *, kind: str = "FloatStorage", key: bytes | None = None, count: int = 1
) -> bytes:
    """A tensor at the beginning of a storage."""
    storage = [text("storage"), name("torch", kind), text("0") if key is None else key, text("cpu"), whole(count)]
    rest = [whole(0), sizes, strides, FALSE, called(name("collections", "OrderedDict"))]
    return called(name("torch._utils", "_rebuild_tensor_v2"), row(storage) + BINPERSID, *rest)


def sizes(numbers: Sequence[int]) -> bytes:
    return row(map(whole, numbers))


def module(path: str, state: bytes) -> bytes:
    """An object of torch.nn with this state."""
    return name(*path.rsplit(".", 1)) + EMPTY_TUPLE + REDUCE + state + BUILD


def torch_zip(tree: bytes, storage: bytes = bytes(4), **members: bytes) -> bytes:
    """What torch.save writes, its storage compressed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", program(tree))
        archive.writestr("archive/data/0", storage)
        for member, data in members.items():
            archive.writestr(f"archive/{member}", data)
    return stream.getvalue()


def torch_legacy(tree: bytes, keys: bytes = EMPTY_LIST, storages: bytes = b"") -> bytes:
    """The older layout: five pickles in a row, and the storages."""
    magic = b"\x80\x02\x8a\x0a" + _TORCH_MAGIC + STOP
    return magic + program(whole(1001)) + program(EMPTY_DICT) + program(tree) + program(keys) + storages


# --- NumPy ---


def numpy_array(shape: bytes, data: bytes, kind: bytes = b"") -> bytes:
    """An array as NumPy pickles it; its type is a text or anything else."""
    function, base = name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray")
    made = called(function, base, sizes([0]), binary(b"b"))
    dtype = called(name("numpy", "dtype"), kind or text("f4"), FALSE, FALSE)
    return made + row([whole(1), shape, dtype, FALSE, binary(data)]) + BUILD


def npy(body: bytes, descr: str = "'|O'", shape: str = "(1,)", version: int = 1) -> bytes:
    """A .npy file of any header."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + body


def npy_of(tree: bytes) -> bytes:
    """A .npy file with one pickled object."""
    return npy(program(tree))


def npz(**members: bytes) -> bytes:
    """An archive of .npy files, compressed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(f"{member}.npy", data)
    return stream.getvalue()
