"""weights/graphs/ncnn_files.py: a .param line by line and a .bin array by array, every count of theirs checked."""

from __future__ import annotations

import numpy as np
import pytest
from lenet_fast import WeightsError
from lenet_fast.weights.graphs.ncnn_files import Bin, layers_of

LINES = [
    "Input input 0 1 data 0=28 1=28 2=1",
    "Convolution conv 1 1 data c 0=6 1=5 -23310=2,0.5,-1e-1 5=1",
    "Split s 1 2 c c1 c2",
]


def param(*lines, counts=None, magic="7767517"):
    counts = counts or f"{len(lines)} {len({top for line in lines for top in line.split()[5:] if '=' not in top})}"
    return "\n".join([magic, counts, *lines, ""]).encode()


WHOLE = param(*LINES, counts="3 4")


def test_a_line_is_a_layer_with_what_it_reads_and_makes():
    first, conv, split = layers_of(WHOLE)
    assert (first.kind, first.name, first.bottoms, first.tops) == ("Input", "input", [], ["data"])
    assert (conv.bottoms, conv.tops, split.tops) == (["data"], ["c"], ["c1", "c2"])
    assert layers_of(WHOLE.replace(b"\n", b"\r\n\r\n")) == [first, conv, split]


def test_parameters_are_by_number_and_the_rest_by_default():
    conv = layers_of(WHOLE)[1]
    assert (conv.whole(0), conv.whole(9), conv.whole(7, 1)) == (6, 0, 1)
    assert conv.reals(10) == [0.5, -0.1] and conv.reals(11) == []
    assert (conv.real(1), conv.real(3, 2.5)) == (5.0, 2.5)


def test_rows_are_as_columns_unless_they_are_given():
    (layer,) = layers_of(param("Pooling p 0 1 p 1=2 2=3 12=4", counts="1 1"))
    assert layer.pair(1, 11, 0) == (2, 2) and layer.pair(2, 12, 0) == (4, 3) and layer.pair(5, 15, 7) == (7, 7)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"7767517\n", param(*LINES, counts="3 4", magic="7767518"), param(*LINES, counts="3"), param(*LINES, counts="2 4"),
        param(*LINES, counts="3 5"), param(*LINES[:2], counts="3 4"), param("Input"), param("Input a 0"), param("Input a x 1 b"),
        param("Input a -1 1 b"), param("Input a 0 2 b"), param("Input a 0 1 b word", counts="1 1"),
        param("Input a 0 1 b x=1", counts="1 1"), param("Input a 99999999 1 b"), b"\xff" + WHOLE, WHOLE + b"\xff",
        param(*LINES[:1] * 600), b"7767517\n1 1\n" + b" " * (1 << 20),
    ],
)  # fmt: skip
def test_damage_is_a_value_error_or_a_lookup_error(data):
    with pytest.raises((ValueError, LookupError)):
        layers_of(data)


@pytest.mark.parametrize("text", ["1_0", "0x10", "1e9999", "ten", "", "1,5"])
def test_numbers_are_as_c_writes_them(text):
    """Python reads more as a number than ncnn does."""
    (layer,) = layers_of(param(f"BinaryOp b 0 1 b 2={text}", counts="1 1"))
    with pytest.raises(ValueError):
        layer.real(2)


def test_an_array_has_as_many_values_as_it_says():
    (layer,) = layers_of(param("Convolution c 0 1 c -23310=3,1,2", counts="1 1"))
    with pytest.raises(ValueError, match="2 of 3 values"):
        layer.reals(10)


# --- the .bin ---

VALUES = np.array([1, -2.5, 3], np.float32)
HALF = (0x01306B47).to_bytes(4, "little")


def test_arrays_lie_one_behind_the_other():
    """Halves are padded to four bytes."""
    data = bytes(4) + VALUES.tobytes() + HALF + VALUES.astype(np.float16).tobytes() + bytes(2) + VALUES[::-1].tobytes()
    weights = Bin(data)
    for found, wanted in (
        (weights.tagged(3, "a"), VALUES), (weights.tagged(3, "b"), VALUES), (weights.plain(3, "c"), VALUES[::-1])
    ):  # fmt: skip
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, wanted)
    weights.check_end()


@pytest.mark.parametrize("count", [4, 1 << 40])
def test_a_bin_that_is_too_short_is_refused(count):
    for tag in (bytes(4), HALF):
        with pytest.raises(WeightsError, match=r"conv: wanted \d+ bytes of weights"):
            Bin(tag + VALUES.tobytes()[: 12 if tag != HALF else 6]).tagged(count, "conv")
    for short, read in ((b"\0\0", Bin.tagged), (bytes(8), Bin.plain)):
        with pytest.raises(WeightsError, match="conv: wanted"):
            read(Bin(short), count, "conv")


def test_no_array_has_less_than_no_values():
    with pytest.raises(WeightsError, match="conv: wanted -4 bytes"):
        Bin(bytes(8)).plain(-1, "conv")


def test_a_bin_that_is_too_long_is_another_networks():
    weights = Bin(bytes(5))
    weights.plain(1, "conv")
    with pytest.raises(WeightsError, match="wanted 4 bytes, found 5"):
        weights.check_end()


@pytest.mark.parametrize("tag", [0x000D4B38, 1, 0xFFFFFFFF])
def test_other_tags_are_quantised_weights(tag):
    with pytest.raises(WeightsError, match="without quantising"):
        Bin(tag.to_bytes(4, "little") + bytes(64)).tagged(3, "conv")
