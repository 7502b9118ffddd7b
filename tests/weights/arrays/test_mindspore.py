"""arrays/mindspore.py: checkpoints, written here as the format is, and by MindSpore where it is installed."""

from __future__ import annotations

import warnings
import zlib

import foreign_arrays
import numpy as np
import pytest
from lenet_fast import OverBudgetError
from lenet_fast.budget import spending
from lenet_fast.weights.arrays import mindspore
from lenet_fast.weights.files import File
from lenet_fast.weights.sniff import format_of
from lenet_fast.weights.source import TORCH
from protobuf_bytes import field, message

TYPES = {
    "float16": "Float16", "float32": "Float32", "float64": "Float64", "bool": "Bool", "int8": "Int8", "int16": "Int16",
    "int32": "Int32", "int64": "Int64", "uint8": "UInt8", "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64",
}  # fmt: skip


def value(name, dims, kind, data):
    """One value of a checkpoint."""
    return field(1, message({1: name, 2: message({1: list(dims), 2: kind, 3: data})}))


def tensor(name, array):
    return value(name, array.shape or (0,), TYPES[array.dtype.name], array.tobytes())


def file_bytes(tensors):
    return b"".join(tensor(name, array) for name, array in tensors.items())


def read(path, data):
    path.unlink(missing_ok=True)  # MindSpore's own may not be written
    path.write_bytes(data)
    assert format_of(data).name == "MindSpore"
    return mindspore.read(File.open(path))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lenet-1_1875.ckpt"


def test_a_network(path):
    source = read(path, file_bytes(foreign_arrays.lenet()))
    foreign_arrays.same_arrays(source.tensors, foreign_arrays.lenet())
    assert source.layout == TORCH and source.format == "MindSpore"
    foreign_arrays.computes_like_torch(source)


@pytest.mark.parametrize("checked", [False, True])
def test_a_file_of_mindspore(path, checked):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ms = pytest.importorskip("mindspore", reason="mindspore is not installed (pip install mindspore)")
        tensors = [{"name": name, "data": ms.Tensor(array)} for name, array in foreign_arrays.lenet().items()]
        ms.save_checkpoint(tensors, str(path), append_dict={"epoch_num": 3, "net": "lenet"}, crc_check=checked)
    found = read(path, path.read_bytes()).tensors
    assert found.pop("epoch_num") == 3
    foreign_arrays.same_arrays(found, foreign_arrays.lenet())


@pytest.mark.parametrize("kind", TYPES)
def test_every_type(path, kind):
    array = np.arange(6).reshape(2, 3).astype(kind)
    foreign_arrays.same_arrays(read(path, file_bytes({"a": array})).tensors, {"a": array})


def test_bfloat16(path):
    found = read(path, value("a", (2,), "BFloat16", np.array([0x3F80, 0xC000], np.uint16).tobytes())).tensors["a"]
    assert found.dtype == np.float32 and found.tolist() == [1, -2]


def test_a_number_by_itself(path):
    found = read(path, file_bytes({"epoch_num": np.array(3)})).tensors
    foreign_arrays.same_arrays(found, {"epoch_num": np.array(3)})


def test_pieces_of_one_tensor_are_joined(path):
    """MindSpore cuts what is larger than 512 MiB, and each piece has the shape of all."""
    lenet = foreign_arrays.lenet()
    data = b""
    for name, array in lenet.items():
        flat, cuts = array.ravel(), [array.size // 3, array.size // 2] if name == "fc1.weight" else []
        data += b"".join(value(name, array.shape, "Float32", piece.tobytes()) for piece in np.split(flat, cuts))
    foreign_arrays.same_arrays(read(path, data).tensors, lenet)


@pytest.mark.parametrize(
    "word", ["moments", "moment1", "moment2", "adam_m", "accum", "mean_square", "linear", "vhat", "ema"]
)
def test_an_optimiser_remembers_every_weight(path, word):
    lenet = foreign_arrays.lenet()
    memory = {f"{word}.{name}": array + 1 for name, array in lenet.items()}
    beside = {"global_step": np.array([9], np.int32), "learning_rate": np.array(0.1, np.float32)}
    source = read(path, file_bytes({**beside, **memory, **lenet}))
    assert list(source.tensors) == [*beside, *lenet]
    foreign_arrays.computes_like_torch(source)


def test_two_networks_in_one_file_are_no_memory(path):
    """Nor is a layer whose name ends as another of another shape."""
    tensors = {f"{who}.conv1.weight": np.ones((6, 1, 5, 5), np.float32) for who in ("teacher", "student")}
    tensors |= {"weight": np.ones((2, 3), np.float32), "fc.weight": np.ones((2, 3), np.float32)}
    tensors |= {"a.fc.weight": np.ones((3, 3), np.float32)}
    assert list(read(path, file_bytes(tensors)).tensors) == list(tensors)


def test_texts_and_maps_are_no_tensors(path):
    data = value("a", (2,), "Float32", bytes(8)) + value("name", (0,), "str", "lenet".encode("utf-32-le"))
    data += value("seed", (0,), "random_op", b"{}") + field(1, message({1: "embedding", 3: field(1, b"")}))
    assert list(read(path, data).tensors) == ["a"]


def test_the_checksum_is_looked_at(path):
    data = file_bytes(foreign_arrays.lenet())
    end = b"crc_num" + zlib.crc32(data).to_bytes(10, "big")
    foreign_arrays.same_arrays(read(path, data + end).tensors, foreign_arrays.lenet())
    altered = bytearray(data + end)
    altered[len(data) // 2] ^= 1
    assert "a checksum that differs" in foreign_arrays.refused(mindspore.read, path, bytes(altered))


REFUSED = {
    "a of shape (2, 3) in 20 bytes": value("a", (2, 3), "Float32", bytes(20)),
    "a of shape (-1, 3) in 12 bytes": value("a", (-1, 3), "Float32", bytes(12)),
    "a of shape (1099511627776, 1099511627776) in 4 bytes": value("a", (1 << 40, 1 << 40), "Float32", bytes(4)),
    "a of more than 8 axes": value("a", (1,) * 9, "Float32", bytes(4)),
    "found values of type Int4; save the model without quantising it": value("a", (2,), "Int4", bytes(1)),
    "two tensors of the name a": b"".join(value(name, (1,), "Float32", bytes(4)) for name in "aba"),
    "a of shape (1,) in 8 bytes": value("a", (1,), "Float32", bytes(4)) * 2,
    "a in pieces that do not go together": value("a", (2,), "Float32", bytes(4)) + value("a", (3,), "Float32", bytes(8)),
    "field 2 beside the values": value("a", (1,), "Float32", bytes(4)) + field(2, b""),
}  # fmt: skip


@pytest.mark.parametrize("found", REFUSED)
def test_what_is_refused(path, found):
    assert found in foreign_arrays.refused(mindspore.read, path, REFUSED[found])


@pytest.mark.parametrize("data", [field(1, field(1, b"")), field(1, field(1, b"a") + field(4, 1) * 1_000_000)])
def test_millions_of_parts_are_refused(path, data):
    path.write_bytes(data * (3_000_000 // len(data) + 1))
    with spending(), pytest.raises(OverBudgetError, match="steps of reading"):
        mindspore.read(File.open(path))


def test_damage(path):
    path.write_bytes(file_bytes(foreign_arrays.lenet()))
    foreign_arrays.survives_damage(mindspore.read, path, cut_may_be_whole=True)
