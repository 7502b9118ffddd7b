"""network.py and network.cpp: the family as data, its counts, and the sentences about what does not fit."""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import FrozenInstanceError

import lenet_fast
import numpy as np
import pytest
from lenet_fast import RBF, Conv5x5, Dense, Network, Subsample2x2

CLASSIC = """
C1 6 28x28 5x5 156 122,304
S2 6 14x14 2x2 12 5,880
C3 16 10x10 5x5 1,516 151,600
S4 16 5x5 2x2 32 2,000
C5 120 1x1 5x5 48,120 48,120
F6 84 1x1 10,164 10,164
output: 10 1x1 0 840 840
total 60,000 840 340,908
"""
TANH_AVERAGE = """
C1 6 28x28 5x5 456 357,504
S2 6 14x14 2x2 0 4,704
C3 16 10x10 5x5 2,416 241,600
S4 16 5x5 2x2 0 1,600
F5 120 1x1 48,120 48,120
F6 84 1x1 10,164 10,164
F7 10 1x1 850 850
total 62,006 664,542
"""


@pytest.mark.parametrize(("name", "rows"), [("lenet5-1998", CLASSIC), ("lenet5-tanh-average", TANH_AVERAGE)])
def test_summary_prints_the_published_figures(name, rows):
    lines = lenet_fast.networks()[name].summary().splitlines()
    lines = [line for line in lines if line.split()[0] in {row.split()[0] for row in rows.strip().splitlines()}]
    for line, row in zip(lines, rows.strip().splitlines(), strict=True):
        first, *figures = row.split()
        assert line.split()[0] == first
        assert line.split()[-len(figures) :] == figures


def test_multiply_adds_of_the_classic_network():
    assert sum(layer.multiply_adds for layer in lenet_fast.networks()["lenet5-1998"].figures) == 326_520


def test_every_s2_map_feeds_ten_c3_maps():
    table = lenet_fast.networks()["lenet5-1998"].layers[2].connections
    assert [sum(source in row for row in table) for source in range(6)] == [10] * 6


@pytest.mark.parametrize("name", ["lenet5-1998", "lenet5-tanh-average", "lenet5-relu-max"])
def test_survives_pickle_and_json(name):
    network = lenet_fast.networks()[name]
    assert pickle.loads(pickle.dumps(network)) == network
    assert Network.from_dict(network.to_dict()) == network
    assert hash(Network.from_dict(network.to_dict())) == hash(network)
    assert eval(repr(network), vars(lenet_fast)) == network


def test_is_immutable():
    with pytest.raises(FrozenInstanceError):
        lenet_fast.networks()["lenet5-1998"].head = "scores"


@pytest.mark.parametrize(
    ("layers", "head", "sentence"),
    [
        ((), "scores", "layers: wanted at least one, found none"),
        ((Conv5x5(0),), "scores", "C1: maps wanted between 1 and 65536, found 0"),
        ((Conv5x5(2, padding=5),), "scores", "C1: padding wanted between 0 and 4, found 5"),
        ((Conv5x5(2, padding=-1),), "scores", "C1: padding wanted between 0 and 4, found -1"),
        ((Conv5x5(2, "swish"),), "scores", "activation: wanted one of 'identity', .*, found 'swish'"),
        ((Conv5x5(2, connections=((0,),)),), "scores", r"C1: connections wanted one row per map \(2\), found 1"),
        ((Conv5x5(1, connections=()),), "scores", "connections: wanted one row per map or None, found an empty tuple"),
        (
            (Conv5x5(1, connections=((3,),)),),
            "scores",
            "connections of map 0 wanted ascending, different input maps from 0 to 2",
        ),
        ((Conv5x5(1, connections=((1, 0),)),), "scores", "connections of map 0 wanted ascending"),
        ((Conv5x5(1, connections=((1, 1),)),), "scores", "connections of map 0 wanted ascending"),
        ((Conv5x5(1, connections=((-1, 1),)),), "scores", "connections of map 0 wanted ascending"),
        ((Conv5x5(2),) * 3, "scores", "C3: a 5x5 kernel wants at least 5x5 values, found maps of 4x4 with padding 0"),
        ((Subsample2x2(),) * 4, "scores", "S4: a 2x2 window wants at least 2x2 values, found maps of 1x1"),
        ((Subsample2x2("mean"),), "scores", "pooling: wanted one of 'trainable', 'average', 'max', found 'mean'"),
        ((Dense(4), Conv5x5(2)), "scores", "C2: a convolution cannot follow a dense layer"),
        ((Dense(4), Subsample2x2()), "scores", "S2: subsampling cannot follow a dense layer"),
        ((Dense(4),), "rbf", "head: 'rbf' wants an RBF layer last"),
        ((RBF(4),), "softmax", "RBF: wanted as the last layer of a network with head 'rbf'"),
        ((RBF(4), Dense(3)), "softmax", "RBF: wanted as the last layer"),
        ((Dense(4),), "argmax", "head: wanted one of 'rbf', 'softmax', 'scores', found 'argmax'"),
    ],
)
def test_what_does_not_fit_is_refused(layers, head, sentence):
    with pytest.raises(ValueError, match=sentence):
        Network((3, 12, 12), layers, head)


@pytest.mark.parametrize("value", ["same", 2.0, [2], True, None])
def test_a_size_is_a_whole_number(value):
    found = f"wanted a whole number, found {re.escape(repr(value))}"
    for name, layer in (("padding", Conv5x5(2, padding=value)), ("maps", Conv5x5(value)), ("units", Dense(value))):
        with pytest.raises(TypeError, match=f"^{name}: {found}"):
            Network((1, 12, 12), (layer,), "scores")
    with pytest.raises(TypeError, match=f"^input: {found}"):
        Network((1, 12, value), (Dense(2),), "scores")


@pytest.mark.parametrize("size", [(0, 8, 8), (1, -1, 8), (1, 8, 5000), (70_000, 1, 1), (5000, 100, 100)])
def test_impossible_inputs_are_refused(size):
    with pytest.raises(ValueError, match="input: wanted"):
        Network(size, (Dense(2),), "scores")


def test_outputs_are_bounded():
    with pytest.raises(ValueError, match="C1: wanted at most 16777216 output values"):
        Network((1, 1000, 1000), (Conv5x5(1000),), "scores")


def test_wrong_types():
    with pytest.raises(ValueError, match=r"input: wanted \(channels, height, width\), found \(32, 32\)"):
        Network((32, 32), (Dense(2),), "scores")
    with pytest.raises(TypeError, match="layer: wanted Conv5x5, Subsample2x2, Dense or RBF, found str"):
        Network((1, 32, 32), ("conv",), "scores")
    with pytest.raises(TypeError, match="units: wanted a whole number, found 'ten'"):
        Network((1, 32, 32), (Dense("ten"),), "scores")
    with pytest.raises(TypeError, match="input: wanted a whole number, found 2.5"):
        Network((1, 32, 2.5), (Dense(2),), "scores")
    with pytest.raises(TypeError, match="activation: wanted a word, found None"):
        Network((1, 32, 32), (Dense(2, None),), "scores")
    with pytest.raises(TypeError, match="head: wanted a word, found 3"):
        Network((1, 32, 32), (Dense(2),), 3)
    with pytest.raises(ValueError, match="network: wanted head, input, layers, found 'kernel'"):
        Network.from_dict({"input": [1, 8, 8], "layers": [], "head": "scores", "kernel": 3})
    with pytest.raises(ValueError, match="layer: wanted a kind of .*, found 'LSTM'"):
        Network.from_dict({"input": [1, 8, 8], "layers": [{"kind": "LSTM"}], "head": "scores"})


LAYERS = {
    "Conv5x5": lambda *activation: Conv5x5(2, activation[0], slope=activation[1]),
    "Subsample2x2": lambda *activation: Subsample2x2("max", *activation),
    "Dense": lambda *activation: Dense(2, *activation),
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(
    ("activation", "slope", "error", "sentence"),
    [
        ("leaky_relu", None, ValueError, "slope: wanted a number from 0 to 1 with 'leaky_relu', found none; give slope= to the layer of a lenet_fast.Network or to the kernel (PyTorch takes 0.01, Keras 0.3)"),
        ("relu", 0.1, ValueError, "slope: wanted with 'leaky_relu' only, found 0.1 with 'relu'; leave it out"),
        ("tanh", 0, ValueError, "slope: wanted with 'leaky_relu' only, found 0 with 'tanh'; leave it out"),
        ("leaky_relu", -0.1, ValueError, "slope: wanted a number from 0 to 1, found -0.1"),
        ("leaky_relu", 1.5, ValueError, "slope: wanted a number from 0 to 1, found 1.5"),
        ("leaky_relu", 10**400, ValueError, "slope: wanted a number from 0 to 1, found 1000"),
        ("leaky_relu", float("nan"), ValueError, "slope: wanted a number from 0 to 1, found nan"),
        ("leaky_relu", True, TypeError, "slope: wanted a number, found True"),
        ("leaky_relu", np.True_, TypeError, "slope: wanted a number, found np.True_"),
        ("leaky_relu", "x", TypeError, "slope: wanted a number, found 'x'"),
        ("leaky_relu", 0.1j, TypeError, "slope: wanted a number, found 0.1j"),
        ("leaky_relu", np.complex64(0.1), TypeError, "slope: wanted a number, found"),
    ],
)  # fmt: skip
def test_slopes_that_do_not_fit_are_refused_in_one_sentence(kind, activation, slope, error, sentence):
    with pytest.raises(error) as caught:
        Network((1, 12, 12), (LAYERS[kind](activation, slope),), "scores")
    assert type(caught.value) is error
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("slope", [0, 0.25, 1, np.float32(0.1)])
@pytest.mark.parametrize("kind", LAYERS)
def test_a_slope_survives_json_and_pickle(kind, slope):
    network = Network((1, 12, 12), (LAYERS[kind]("leaky_relu", slope),), "scores")
    data = json.loads(json.dumps(network.to_dict()))
    assert data["layers"][0]["slope"] == slope
    assert Network.from_dict(data) == network == pickle.loads(pickle.dumps(network))
    assert Network.from_dict(data) != Network((1, 12, 12), (LAYERS[kind]("leaky_relu", 0.5),), "scores")
    assert f"leaky_relu {float(slope):g}" in network.summary()


def test_networks_without_leaky_relu_are_written_as_before_there_was_one():
    """So that files stay readable by what wrote them before."""
    for network in lenet_fast.networks().values():
        assert "slope" not in json.dumps(network.to_dict())


def test_sizes_that_are_numpys_are_written_as_json():
    network = Network(np.array([1, 8, 8]), (Conv5x5(np.int64(2), padding=np.uint8(1)), Dense(np.int32(3))), "scores")
    assert Network.from_dict(json.loads(json.dumps(network.to_dict()))) == network


@pytest.mark.parametrize("bad", [None, 5, 2.5, b"abc", "abc", {1: 2}, object()])
def test_what_is_no_row_of_things_is_named(bad):
    for name, make in (
        ("input", lambda: Network(bad, (Dense(2),), "scores")),
        ("layers", lambda: Network((1, 2, 2), bad, "scores")),
        ("connections", lambda: Conv5x5(1, connections=bad or 5)),
        ("connections", lambda: Conv5x5(1, connections=(bad,))),
    ):
        with pytest.raises(TypeError, match=f"^{name}: wanted .*, found "):
            make()


@pytest.mark.parametrize("word", ["x" * 1000, "line\nbreak", "tan h"])
def test_a_word_that_is_none_is_shown_short_and_on_one_line(word):
    for make in (
        lambda: Network((1, 2, 2), (Dense(2, word),), "scores"),
        lambda: Network((1, 2, 2), (Dense(2),), word),
    ):
        with pytest.raises(ValueError, match=r"wanted one of [^\n]*, found '[^\n]{4,60}'$"):
            make()
