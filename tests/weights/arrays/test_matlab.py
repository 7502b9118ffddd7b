"""weights/matlab.py: files that SciPy writes, and MatConvNet's structs."""

from __future__ import annotations

import io
import struct
import time
import zlib

import foreign_arrays
import numpy as np
import pytest
from lenet_fast.weights.arrays import matlab
from lenet_fast.weights.files import File
from lenet_fast.weights.signatures import is_matlab
from lenet_fast.weights.source import UNKNOWN, Layout

scipy_io = pytest.importorskip("scipy.io", reason="scipy is not installed (pip install scipy)")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lenet.mat"


def saved(variables, **how):
    stream = io.BytesIO()
    scipy_io.savemat(stream, variables, **how)
    return stream.getvalue()


def read(path, data):
    path.write_bytes(data)
    assert is_matlab(data)
    return matlab.read(File.open(path))


def flat_names():
    return {name.replace(".", "_"): array for name, array in foreign_arrays.lenet().items()}


def cell(*items):
    found = np.empty((1, len(items)), object)
    for i, item in enumerate(items):
        found[0, i] = item
    return found


def matconvnet():
    """Layers as MatConvNet keeps them: every connection a convolution, kernels (rows, columns, inputs, outputs)."""
    layers = []
    for name in foreign_arrays.LAYERS:
        weight, bias = foreign_arrays.lenet()[f"{name}.weight"], foreign_arrays.lenet()[f"{name}.bias"]
        kernel = {"fc1": (120, 16, 5, 5), "fc2": (84, 120, 1, 1), "fc3": (10, 84, 1, 1)}.get(name, weight.shape)
        filters = weight.reshape(kernel).transpose(2, 3, 1, 0)
        momentum = cell(np.zeros_like(filters), np.zeros((1, len(bias)), np.float32))
        settings = {"type": "conv", "name": name, "stride": np.array([1.0, 1]), "pad": 0.0, "momentum": momentum}
        layers.append({**settings, "weights": cell(filters, bias[None])})
        layers.append({"type": "pool", "pool": np.array([2.0, 2])})
    return {"net": {"layers": cell(*layers), "meta": {"inputSize": np.array([32.0, 32, 1])}}, "info": np.ones((2, 3))}


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays(path, compressed):
    source = read(path, saved(flat_names(), do_compression=compressed))
    foreign_arrays.same_arrays(source.tensors, flat_names())
    assert source.layout == UNKNOWN and source.format == "MATLAB"
    foreign_arrays.computes_like_torch(source, flatten="CHW")


@pytest.mark.parametrize("compressed", [False, True])
def test_matconvnet(path, compressed):
    source = read(path, saved(matconvnet(), do_compression=compressed))
    assert list(source.tensors) == [f"net.layers[{i}].weights[{j}]" for i in range(0, 10, 2) for j in range(2)]
    assert source.tensors["net.layers[2].weights[0]"].shape == (5, 5, 6, 16)
    assert source.tensors["net.layers[2].weights[1]"].shape == (16,)
    assert source.layout == Layout("HWIO", "IO", None)
    foreign_arrays.computes_like_torch(source)


def test_dagnn(path):
    """MatConvNet's other form: a struct array of parameters."""
    params = np.empty((1, 10), [("name", object), ("value", object), ("learningRate", object)])
    for i, (name, array) in enumerate(foreign_arrays.lenet().items()):
        value = array[None] if array.ndim == 1 else array.reshape(len(array), -1, 5, 5) if array.ndim == 4 else array
        if name == "fc1.weight":
            value = array.reshape(120, 16, 5, 5)
        value = value.reshape(*value.shape, 1, 1) if value.ndim == 2 and len(value) > 1 else value
        params[0, i] = (name, value.transpose(2, 3, 1, 0) if value.ndim == 4 else value, 1.0)
    source = read(path, saved({"net": {"params": params}}))
    assert list(source.tensors)[:2] == ["net.params[0].value", "net.params[1].value"]
    foreign_arrays.computes_like_torch(source)


@pytest.mark.parametrize("kind", ["f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_every_class(path, kind):
    array = np.array([[0, 1, 2], [3, 4, 100]], kind)
    foreign_arrays.same_arrays(read(path, saved({"a": array})).tensors, {"a": array})


def test_shapes(path):
    variables = {"row": np.ones((1, 4)), "column": np.ones((4, 1)), "one": np.ones((1, 1)), "none": np.ones((0, 0))}
    found = read(path, saved({**variables, "four": np.ones((1, 1, 3, 2))})).tensors
    assert [a.shape for a in found.values()] == [(4,), (4,), (), (0, 0), (1, 1, 3, 2)]


def test_what_is_left_out(path):
    sparse = pytest.importorskip("scipy.sparse", reason="scipy is not installed (pip install scipy)")
    others = {
        "text": "abc",
        "flag": np.array([True]),
        "z": np.array([1j]),
        "s": sparse.csc_matrix(np.eye(3)),
        "c": cell(),
    }
    foreign_arrays.same_arrays(read(path, saved({**others, "a": np.eye(3)})).tensors, {"a": np.eye(3)})


def test_nested(path):
    found = read(path, saved({"net": {"a": cell(np.eye(2), {"b": np.eye(3)}), "list": np.array([1.0, 2])}})).tensors
    assert list(found) == ["net.a[0]", "net.a[1].b", "net.list"]


def element(kind, data, order="<"):
    return struct.pack(f"{order}II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(kind, shape, body, name=b"a", order="<"):
    head = element(6, struct.pack(f"{order}II", kind, 0), order)
    head += element(5, struct.pack(f"{order}{len(shape)}i", *shape), order)
    return element(14, head + element(1, name, order) + body, order)


HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"


def test_big_endian_and_narrower_values(path):
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\1\0MI"
    data = header + matrix(6, (2, 2), element(3, struct.pack(">4h", 1, 2, 3, -4), ">"), order=">")
    assert read(path, data).tensors["a"].tolist() == [[1, 3], [2, -4]]


def test_version_7_3(path):
    data = b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(384) + b"\x89HDF\r\n\x1a\n"
    assert is_matlab(data)
    foreign_arrays.refused(matlab.read, path, data, "save with -v7")


def test_objects(path):
    data = HEADER + element(14, element(6, struct.pack("<II", 17, 0)) + element(1, b"net") + element(1, b"MCOS"))
    foreign_arrays.refused(matlab.read, path, data, "export the network with exportONNXNetwork")


def test_claims_are_not_believed(path):
    begin = time.process_time()
    for kind in (1, 2, 6):
        foreign_arrays.refused(matlab.read, path, HEADER + matrix(kind, (1 << 30, 1 << 30), element(9, bytes(8))))
    foreign_arrays.refused(matlab.read, path, HEADER + matrix(6, (-1, -1), element(9, bytes(8))))
    foreign_arrays.refused(matlab.read, path, HEADER + matrix(6, (1, 1), element(9, bytes(7))))
    foreign_arrays.refused(matlab.read, path, HEADER + struct.pack("<II", 14, 0xFFFFFFFF))
    deep = matrix(6, (1, 1), element(9, bytes(8)))
    for _ in range(2000):
        deep = matrix(1, (1, 1), deep)
    foreign_arrays.refused(matlab.read, path, HEADER + deep)
    foreign_arrays.refused(
        matlab.read, path, HEADER + struct.pack("<II", 15, 1 << 17) + zlib.compress(bytes(1 << 27))[: 1 << 17]
    )
    assert "than a model has" in foreign_arrays.refused(matlab.read, path, HEADER + bomb())
    assert time.process_time() - begin < 20


def bomb():
    packed = zlib.compress(bytes(1 << 27))
    return struct.pack("<II", 15, len(packed)) + packed


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("structs", [False, True])
def test_damage(path, compressed, structs):
    path.write_bytes(saved(matconvnet() if structs else flat_names(), do_compression=compressed))
    foreign_arrays.survives_damage(matlab.read, path, cut_may_be_whole=True)
