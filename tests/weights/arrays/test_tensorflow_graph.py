"""weights/arrays/tensorflow_graph.py: the operators of the graph beside a checkpoint."""

from __future__ import annotations

import struct

import foreign_arrays
import lenet_fast
import numpy as np
import pytest
import test_tensorflow
from lenet_fast import OverBudgetError, WeightsError
from lenet_fast.budget import spending
from lenet_fast.weights.arrays import tensorflow_graph
from lenet_fast.weights.said import Curve
from test_tensorflow import field, varint


def attribute(name, value):
    return field(5, field(1, name.encode()) + field(2, value))


def numbers(name, *values):
    return attribute(name, field(1, field(3, b"".join(map(varint, values)))))


def number(name, value):
    return attribute(name, varint(4 << 3 | 5) + struct.pack("<f", value))


def node(kind, *attributes):
    return field(1, b"some/name") + field(2, kind.encode()) + field(3, b"an/input") + b"".join(attributes)


def graph(*nodes, functions=()):
    library = field(2, field(1, b"".join(field(3, one) for one in functions))) if functions else b""
    return field(1, b"meta") + field(2, b"".join(field(1, one) for one in nodes) + library)


def said(*nodes, **how):
    return tensorflow_graph.said_in(graph(*nodes, **how), "in m.meta beside it")


def conv(padding, strides=(1, 1, 1, 1)):
    return node("Conv2D", attribute("padding", field(2, padding)), numbers("strides", *strides))


def test_operators_say_what_they_are():
    found = said(node("Placeholder"), conv(b"SAME"), node("Relu"), node("MaxPool"), conv(b"VALID"), node("Mean"))
    assert (found.activations, found.poolings, found.paddings) == ([Curve("relu")], {"max"}, {0, 2})
    assert said(node("Tanh"), node("AvgPool"), node("TanhGrad"), node("Max")).activations == [Curve("tanh")]
    assert said(functions=[node("Sigmoid")]).activations == [Curve("sigmoid")]


@pytest.mark.parametrize(
    ("attributes", "slope"), [([number("alpha", 0.1)], 0.1), ([], 0.2), ([attribute("alpha", b"")], 0.0)]
)
def test_leaky_relu_says_its_slope(attributes, slope):
    """What is zero is left out of a message; TensorFlow's own slope is 0.2."""
    assert said(node("LeakyRelu", *attributes)).activations == [Curve("leaky_relu", slope)]


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (node("Elu"), "found Elu in m.meta beside it"),
        (node("Relu6"), "found Relu6"),
        (conv(b"VALID", (1, 2, 2, 1)), r"Conv2D: wanted strides 1, found \[1, 2, 2, 1\]"),
        (node("MaxPool", numbers("ksize", 1, 3, 3, 1)), r"MaxPool: wanted ksize 2, found \[1, 3, 3, 1\]"),
        (node("AvgPool", numbers("strides", 1, 1, 1, 1)), "AvgPool: wanted strides 2"),
    ],
)
def test_what_there_is_none_of_here_is_refused(one, words):
    with pytest.raises(WeightsError, match=words):
        said(one)


def test_nodes_without_an_end_are_counted():
    with pytest.raises(OverBudgetError), spending():
        said(*[node("A")] * 80_000)


# --- beside a checkpoint ---


def checkpoint(folder, *nodes):
    path = folder / "lenet.index"
    test_tensorflow.write(path, foreign_arrays.hwio("weights", "biases"))
    if nodes:
        (folder / "lenet.meta").write_bytes(graph(*nodes))
    return path


RELU = (conv(b"VALID"), node("Relu"), node("MaxPool", numbers("ksize", 1, 2, 2, 1), numbers("strides", 1, 2, 2, 1)))


def test_the_graph_beside_a_checkpoint_is_held_against_the_user(tmp_path):
    path = checkpoint(tmp_path, *RELU)
    images, wanted = foreign_arrays.torch_scores()
    model = lenet_fast.load(path, network="lenet5-relu-max")
    assert np.abs(model.scores(images) - wanted).max() <= 1e-5 * np.abs(wanted).max()
    assert lenet_fast.load(path, activation="relu").network == model.network
    with pytest.raises(
        WeightsError, match="activation is relu, as in lenet.meta beside it, found 'lenet5-tanh-average'"
    ):
        lenet_fast.load(path, network="lenet5-tanh-average")
    with pytest.raises(
        WeightsError, match="in which order .*, found relu, max pooling, padding 0 in lenet.meta beside"
    ):
        lenet_fast.load(path)
    with pytest.raises(WeightsError, match="padding is 0, as in lenet.meta beside it"):
        lenet_fast.load(path, network="lenet5-relu-max", padding=2)
    assert lenet_fast.load(tmp_path, network="lenet5-relu-max").network == model.network  # the folder


def test_without_a_graph_the_users_word_is_taken(tmp_path):
    assert lenet_fast.load(checkpoint(tmp_path), network="lenet5-tanh-average").network.layers[0].activation == "tanh"


@pytest.mark.parametrize(
    "data", [b"\xff" * 20, graph(*RELU)[:-3], field(2, field(1, field(5, b"\x08")))[:-1] + b"\x0a"]
)
def test_a_damaged_graph_is_refused_since_it_may_say_anything(tmp_path, data):
    path = checkpoint(tmp_path)
    (tmp_path / "lenet.meta").write_bytes(data)
    with pytest.raises(WeightsError, match="wanted a whole graph in 'lenet.meta' beside it, or no such file, found a"):
        lenet_fast.load(path, network="lenet5-relu-max")


def test_a_graph_that_is_a_link_is_not_opened(tmp_path):
    (folder := tmp_path / "run").mkdir()
    path = checkpoint(folder)
    (tmp_path / "elsewhere").write_bytes(graph(*RELU))
    (folder / "lenet.meta").symlink_to(tmp_path / "elsewhere")
    lenet_fast.load(path, network="lenet5-tanh-average")
