"""weights/arrays/pickled.py: pickles taken apart, never executed, and arrays only where their bytes are all there."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict, defaultdict

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


# --- the machine ---


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_objects_are_themselves(protocol):
    """In every protocol's own operations."""
    content = {
        "a": [1, -2, 3.5, True, False, None, 1 << 70, 255, 65535, 1 << 20],
        b"b": ("x", "é", b"bytes", ()),
        3: [[], {}, [{}]],
        "long": "x" * 300,
        "many": list(range(300)),
        "three": [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    }
    found = parse(pickle.dumps(content, protocol))
    if protocol < 3:  # bytes are a call of a codec there
        found[b"b"] = content[b"b"]
        assert found.pop("a") == content.pop("a")
    assert {k: v for k, v in found.items() if k != b"b"} == {k: v for k, v in content.items() if k != b"b"}


def test_what_is_shared_is_shared():
    inner = [1]
    found = parse(pickle.dumps([inner, inner, {"again": inner}], 4))
    assert found[0] is found[1] is found[2]["again"]


class Thing:
    def __reduce__(self):
        return print, ("executed",), {"state": 1}, iter([2, 3]), iter([("key", "value")])


def test_a_call_is_remembered_and_not_made(capsys):
    call = parse(pickle.dumps(Thing(), 2))
    assert call.path in ("builtins.print", "__builtin__.print")
    assert call.arguments == ("executed",)
    assert (call.state, call.elements, call.items) == ({"state": 1}, [2, 3], {"key": "value"})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("data", "path", "arguments"),
    [
        (b"cos\nsystem\n(Vls\ntR.", "os.system", ("ls",)),
        (b"(Vls\nios\nsystem\n.", "os.system", ("ls",)),
        (b"(cos\nsystem\nVls\no.", "os.system", ("ls",)),
        (b"\x80\x02cos\nsystem\nVls\n\x85\x81.", "os.system", ("ls",)),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.", "os.system", ("ls",)),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85}\x92.", "os.system", ("ls",)),
    ],
)
def test_every_way_to_call_something_is_a_call(data, path, arguments):
    call = parse(data)
    assert (call.path, call.arguments) == (path, arguments)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"N", b".", b"0.", b"1.", b"2.", b"t.", b"l.", b"(d0.", b"a.", b"Na.", b"NNa.", b"(Na.", b"(e.", b"N(Ne.",
        b"Ns.", b"NNs.", b"NNNs.", b"(Nd.", b"N(NNu.", b"}(Nu.", b"g0\n.", b"h\x00.", b"j\x00\x00\x00\x00.", b"p0\n.",
        b"R.", b"NR.", b"b.", b"Nb.", b"Q.", b"\x80\x04NN\x93.", b"\x80\x04\x94.", b"(.", b"(b.", b"\x82\x01.",
        b"\x8c\xff.", b"X\xff\xff\xff\x7f.", b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", b"Ifoo\n.", b"\xff.",
    ],
)  # fmt: skip
def test_damaged_pickles_are_a_value_error(data):
    with pytest.raises(ValueError):
        parse(data)


def test_references_to_what_lies_outside():
    assert parse(b"Pkey\n.").key == "key"
    assert parse(b"Vkey\nQ.").key == "key"


# --- arrays by the path to them ---


def names(content, protocol=4):
    return list(pickled_arrays.named(parse(pickle.dumps(content, protocol)), pickled_arrays.numpy_array))


def test_arrays_are_named_by_the_path_to_them():
    a = np.ones(2)
    assert names({"a": a, "net": {"w": a.copy(), 3: [a.copy(), (a.copy(),)]}}) == ["a", "net.w", "net.3.0", "net.3.1.0"]
    assert names(a) == ["array"]
    assert names([a, a.copy()]) == ["0", "1"]
    assert names({"x.y": a, "x": {"y": a.copy()}}) == ["x.y", "x.y'"]  # none is lost


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


@pytest.mark.parametrize("value", [np.float32(2.5), np.int64(7), np.float64(-1)])
def test_single_numbers_of_numpy_are_arrays(value):
    found = pickled_arrays.numpy_array(parse(pickle.dumps(value, 2)))
    assert found.shape == () and found == value and found.dtype == value.dtype
