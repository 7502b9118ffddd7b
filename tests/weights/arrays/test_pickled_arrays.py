"""weights/arrays/pickled_arrays.py: arrays in the tree of a pickle, only where their bytes are all there."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
from lenet_fast.weights.arrays import pickled, pickled_arrays


def parse(data):
    return pickled.parse(io.BytesIO(data))


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
    with pytest.raises(ValueError, match="shape .* bytes|whose sizes are no numbers|of no plain numbers"):
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


@pytest.mark.parametrize("value", [np.float32(2.5), np.int64(7), np.float64(-1)])
def test_single_numbers_of_numpy_are_arrays(value):
    found = pickled_arrays.numpy_array(parse(pickle.dumps(value, 2)))
    assert found.shape == () and found == value and found.dtype == value.dtype


# --- arrays by the path to them ---


def names(content, protocol=4):
    return list(pickled_arrays.named(parse(pickle.dumps(content, protocol)), pickled_arrays.numpy_array))


def test_arrays_are_named_by_the_path_to_them():
    a = np.ones(2)
    assert names({"a": a, "net": {"w": a.copy(), 3: [a.copy(), (a.copy(),)]}}) == ["a", "net.w", "net.3.0", "net.3.1.0"]
    assert names(a) == ["array"]
    assert names([a, a.copy()]) == ["0", "1"]
    assert names({"x.y": a, "x": {"y": a.copy()}}) == ["x.y", "x.y'2"]  # none is lost


def test_ordered_dictionaries_are_dictionaries():
    a = np.ones(2)
    for content in (OrderedDict(a=a, b=a.copy()), defaultdict(list, a=a, b=a.copy())):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert names(content, protocol) == ["a", "b"]


def test_what_holds_itself_ends_somewhere():
    content = [np.ones(2)]
    content.append(content)
    assert names(content) == ["0"]
    deep = np.ones(2)
    for _ in range(100):
        deep = [deep]
    assert names(deep) == []
