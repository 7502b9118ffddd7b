"""graphs/coreml_schema.py: messages as protobuf has them, packed and not, and what no message is."""

from __future__ import annotations

import numpy as np
import pytest
from lenet_fast import OverBudgetError, WeightsError
from lenet_fast.budget import spending
from lenet_fast.weights.graphs import coreml_schema
from lenet_fast.weights.graphs.coreml_schema import Message, weights
from protobuf_bytes import field, message


def test_every_type_of_the_schema_is_there():
    """Once a field is asked for, its message must be one."""
    for kind in coreml_schema._SCHEMA:
        for name, (_, is_repeated, typed) in coreml_schema._fields_of(kind).items():
            assert typed in coreml_schema._SCHEMA or typed in coreml_schema._NOTHING, (kind, name)
            assert is_repeated <= (typed != "bytes")


def test_what_is_not_there_is_nothing():
    layer = Message("ConvolutionLayerParams", b"")
    assert (layer.outputChannels, layer.hasBias, layer.kernelSize, layer.weights) == (0, False, [], None)
    assert Message("NeuralNetworkLayer", b"").name == "" and Message("Alpha", b"").alpha == 0.0
    assert Message("WeightParams", b"").floatValue.size == 0


def test_numbers_are_packed_or_not():
    for given in ({20: (5, 300)}, {20: [5, 300]}, {20: [(5,), 300]}):
        assert Message("ConvolutionLayerParams", message(given)).kernelSize == [5, 300]
    for given in ({1: np.array([1.5, -2])}, {1: [1.5, -2.0]}, {1: [np.array([1.5]), -2.0]}):
        assert Message("WeightParams", message(given)).floatValue.tolist() == [1.5, -2]


def test_numbers_may_be_negative():
    assert Message("Axis", message({1: -1})).axis == -1
    assert Message("ReshapeLayerParams", message({1: (1, -1)})).targetShape == [1, -1]


def test_weights_are_views_of_the_file():
    data = message({1: np.arange(6.0)})
    assert Message("WeightParams", data).floatValue.base is not None
    assert np.shares_memory(Message("WeightParams", data).floatValue, np.frombuffer(data, np.uint8))


def test_what_is_there_goes_by_its_name():
    layer = Message("NeuralNetworkLayer", message({1: "c", 180: b"", 99999: b""}))
    assert layer.present() == ["name", "lrn", "kind 99999"] and layer.present(100) == ["lrn", "kind 99999"]


DAMAGE = {
    "2 times name, which is there once": (message({1: ["a", "b"]}), "name"),
    "a field of wire type 0 where string belongs": (message({1: 5}), "name"),
    "a field of wire type 0 where Alpha belongs": (message({230: 5}), "add"),
    "can't decode": (message({1: b"\xff\xfe"}), "name"),
}


@pytest.mark.parametrize("found", DAMAGE)
def test_damage(found):
    data, name = DAMAGE[found]
    with pytest.raises(ValueError, match=found):
        getattr(Message("NeuralNetworkLayer", data), name)


def test_numbers_that_end_amid():
    for kind, data, name in (
        ("ReshapeLayerParams", field(1, b"\x80") + b"\x01", "targetShape"),
        ("WeightParams", field(1, bytes(6)), "floatValue"),
    ):
        with pytest.raises(ValueError):
            getattr(Message(kind, data), name)


def test_a_field_that_the_schema_lacks_is_a_mistake_of_ours():
    with pytest.raises(AttributeError, match="Alpha has no field beta"):
        Message("Alpha", b"").beta  # noqa: B018


def test_fields_and_packed_numbers_are_counted():
    for data, name in ((field(1, b"") * 200_000, None), (field(1, bytes(600_000)), "targetShape")):
        with spending(), pytest.raises(OverBudgetError):
            getattr(Message("ReshapeLayerParams", data), name or "mode")


# --- weights ---


def array(given, shape):
    return weights("w", Message("WeightParams", message(given)), shape).load()


def test_weights_of_each_width():
    values = np.array([[0.5, -1.5], [2, 3]])
    np.testing.assert_array_equal(array({1: values.ravel()}, (2, 2)), values)
    np.testing.assert_array_equal(array({2: values.astype("<f2").tobytes()}, (2, 2)), values)
    linear = {1: 8, 101: message({1: np.array([0.5, 2]), 2: np.array([0, -1.0])})}
    np.testing.assert_array_equal(array({30: bytes([0, 255, 1, 2]), 40: message(linear)}, (2, 2)), [[0, 127.5], [1, 3]])
    single = {1: 8, 101: message({1: 0.5, 2: -1.0})}
    np.testing.assert_array_equal(
        array({30: bytes([0, 255, 1, 2]), 40: message(single)}, (2, 2)), [[-1, 126.5], [-0.5, 0]]
    )
    table = {1: 8, 102: message({1: np.arange(256) / 4})}
    np.testing.assert_array_equal(
        array({30: bytes([0, 255, 1, 2]), 40: message(table)}, (2, 2)), [[0, 63.75], [0.25, 0.5]]
    )


LINEAR = message({1: np.ones(1), 2: np.ones(1)})
REFUSED = {
    "weights of 32, 16 or 8 bits, found none": {},
    "weights of 32, 16 or 8 bits, found floatValue and float16Value": {1: np.ones(4), 2: bytes(8)},
    "weights of 32, 16 or 8 bits, found int8RawValue": {31: bytes(4)},
    "weights of shape (2, 2), found 5 values": {1: np.ones(5)},
    "quantised weights of 8 bits, found none": {30: bytes(4)},
    "quantised weights of 8 bits, found 4 bits": {30: bytes(2), 40: message({1: 4, 101: LINEAR})},
    "quantised weights of 8 bits, found 8 bits, which stand for nothing": {30: bytes(4), 40: message({1: 8})},
}


@pytest.mark.parametrize("found", REFUSED)
def test_weights_that_are_refused(found):
    with pytest.raises(WeightsError) as caught:
        array(REFUSED[found], (2, 2))
    assert found in str(caught.value)


def test_as_many_factors_as_outputs():
    with pytest.raises(ValueError):
        array({30: bytes(4), 40: message({1: 8, 101: message({1: np.ones(3), 2: np.ones(3)})})}, (2, 2))
    with pytest.raises(IndexError):
        array({30: bytes([9] * 4), 40: message({1: 8, 102: message({1: np.ones(3)})})}, (2, 2))
