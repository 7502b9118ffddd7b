"""weights/arrays/dtypes.py: values of either order of bytes, and bfloat16, which NumPy does not have."""

from __future__ import annotations

import numpy as np
import pytest
from lenet_fast.weights.arrays import dtypes


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i1", "u1", "i2", "i8", "?"])
def test_values_are_those_of_their_bytes_in_either_order(kind, order):
    wanted = np.array([0, 1, 100, 1], kind)
    data = wanted.astype(wanted.dtype.newbyteorder(order)).tobytes()
    found = dtypes.values(data, kind, order)
    np.testing.assert_array_equal(found, wanted)
    assert len(data) == 4 * dtypes.itemsize(kind) and found.base is not None  # no copy


def test_the_machines_own_order_is_told_as_such():
    """Else tensors that are the same would differ in what their checksum is made of."""
    assert dtypes.values(bytes(4), "f4").dtype.str == np.dtype("f4").str == np.zeros(1, np.float32).dtype.str


@pytest.mark.parametrize("order", ["<", ">"])
def test_bfloat16_is_the_upper_half_of_float32(order):
    numbers = np.array([0, 1, -2, 3.140625, np.inf, -np.inf, 2.0**-133], np.float32)
    halves = (numbers.view(np.uint32) >> 16).astype(f"{order}u2")
    found = dtypes.values(halves.tobytes(), dtypes.BFLOAT16, order)
    assert found.dtype == np.float32 and dtypes.itemsize(dtypes.BFLOAT16) == 2
    np.testing.assert_array_equal(found, numbers)
    assert np.isnan(dtypes.widened(np.array([0x7FC0], np.uint16))).all()


@pytest.mark.parametrize("kind", ["f4", dtypes.BFLOAT16])
def test_half_a_value_is_damage(kind):
    with pytest.raises(ValueError):
        dtypes.values(bytes(7), kind)


def test_sizes_are_whole_numbers_of_a_few_axes():
    assert dtypes.whole_numbers((6, 1, 5, 5)) == (6, 1, 5, 5)
    assert dtypes.whole_numbers([0, -2]) == (0, -2)  # whoever reads them knows whether they may be
    assert dtypes.whole_numbers(()) == ()
    for sizes in ("55", None, {5: 5}, (1,) * 9, (1.0,), (True,), ("5",), (1 << 64,), ((5,),)):
        with pytest.raises(ValueError, match="an array"):
            dtypes.whole_numbers(sizes)
