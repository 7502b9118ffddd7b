"""Hostile archives: members and chunks that unpack to far more than they are, and HDF5 whose names and heaps repeat."""

from __future__ import annotations

import bz2
import io
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import opcodes as op
from .case import Case

NAMED = {"network": "lenet5-relu-max"}
_MEBIBYTE = 1 << 20
_GIBIBYTE = 1 << 30


def zeros(count: int) -> bytes:
    """So many zeros, a multiple of a mebibyte, as zlib compresses them; written without having them."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    one = stream.compress(bytes(_MEBIBYTE)) + stream.flush(zlib.Z_FULL_FLUSH)
    checksum = (count % 65521) << 16 | 1
    return b"\x78\xda" + one * (count // _MEBIBYTE) + b"\x03\x00" + struct.pack(">I", checksum)


# --- zip ---


def _member(data: bytes, method: int, *, size: int = 0) -> bytes:
    """An archive of one .npy member that is compressed already; `size` is what it claims to hold."""
    name = b"a.npy"
    head = struct.pack("<HHHHHIIIHH", 20, 0, method, 0, 0, 0, len(data), size, len(name), 0)
    local = b"PK\x03\x04" + head + name + data
    entry = b"PK\x01\x02" + struct.pack("<H", 20) + head + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    return local + entry + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(local), 0)


def _bz2(path: Path) -> bytes:
    """256 mebibytes in 200 bytes, which Python's bz2 members unpack in one go, whatever was asked for."""
    return _member(bz2.compress(bytes(_GIBIBYTE // 4)), zipfile.ZIP_BZIP2, size=_GIBIBYTE // 4)


def _lzma(path: Path) -> bytes:
    """The same by LZMA."""
    filters = [{"id": lzma.FILTER_LZMA1, "preset": 0}]
    data = lzma.compress(bytes(_GIBIBYTE // 4), lzma.FORMAT_RAW, filters=filters)
    properties = b"\x5d" + struct.pack("<I", 1 << 18)
    return _member(b"\x09\x04" + struct.pack("<H", 5) + properties + data, zipfile.ZIP_LZMA, size=_GIBIBYTE // 4)


def _lzma_dictionary(path: Path) -> bytes:
    """LZMA with a dictionary of four gibibytes."""
    data = lzma.compress(bytes(10), lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "preset": 0}])
    properties = b"\x5d" + struct.pack("<I", 0xFFFFFFFF)
    return _member(b"\x09\x04" + struct.pack("<H", 5) + properties + data, zipfile.ZIP_LZMA, size=10)


def _same_member(path: Path) -> bytes:
    """One stored array of half a mebibyte that the directory lists 20,000 times."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.npy", op.npy(bytes(_MEBIBYTE // 2), "'|u1'", f"({_MEBIBYTE // 2},)"))
    data = stream.getvalue()
    begin = data.index(b"PK\x01\x02")
    entry = data[begin : data.index(b"PK\x05\x06")]
    tail = struct.pack("<HHHHIIH", 0, 0, 20_000, 20_000, 20_000 * len(entry), begin, 0)
    return data[:begin] + entry * 20_000 + b"PK\x05\x06" + tail


def _many_members(path: Path) -> bytes:
    """1,000 matrices, each of another number of classes."""
    return op.npz(**{f"a{n}": op.npy(bytes(n), "'|u1'", f"(1, {n})") for n in range(2, 1024)})


def _names(*names: str) -> Callable[[Path], bytes]:
    """An .npz whose arrays have these names."""
    return lambda path: op.npz(**{name: op.npy(bytes(84), "'<f4'", "(7, 3)") for name in names})


def _header(descr: str = "'<f4'", shape: str = "(1,)", body: bytes = bytes(4)) -> Callable[[Path], bytes]:
    """An .npz with one array of this header."""
    return lambda path: op.npz(a=op.npy(body, descr, shape, 2))


# --- HDF5 ---


def _hdf5(fill: Callable[[Any], object]) -> bytes:
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        fill(file)
    return stream.getvalue()


def _chunk(file: Any, name: str, size: int, *, twice: bool) -> None:
    """One value in a chunk of so many, which is unpacked for it."""
    import h5py

    space = h5py.h5s.create_simple((1,), (h5py.h5s.UNLIMITED,))
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((size,))
    properties.set_deflate(1)
    data = zeros(size)
    if twice:
        properties.set_deflate(1)
        data = zlib.compress(data, 9)
    dataset = h5py.h5d.create(file.id, name.encode(), h5py.h5t.STD_U8LE, space, properties)
    dataset.write_direct_chunk((0,), data)


def _large_chunk(path: Path) -> bytes:
    """One byte in a chunk of two gibibytes, compressed twice."""
    return _hdf5(lambda file: _chunk(file, "a", 2 * _GIBIBYTE, twice=True))


def _many_chunks(path: Path) -> bytes:
    """200 bytes, each in a chunk of 128 mebibytes."""

    def fill(file: Any) -> None:
        for number in range(200):
            _chunk(file, f"a{number}", 1 << 27, twice=True)

    return _hdf5(fill)


def _repeated_names(path: Path) -> bytes:
    """2,000 times the same layer, which has 2,000 times the same array."""

    def fill(file: Any) -> None:
        import numpy as np

        file.attrs["layer_names"] = np.array([b"a"] * 2000)
        group = file.create_group("a")
        group.attrs["weight_names"] = np.array([b"b"] * 2000)
        group["b"] = np.zeros(1, np.uint8)

    return _hdf5(fill)


def _heaps(size: int) -> Callable[[Path], bytes]:
    """Nothing but what looks like the beginnings of heaps."""
    return lambda path: b"\x89HDF\r\n\x1a\n" + b"GCOL" * (size // 4)


def _circle(path: Path) -> bytes:
    """A group that holds itself twice."""

    def fill(file: Any) -> None:
        file["a"] = file["/"]
        file["b"] = file["/"]

    return _hdf5(fill)


def _links(path: Path) -> bytes:
    """A link to another file."""

    def fill(file: Any) -> None:
        import h5py

        file["a"] = h5py.ExternalLink("other.h5", "/a")

    return _hdf5(fill)


def _virtual(path: Path) -> bytes:
    """Values of another file."""

    def fill(file: Any) -> None:
        import h5py

        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource("other.h5", "a", (4,))
        file.create_virtual_dataset("a", layout)

    return _hdf5(fill)


def _outside(path: Path) -> bytes:
    """Values that lie in a file of raw bytes."""
    return _hdf5(lambda file: file.create_dataset("a", (4,), "f4", external=[("/etc/passwd", 0, 16)]))


# --- Keras ---


def _keras(config: str, fill: Callable[[Any], object] = lambda file: file.create_group("layers")) -> bytes:
    """A .keras archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", config)
        archive.writestr("model.weights.h5", _hdf5(fill))
    return stream.getvalue()


def _sequential(layers: list[dict[str, Any]]) -> str:
    first = {"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, 5, 5, 1]}}
    return json.dumps({"class_name": "Sequential", "config": {"layers": [first, *layers]}})


def _empty_lists(path: Path) -> bytes:
    """A config of ten million empty dictionaries."""
    return _keras('{"class_name": [' + "{}," * 10_000_000 + "0]}")


def _long_row(path: Path) -> bytes:
    """60,000 layers in one row, each compared with all before it."""
    layers = ",".join(f'{{"name":"{n}","inbound_nodes":[["{n - 1}",0,0]]}}' for n in range(1, 60_000))
    return _keras('{"class_name":"Functional","config":{"layers":[{"name":"0"},' + layers + "]}}")


def _deep_models(path: Path) -> bytes:
    """Models in models, 50,000 deep."""
    inside = '{"class_name":"Sequential","config":[' * 50_000
    return _keras(inside + "]}" * 50_000)


def _shared_kernel(path: Path) -> bytes:
    """400 layers of one name, which share one kernel of 1024 x 1024 zeros."""

    def fill(file: Any) -> None:
        kernel = {"compression": "gzip", "compression_opts": 9, "data": 0, "shape": (1024, 1024), "dtype": "f4"}
        import numpy as np

        file.create_dataset("layers/conv2d/vars/0", data=np.zeros((5, 5, 1, 1024), np.float32), compression="gzip")
        file.create_dataset("layers/dense/vars/0", **{**kernel, "data": np.zeros((1024, 1024), np.float32)})

    conv = {"class_name": "Conv2D", "config": {"name": "conv2d", "use_bias": False}}
    dense = {"class_name": "Dense", "config": {"name": "dense", "use_bias": False}}
    flat = {"class_name": "Flatten", "config": {"name": "f"}}
    return _keras(_sequential([conv, flat, *[dense] * 400]), fill)


def _keras_names(name: str) -> Callable[[Path], bytes]:
    """A layer of this name whose kind nobody knows."""
    return lambda path: _keras(_sequential([{"class_name": "Strange", "config": {"name": name}}]))


def _keras_damaged(path: Path) -> bytes:
    """Layers that are numbers."""
    return _keras('{"class_name":"Sequential","config":{"layers":[1,2,3]}}')


_H5 = ("h5py",)

CASES = {
    "npz_bz2": Case("m.npz", _bz2, "memory"),
    "npz_lzma": Case("m.npz", _lzma, "memory"),
    "npz_lzma_dictionary": Case("m.npz", _lzma_dictionary, "memory"),
    "npz_same_member": Case("m.npz", _same_member, "time"),
    "npz_many_members": Case("m.npz", _many_members, "time"),
    "npz_long_name": Case("m.npz", _names("a" * 60_000), "sentence", options=NAMED),
    "npz_metadata_of_objects": Case("m.npz", lambda path: op.npz(__lenet_fast__=op.npy_of(op.EMPTY_DICT)), "exception"),
    "npz_metadata_of_no_text": Case(
        "m.npz", lambda path: op.npz(__lenet_fast__=op.npy(b"\xff" * 4, "'<U1'", "()")), "exception"
    ),
    "npz_metadata_of_surrogates": Case(
        "m.npz", lambda path: op.npz(__lenet_fast__=op.npy(b"\0\xd8\0\0", "'<U1'", "()")), "sentence"
    ),
    "npz_header_deep": Case("m.npz", _header(shape="(" * 9000), "exception"),
    "npz_header_long_number": Case("m.npz", _header(shape="(" + "9" * 5000 + ",)"), "exception"),
    "npz_header_of_nothing_large": Case("m.npz", _header(shape="(0, 9223372036854775807, 2)", body=b""), "exception"),
    "npz_header_escape": Case("m.npz", _header(descr="'<f\\8'"), "exception"),
    "hdf5_large_chunk": Case("m.h5", _large_chunk, "memory", needs=_H5),
    "hdf5_many_chunks": Case("m.h5", _many_chunks, "time", needs=_H5),
    "hdf5_repeated_names": Case("m.weights.h5", _repeated_names, "time", "visits", needs=_H5),
    "hdf5_heaps": Case("m.h5", _heaps(1 << 20), "time", needs=_H5),
    "hdf5_circle": Case("m.h5", _circle, "time", ends="refused", needs=_H5),
    "hdf5_link": Case("m.h5", _links, "elsewhere", ends="refused", needs=_H5),
    "hdf5_virtual": Case("m.h5", _virtual, "elsewhere", ends="refused", needs=_H5),
    "hdf5_outside": Case("m.h5", _outside, "elsewhere", ends="refused", needs=_H5),
    "keras_empty_dictionaries": Case("m.keras", _empty_lists, "memory", "parameters", needs=_H5),
    "keras_long_row": Case("m.keras", _long_row, "time", needs=_H5),
    "keras_deep_models": Case("m.keras", _deep_models, "exception", needs=_H5),
    "keras_shared_kernel": Case("m.keras", _shared_kernel, "memory", "parameters", needs=_H5),
    "keras_long_name": Case("m.keras", _keras_names("a" * 100_000), "sentence", needs=_H5),
    "keras_surrogate": Case("m.keras", _keras_names("\ud800"), "sentence", needs=_H5),
    "keras_damaged_layers": Case("m.keras", _keras_damaged, "exception", needs=_H5),
}
