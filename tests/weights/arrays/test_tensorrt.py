"""weights/arrays/tensorrt.py: .wts files as tensorrtx and TensorRT's samples write them."""

from __future__ import annotations

import struct

import foreign_arrays
import numpy as np
import pytest
from lenet_fast.weights import sniff
from lenet_fast.weights.arrays import tensorrt
from lenet_fast.weights.files import File
from lenet_fast.weights.signatures import is_tensorrt
from lenet_fast.weights.source import TORCH, UNKNOWN


def as_wts(tensors):
    """As tensorrtx writes a state dict: every value by struct, eight digits each."""
    lines = [str(len(tensors))]
    for name, array in tensors.items():
        values = array.reshape(-1).tolist()
        lines.append(" ".join([name, str(len(values)), *(struct.pack(">f", value).hex() for value in values)]))
    return "\n".join(lines).encode() + b"\n"


def source_of(path, data):
    path.write_bytes(data)
    return tensorrt.read(File.open(path))


def test_a_state_dict_as_tensorrtx_writes_it(tmp_path):
    data = as_wts(foreign_arrays.lenet())
    assert is_tensorrt(data)
    source = source_of(tmp_path / "m.wts", data)
    assert list(source.tensors) == list(foreign_arrays.lenet())
    for name, array in foreign_arrays.lenet().items():
        assert source.tensors[name].astype(np.float32).tobytes() == array.tobytes(), name
    assert source.layout == TORCH
    assert sniff.read(tmp_path / "m.wts").format == "TensorRT"


def test_the_samples_write_a_type_and_leave_zeros_out(tmp_path):
    """A 1 is a type only where the length stands behind it."""
    data = b"4\r\nlong 2 1 3f800000\r\nconv1filter 0 3 3f800000 0 BF000000\r\nhalf 1 2 3c00 b800 \r\n1.weight 0 1 800000\r\n\r\n"
    assert is_tensorrt(data)
    source = source_of(tmp_path / "m.wts", data)
    assert {name: array.tolist() for name, array in source.tensors.items()} == {
        "long": [2.0**-149, 1],
        "conv1filter": [1, 0, -0.5],
        "half": [1, -0.5],
        "1.weight": [2.0**-126],
    }
    assert source.layout == UNKNOWN


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "wanted as many arrays as its first line says ('')"),
        (b"2\na 1 3f800000\n", "found 1"),
        (b"1\na 1 3f800000\nb 1 3f800000\n", "found 2"),
        (b"x\na 1 3f800000\n", "('x')"),
        (b"01\na 1 3f800000\n", "('01')"),
        (b"2\na 1 3f800000\na 1 3f800000\n", "a: wanted one array of each name, found two"),
        (b"1\na 3 3f800000 3f800000\n", "a: wanted a length (behind a type that is 0 or 1) and as many values"),
        (b"1\na 2 3f800000 3f800000 3f800000\n", "found '2 3f800000' before 3 more"),
        (b"1\na 0\n", "found '0' before 0 more"),
        (b"1\na\n", "found 'nothing' before 0 more"),
        (b"1\na 3 1 3f800000\n", "a length"),
        (b"1\na 1 3f8000000\n", "a: wanted values of 8 hexadecimal digits at most, found '3f8000000'"),
        (b"1\nhalf 1 2 3c00 13c00\n", "half: wanted values of 4 hexadecimal digits at most, found '13c00'"),
        (b"1\na 2 3f800000 0.5\n", "a: wanted values in hexadecimal digits, found '0.5'"),
        (b"1\na 1 3f80_000\n", "found '3f80_000'"),
        (b"1\na\x1c1 3f800000\n", "found other bytes"),
        (b"1\n\xc3\xa4 1 3f800000\n", "found other bytes"),
        (b"1\na 600000 " + b"0 " * 600_000, "steps of reading"),
    ],
)
def test_what_it_may_not_be(tmp_path, data, found):
    assert found in foreign_arrays.refused(tensorrt.read, tmp_path / "m.wts", data)


@pytest.mark.parametrize(
    "data", [b"5\n1 2 3 4 5\n", b"7767517\n2 2\nInput i 0 1 a 0=5\n", b"1\n1e5 2 3 4\n", b"a 1 3f800000\n", b"3\n"]
)
def test_what_is_no_wts(data):
    assert not is_tensorrt(data)


def test_damage(tmp_path):
    path = tmp_path / "m.wts"
    path.write_bytes(as_wts({name: array for name, array in foreign_arrays.lenet().items() if array.size < 100}))
    foreign_arrays.survives_damage(tensorrt.read, path, cut_may_be_whole=True)
    data = path.read_bytes()
    for end in range(0, len(data) - 9, 7):  # a cut line is no shorter array
        foreign_arrays.refused(tensorrt.read, path, data[:end])
