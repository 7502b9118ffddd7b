"""weights/arrays/pickled.py: pickles taken apart, never executed, and arrays only where their bytes are all there."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
from lenet_fast.weights.arrays import pickled, pickled_arrays


def parse(data):
    return pickled.parse(io.BytesIO(data))


def test_a_pickle_has_as_many_operations_as_a_model_needs_at_most(monkeypatch):
    """Whatever its length: each operation costs time."""
    monkeypatch.setattr(pickled, "_MOST_OPCODES", 100)
    assert parse(b"\x80\x02" + b"N0" * 49 + b"N.") is None  # a hundred, and the end
    with pytest.raises(ValueError, match="more operations"):
        parse(b"N0" * 50 + b"N.")


def stored(array, **changes):
    """NumPy's own pickle of an array as a tree, with its shape, dtype or bytes replaced."""
    call = parse(pickle.dumps(array, 4))
    version, shape, dtype, fortran, data = call.state
    if "code" in changes:
        dtype.arguments = (changes["code"], *dtype.arguments[1:])
    call.state = (version, changes.get("shape", shape), dtype, fortran, changes.get("data", data))
    return call


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": (2, 4)},
        {"shape": (2, 2)},
        {"shape": (-2, -3)},
        {"shape": (-1, 3)},
        {"shape": (2, 3, 10**30)},
        {"data": bytes(23)},
        {"data": bytes(28)},
        {"data": b""},
        {"shape": (-1, -1, 6)},
        {"code": "O8", "data": bytes(48)},
        {"code": "f8"},
    ],
)
def test_an_array_needs_as_many_bytes_as_its_shape_says(changes):
    with pytest.raises(ValueError, match="shape .* bytes"):
        pickled_arrays.numpy_array(stored(np.ones((2, 3), np.float32), **changes))


def test_an_empty_array_is_an_array():
    for shape in ((0,), (0, 3), (3, 0)):
        found = pickled_arrays.numpy_array(stored(np.zeros(shape, np.float32)))
        assert found.shape == shape and found.dtype == np.float32


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("code", ["<f4", ">f4", "<f8", ">i2", "|u1"])
def test_arrays_keep_their_values_in_either_order_of_bytes_and_axes(protocol, code):
    for array in (np.arange(6).reshape(2, 3).astype(code), np.asfortranarray(np.arange(6).reshape(2, 3).astype(code))):
        found = pickled_arrays.numpy_array(parse(pickle.dumps(array, protocol)))
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)
