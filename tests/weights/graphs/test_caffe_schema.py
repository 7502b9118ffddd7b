"""weights/graphs/caffe_schema.py: a part of caffe.proto whose fields are Caffe's own, and limits to what is parsed."""

from __future__ import annotations

import pytest
from lenet_fast import Budget, OverBudgetError, WeightsError
from lenet_fast.budget import spending
from lenet_fast.weights.graphs import caffe_schema
from lenet_fast.weights.graphs.caffe_schema import TEST, TRAIN, message_class, parsed, parsed_text

pytest.importorskip("google.protobuf", reason="protobuf is not installed (pip install '.[readers]')")

#: A layer of a convolution with weights [1, 2], byte for byte as Caffe writes it.
BINARY = (
    b"\n\x05LeNet"
    + b"\xa2\x06\x2c" + b"\n\x04conv" + b"\x12\x0bConvolution" + b"\x1a\x01x" + b"\x22\x01y"
    + b"\x3a\x0a" + b"\x2a\x08\0\0\x80\x3f\0\0\0\x40"
    + b"\xd2\x06\x04" + b"\x08\x02\x20\x05"
)  # fmt: skip
TEXT = b"""
name: "LeNet"  # a comment
layer { name: "conv" type: "Convolution" bottom: "x" top: "y" convolution_param { num_output: 2 kernel_size: 5 } }
"""


def test_the_fields_have_caffes_numbers():
    net = parsed(BINARY)
    (layer,) = net.layer
    assert (net.name, layer.name, layer.type, [*layer.bottom], [*layer.top]) == (
        "LeNet",
        "conv",
        "Convolution",
        ["x"],
        ["y"],
    )
    assert [*layer.blobs[0].data] == [1.0, 2.0]
    assert (layer.convolution_param.num_output, [*layer.convolution_param.kernel_size]) == (2, [5])
    assert net.SerializeToString() == BINARY  # packed where Caffe packs


def test_text_and_binary_are_the_same_network():
    assert parsed_text(TEXT).layer[0].convolution_param == parsed(BINARY).layer[0].convolution_param


@pytest.mark.parametrize(
    ("message", "field", "value"),
    [
        ("ConvolutionParameter", "bias_term", True), ("ConvolutionParameter", "group", 1), ("ConvolutionParameter", "axis", 1),
        ("InnerProductParameter", "bias_term", True), ("InnerProductParameter", "transpose", False),
        ("ScaleParameter", "bias_term", False), ("TransformationParameter", "scale", 1.0), ("DataParameter", "scale", 1.0),
        ("PowerParameter", "power", 1.0), ("PowerParameter", "scale", 1.0), ("PowerParameter", "shift", 0.0),
        ("FlattenParameter", "end_axis", -1), ("ReshapeParameter", "num_axes", -1), ("SoftmaxParameter", "axis", 1),
        ("ArgMaxParameter", "top_k", 1), ("PoolingParameter", "pool", 0), ("NetStateRule", "phase", TRAIN),
    ],
)  # fmt: skip
def test_what_is_not_given_is_caffes_default(message, field, value):
    assert getattr(message_class(message)(), field) == value


def test_batch_normalisation_without_a_number_adds_1e_5():
    assert message_class("BatchNormParameter")().eps == pytest.approx(1e-5)


def test_every_message_of_the_schema_can_be_made():
    for name in caffe_schema._SCHEMA:
        assert message_class(name)().ByteSize() == 0


def test_words_stand_for_numbers():
    text = b'layers { name: "p" type: POOLING pooling_param { pool: AVE } include { phase: TEST } }'
    (layer,) = parsed_text(text).layers
    assert (layer.type, layer.pooling_param.pool, layer.include[0].phase) == (17, 1, TEST)


def test_fields_that_do_not_matter_here_are_passed_over():
    text = TEXT.replace(b"num_output", b"weight_filler { type: 'xavier' } num_output")
    assert parsed_text(text).layer[0].convolution_param.num_output == 2
    assert len(parsed(BINARY + b"\xfa\x7f\x02hi").layer) == 1


@pytest.mark.parametrize("text", [b"", b"net: 'a.prototxt'", b"layer {", b"layer { name: 3 }", b"\xff", b"name: 'n'"])
def test_text_that_is_no_network_is_one_sentence(text):
    with pytest.raises(WeightsError, match="wanted (a network in protobuf's text format|the layers of a network)"):
        parsed_text(text)


def test_every_cut_is_damage():
    for end in range(len(BINARY)):
        with pytest.raises(WeightsError, match="wanted a .caffemodel"):
            parsed(BINARY[:end])


def test_what_is_parsed_is_no_larger_than_a_lenet(monkeypatch):
    """By bytes of text, and by parts, each of which takes far more memory than its bytes."""
    monkeypatch.setattr(caffe_schema, "LARGEST_TEXT", len(TEXT))
    parsed(BINARY), parsed_text(TEXT)
    with pytest.raises(WeightsError, match=r"load the \.caffemodel"):
        parsed_text(TEXT + b"\n")
    with spending() as spent:
        parsed(BINARY)
    visits = spent.spent["visits"]
    assert visits > 8  # two fields, of which the layer has six
    with spending(Budget(visits=visits - 1)), pytest.raises(OverBudgetError, match=f"found {visits}"):
        parsed(BINARY)
