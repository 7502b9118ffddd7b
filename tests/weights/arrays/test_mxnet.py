"""weights/mxnet.py: parameter files, written here as the format documents."""

from __future__ import annotations

import struct

import foreign_arrays
import numpy as np
import pytest
from lenet_fast.weights.arrays import mxnet
from lenet_fast.weights.files import File
from lenet_fast.weights.sniff import format_of
from lenet_fast.weights.source import TORCH

FLAGS = {"float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6}
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA


def array_bytes(array, version=V2, flag=None, storage=0):
    head = b"" if version is None else struct.pack("<I", version)
    head += struct.pack("<i", storage) if version in (V2, V3) else b""
    axes = "I" if version is None else "q"
    head += struct.pack(f"<I{array.ndim}{axes}", array.ndim, *array.shape)
    flag = FLAGS[array.dtype.name] if flag is None else flag
    return head + struct.pack("<iii", 1, 0, flag) + array.tobytes()


def file_bytes(tensors, *, names=True, **how):
    data = struct.pack("<QQQ", 0x112, 0, len(tensors)) + b"".join(array_bytes(a, **how) for a in tensors.values())
    data += struct.pack("<Q", len(tensors) if names else 0)
    for name in tensors if names else ():
        data += struct.pack("<Q", len(name.encode())) + name.encode()
    return data


def read(path, data):
    path.write_bytes(data)
    assert format_of(data).name == "MXNet"
    return mxnet.read(File.open(path))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lenet-0010.params"


@pytest.mark.parametrize("version", [None, V1, V2, V3])
def test_every_version(path, version):
    source = read(path, file_bytes(foreign_arrays.lenet(), version=version))
    foreign_arrays.same_arrays(source.tensors, foreign_arrays.lenet())
    assert source.layout == TORCH and source.format == "MXNet"
    foreign_arrays.computes_like_torch(source)


def test_prefixes_are_taken_off(path):
    tensors = {f"{'aux' if 'bias' in n else 'arg'}:{n.replace('.', '_')}": a for n, a in foreign_arrays.lenet().items()}
    source = read(path, file_bytes(tensors))
    assert list(source.tensors) == [name.replace(".", "_") for name in foreign_arrays.lenet()]
    foreign_arrays.computes_like_torch(source)


def test_a_list_without_names(path):
    source = read(path, file_bytes(foreign_arrays.lenet(), names=False))
    assert list(source.tensors) == [str(n) for n in range(10)]


@pytest.mark.parametrize("kind", FLAGS)
def test_every_type(path, kind):
    array = np.arange(6).reshape(2, 3).astype(kind)
    foreign_arrays.same_arrays(read(path, file_bytes({"a": array})).tensors, {"a": array})


def test_bfloat16(path):
    upper = np.array([0x3F80, 0xC000], np.uint16)
    found = read(path, file_bytes({"a": upper}, flag=12)).tensors["a"]
    assert found.dtype == np.float32 and found.tolist() == [1, -2]


def test_an_array_without_a_shape_is_left_out(path):
    data = struct.pack("<QQQ", 0x112, 0, 2) + struct.pack("<IiI", V2, 0, 0) + array_bytes(np.ones(2, np.float32))
    data += struct.pack("<Q", 2) + b"".join(struct.pack("<Q", 1) + n for n in (b"a", b"b"))
    foreign_arrays.same_arrays(read(path, data).tensors, {"b": np.ones(2, np.float32)})


def test_what_is_refused(path):
    one = {"a": np.ones((2, 3), np.float32)}
    assert "a sparse array; convert it with tostype('default')" in foreign_arrays.refused(
        mxnet.read, path, file_bytes(one, storage=1)
    )
    assert "an array of type 99" in foreign_arrays.refused(mxnet.read, path, file_bytes(one, flag=99))
    assert "1 bytes too many" in foreign_arrays.refused(mxnet.read, path, file_bytes(one) + b"\0")
    huge = struct.pack("<QQQIiI2q", 0x112, 0, 1, V2, 0, 2, 1 << 40, 1 << 40) + bytes(64)
    assert "bytes where" in foreign_arrays.refused(mxnet.read, path, huge)
    assert "arrays" in foreign_arrays.refused(mxnet.read, path, struct.pack("<QQQ", 0x112, 0, 1 << 60))


def test_damage(path):
    path.write_bytes(file_bytes(foreign_arrays.lenet()))
    foreign_arrays.survives_damage(mxnet.read, path)
