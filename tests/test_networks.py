"""networks.py: the named networks have the papers' sizes, and vary field by field."""

from __future__ import annotations

import re

import lenet_fast
import numpy as np
import pytest
from lenet_fast import RBF, Conv5x5, Dense
from lenet_fast.errors import ArgumentError
from lenet_fast.networks import C3_TABLE, TEMPLATES, template_named

#: Trainable parameters, by layer; lenet1 and lenet4 connect all maps, where their papers have tables.
SIZES = {
    "lenet5-1998": (156, 12, 1_516, 32, 48_120, 10_164, 0),
    "lenet5-tanh-average": (456, 0, 2_416, 0, 48_120, 10_164, 850),
    "lenet5-relu-max": (156, 0, 2_416, 0, 48_120, 10_164, 850),
    "lenet5-sigmoid-average": (156, 0, 2_416, 0, 48_120, 10_164, 850),
    "caffe-20-50-500": (520, 0, 25_050, 0, 400_500, 5_010),
    "lenet1": (104, 8, 1_212, 24, 1_930),
    "lenet4": (104, 8, 1_616, 32, 48_120, 1_210),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_named_networks_have_the_published_sizes(name):
    network = lenet_fast.networks()[name]
    assert tuple(layer.trainable for layer in network.figures) == SIZES[name]
    assert network.classes == 10


def test_every_s2_map_feeds_ten_c3_maps():
    assert [sum(source in row for row in C3_TABLE) for source in range(6)] == [10] * 6
    assert len(set(C3_TABLE)) == 16


def test_the_dictionary_is_a_new_one_each_time():
    lenet_fast.networks().clear()
    assert set(lenet_fast.networks()) == set(TEMPLATES)


def test_templates_vary_field_by_field():
    network = TEMPLATES["lenet5-relu-max"].varied(padding=2, side=28, c5=True, classes=7).network()
    assert network.input == (1, 28, 28)
    assert network.layers[0] == Conv5x5(6, "relu", 2)
    assert network.layers[2] == Conv5x5(16, "relu")  # one number pads the first convolution
    assert isinstance(network.layers[4], Conv5x5)
    assert network.layers[-1] == Dense(7)
    assert TEMPLATES["lenet5-relu-max"].padding == (0, 0)


def test_an_activation_is_that_of_every_layer():
    """Of the convolutions too, where they had one of their own."""
    varied = TEMPLATES["caffe-20-50-500"].varied(activation="tanh").network()
    assert [layer.activation for layer in varied.layers] == ["tanh", "identity", "tanh", "identity", "tanh", "identity"]
    assert lenet_fast.networks()["caffe-20-50-500"].layers[0].activation == "identity"


def test_a_slope_goes_with_the_layers_that_leak_and_with_no_others():
    leaky = TEMPLATES["caffe-20-50-500"].varied(activation="leaky_relu", slope=0.1, conv_activation="identity")
    assert [getattr(layer, "slope", None) for layer in leaky.network().layers] == [None, None, None, None, 0.1, None]
    squashing = TEMPLATES["lenet5-1998"].varied(activation="leaky_relu", slope=0.2).network()
    assert [layer.slope for layer in squashing.layers[:-1]] == [0.2] * 6
    for wrong in ({"activation": "leaky_relu"}, {"slope": 0.1}, {"activation": "tanh", "slope": 0.1}):
        with pytest.raises(ValueError, match="^slope: wanted "):
            TEMPLATES["lenet5-relu-max"].varied(**wrong).network()


def test_trainable_subsampling_squashes():
    layers = TEMPLATES["lenet5-1998"].network().layers
    assert [layer.activation for layer in layers[:-1]] == ["scaled_tanh"] * 6
    assert layers[-1] == RBF(10)


@pytest.mark.parametrize("padding", [(2, 0), [2, 0], 2, np.int64(2)])
def test_padding_is_one_number_or_two(padding):
    assert TEMPLATES["lenet5-relu-max"].varied(padding=padding).padding == (2, 0)


@pytest.mark.parametrize(
    ("fields", "kind", "sentence"),
    [
        ({"padding": "same"}, TypeError, "padding: wanted a whole number, or one for each of the two convolutions, found 'same'; 'same' is 2 around a 5x5 convolution and 'valid' is 0"),
        ({"padding": 2.0}, TypeError, "padding: wanted a whole number, found 2.0"),
        ({"padding": True}, TypeError, "padding: wanted a whole number, found True"),
        ({"padding": (2, "same")}, TypeError, "padding: wanted a whole number, found 'same'"),
        ({"padding": [2]}, ValueError, "padding: wanted a whole number, or one for each of the two convolutions, found 1 in [2]; pass (2, 0), for example"),
        ({"padding": (1, 2, 3)}, ValueError, "padding: wanted a whole number, or one for each of the two convolutions, found 3 in (1, 2, 3); pass (2, 0), for example"),
        ({"padding": 9}, ValueError, "C1: padding wanted between 0 and 4, found 9"),
        ({"padding": {}}, TypeError, "padding: wanted a whole number, found {}"),
        ({"pooling": np.zeros(2)}, TypeError, "pooling: wanted a word, found array([0., 0.])"),
        ({"activation": 3}, TypeError, "activation: wanted a word, found 3"),
    ],
)  # fmt: skip
def test_a_variation_that_is_none_gets_its_sentence(fields, kind, sentence):
    """Whoever says it: a template, `load`, `from_state_dict`."""
    template = TEMPLATES["lenet5-relu-max"]
    weights = {name: np.ones(shape) for name, shape in template.network().parameters.items()}
    ways = [
        lambda: template.varied(**fields).network(),
        lambda: lenet_fast.from_state_dict(weights, "lenet5-relu-max", **fields),
    ]
    for way in ways:
        with pytest.raises(kind, match=f"^{re.escape(sentence)}$"):
            way()


def test_what_there_is_not_is_refused():
    with pytest.raises(ArgumentError, match="network: wanted variations of channels, side, .*, found 'colour'"):
        TEMPLATES["lenet1"].varied(colour=3)
    with pytest.raises(ArgumentError, match="network: wanted one of lenet1, .*caffe-20-50-500 or .*, found 'lenet6'"):
        template_named("lenet6")
    assert template_named("lenet1") is TEMPLATES["lenet1"]
