"""idx.py: MNIST's file format, whole and damaged."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from lenet_fast.idx import parse_idx, read_idx


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


@pytest.mark.parametrize("shape", [(3,), (0, 28, 28), (2, 5, 7), (1, 2, 3, 4)])
@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
def test_round_trip(tmp_path, random, shape, wrap):
    array = random.integers(0, 256, shape, np.uint8)
    path = tmp_path / "digits"
    path.write_bytes(wrap(idx(array)))
    found = read_idx(path)
    assert found.dtype == np.uint8
    assert found.shape == shape
    assert (found == array).all()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "data: wanted IDX of uint8 .*, found nothing"),
        (b"\0\0", "data: wanted IDX of uint8 .*, found 00 00"),
        (b"\0\0\x0d\x01\0\0\0\x01abcd", "data: wanted IDX of uint8 .*, found 00 00 0d 01"),
        (b"\0\0\x08\x03\0\0", "data: wanted 16 bytes|data: wanted"),
        (idx(np.zeros((2, 2), np.uint8))[:-1], r"data: wanted 16 bytes for IDX of shape \(2, 2\), found 15"),
        (idx(np.zeros((2, 2), np.uint8)) + b"x", "found more"),
        (b"\0\0\x08\x04" + b"\xff" * 16, "data: wanted at most .* bytes, found IDX of shape"),
        (b"\0\0\x08\xff" + b"\0" * 1100, "data: wanted IDX of uint8 with 1 to 4 axes .*, found 00 00 08 ff"),
        (
            gzip.compress(b"\0\0\x08\x01\0\0\0\x05" + bytes(10**7), mtime=0),  # a name of a test has no time in it
            r"data: wanted 13 bytes for IDX of shape \(5,\), found more",
        ),
        (
            gzip.compress(idx(np.zeros(9, np.uint8)), mtime=0)[:-9],
            "data: wanted a whole gzip file, found a damaged one",
        ),
        (b"\x1f\x8bnonsense", "data: wanted a whole gzip file"),
    ],
)
def test_damage(data, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse_idx(data)


def test_every_prefix_is_refused():
    whole = idx(np.arange(6, dtype=np.uint8).reshape(2, 3))
    for length in range(len(whole)):
        with pytest.raises(ValueError, match="data: wanted"):
            parse_idx(whole[:length])
