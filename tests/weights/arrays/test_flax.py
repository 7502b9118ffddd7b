"""weights/flax.py: files by flax.serialization, and the same bytes written by the test."""

from __future__ import annotations

import warnings

import foreign_arrays
import numpy as np
import pytest
from lenet_fast.weights.arrays import flax
from lenet_fast.weights.files import File
from lenet_fast.weights.signatures import is_flax
from lenet_fast.weights.source import KERAS

msgpack = pytest.importorskip("msgpack", reason="msgpack is not installed (pip install msgpack)")


def serialization():
    """The real library, whose imports may warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("flax.serialization", reason="flax is not installed (pip install flax)")


def packed(tree):
    """As Flax packs arrays, scalars and maps."""

    def extension(value):
        code = 1 if isinstance(value, np.ndarray) else 3
        array = np.asarray(value)
        return msgpack.ExtType(code, msgpack.packb((array.shape, array.dtype.name, array.tobytes()), use_bin_type=True))

    return msgpack.packb(tree, default=extension, strict_types=True)


def nested():
    tree: dict = {}
    for name, array in foreign_arrays.hwio().items():
        layer, _, role = name.partition("/")
        tree.setdefault(layer, {})[role] = array
    return {"params": tree}


def dotted():
    return {f"params.{name}": array for name, array in foreign_arrays.hwio(separator=".").items()}


def read(path, data):
    path.write_bytes(data)
    assert is_flax(data)
    return flax.read(File.open(path))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lenet.msgpack"


def test_bytes_as_documented(path):
    source = read(path, packed(nested()))
    foreign_arrays.same_arrays(source.tensors, dotted())
    assert source.layout == KERAS and source.format == "Flax"
    foreign_arrays.computes_like_torch(source, flatten="HWC")


def test_real_files(path):
    source = read(path, serialization().to_bytes(nested()))
    foreign_arrays.same_arrays(source.tensors, dotted())
    foreign_arrays.computes_like_torch(source)


def test_an_optimisers_memory_is_no_weight(path):
    state = {"step": np.int32(3), "opt_state": {"0": {"mu": nested()["params"]}}, **nested()}
    source = read(path, serialization().to_bytes(state))
    assert source.tensors["step"] == 3
    foreign_arrays.computes_like_torch(source)


def test_real_chunks(path, monkeypatch):
    real = serialization()
    monkeypatch.setattr(real, "MAX_CHUNK_SIZE", 1000)
    foreign_arrays.same_arrays(read(path, real.to_bytes(nested())).tensors, dotted())


def test_real_bfloat16(path):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed (pip install ml_dtypes)")
    array = np.array([[1, -2.5]], ml_dtypes.bfloat16)
    foreign_arrays.same_arrays(
        read(path, serialization().to_bytes({"a": array})).tensors, {"a": array.astype(np.float32)}
    )


@pytest.mark.parametrize("kind", ["float16", "float64", "int8", "uint8", "int64"])
def test_other_types(path, kind):
    array = np.arange(6).reshape(2, 3).astype(kind)
    foreign_arrays.same_arrays(read(path, packed({"a": array})).tensors, {"a": array})


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        (((1 << 40,), "float32", b""), "an array of shape (1099511627776,) in 0 bytes"),
        (((-1,), "float32", b""), "an array of no shape"),
        (((1,), "object", bytes(8)), "an array of 'object'"),
        (((1,), "float32", 7), "an array of 'float32'"),
        (((1,), 7, b""), "an array of '7'"),
        (((), "float32"), "not enough values"),
    ],
)
def test_contradictions(path, parts, found):
    data = msgpack.packb({"a": msgpack.ExtType(1, msgpack.packb(parts))})
    assert found in foreign_arrays.refused(flax.read, path, data)


def test_claims_are_not_believed(path):
    foreign_arrays.refused(flax.read, path, b"\x81\xa1a\xdd\xff\xff\xff\xff")
    foreign_arrays.refused(flax.read, path, b"\x81\xa1a\xc9\xff\xff\xff\xff\x01")
    foreign_arrays.refused(flax.read, path, b"\x81\xa1a" * 2000 + b"\x01")
    deep = packed({"a": np.ones(1, np.float32)})
    for _ in range(40):
        deep = b"\x81\xa1a" + deep
    assert "without an end" in foreign_arrays.refused(flax.read, path, deep)


def test_chunks_that_are_none(path):
    mark = "__msgpack_chunked_array__"
    one = np.ones(3, np.float32)
    for shape, chunks in (({"0": 4}, {"0": one}), ({"0": 3}, {}), ({"0": 3}, {"1": one}), ({"0": 3}, {"0": 3})):
        foreign_arrays.refused(flax.read, path, packed({"a": {mark: True, "shape": shape, "chunks": chunks}}))
    foreign_arrays.refused(flax.read, path, packed({"a": {mark: True}}))


def test_damage(path):
    path.write_bytes(packed(nested()))
    foreign_arrays.survives_damage(flax.read, path)


def test_what_is_no_flax_file():
    assert not is_flax(msgpack.packb({"a": 1}))
    assert not is_flax(b"\x08\x07\x12\x07pytorch")
