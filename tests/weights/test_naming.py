"""weights/naming.py: weights without a graph become the one network that keywords and the file leave, or a question."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import WeightsError
from lenet_fast.errors import OpenQuestionError
from lenet_fast.networks import TEMPLATES
from lenet_fast.weights.build import Wishes, build
from lenet_fast.weights.said import Said
from lenet_fast.weights.source import TORCH, Source


def weights(name="lenet5-relu-max", **changes):
    network = TEMPLATES[name].varied(**changes).network()
    return reference.random_weights(network, np.random.default_rng(6))


def declared(**words):
    said = Said("in its dictionary", is_declared=True)
    for what, word in words.items():
        said.declare(what, word)
    return said


def operators(*words, paddings=(), where="in its modules"):
    said = Said(where, paddings=set(paddings))
    for word in words:
        said.note(word, 0.2 if word == "LeakyReLU" else None)
    return said


def loaded(*said, network=None, tensors=None, **variations):
    tensors = weights() if tensors is None else tensors
    source = Source("PyTorch", {n.replace("C", "conv").replace("F", "fc").replace("output", "fc9"): a for n, a in tensors.items()}, TORCH, said=said)  # fmt: skip
    return build(source, Wishes(network, None, variations), "file").model.network


def sentence(*said, kind=WeightsError, **options):
    with pytest.raises(kind) as caught:
        loaded(*said, **options)
    return str(caught.value)


def test_keywords_that_leave_one_network_are_enough():
    found = loaded(activation="leaky_relu", slope=0.1, pooling="max")
    assert found == TEMPLATES["lenet5-relu-max"].varied(activation="leaky_relu", slope=0.1).network()
    found = loaded(activation="sigmoid", pooling="average", padding=2)
    assert found.layers == TEMPLATES["lenet5-sigmoid-average"].network().layers and found.input == (1, 28, 28)


def test_one_keyword_leaves_the_other_open():
    text = sentence(kind=OpenQuestionError, activation="leaky_relu", slope=0.1)
    assert "wanted pooling as well" in text and "found only activation leaky_relu, slope 0.1" in text
    assert "pass pooling='max' or 'average', or network=" in text
    assert "wanted activation as well" in sentence(kind=OpenQuestionError, pooling="max")
    for options in ({}, {"padding": 2}, {"slope": 0.1}):
        assert "do not say activation, pooling and padding" in sentence(**options)


def test_settings_of_the_file_that_leave_one_network_are_enough():
    assert loaded(declared(activation="tanh", pooling="avg")) == loaded(activation="tanh", pooling="average")
    assert loaded(declared(activation="tanh"), declared(pooling="avg")) == loaded(activation="tanh", pooling="average")
    assert loaded(declared(activation="tanh"), pooling="max") == loaded(activation="tanh", pooling="max")


def test_settings_that_leave_something_open_are_asked_for_that_alone():
    text = sentence(declared(activation="tanh"), kind=OpenQuestionError)
    assert "wanted pooling as well" in text and "found only tanh in its dictionary" in text
    text = sentence(declared(activation="tanh"), declared(activation="relu", pooling="max"), kind=OpenQuestionError)
    assert "to know which activation the layers have" in text
    assert "wanted to know the slope of leaky relu" in sentence(declared(activation="lrelu", pooling="max"))


def test_settings_that_contradict_the_user_are_refused():
    said = declared(activation="tanh", pooling="avg")
    for options in ({"network": "lenet5-relu-max"}, {"activation": "relu"}, {"network": TEMPLATES["lenet5-relu-max"].network()}):  # fmt: skip
        assert "a network whose activation is tanh, as in its dictionary" in sentence(said, **options)
    for options in ({"network": "lenet5-relu-max", "activation": "tanh"}, {"pooling": "max"}):
        assert "a network whose pooling is average, as in its dictionary" in sentence(said, **options)


def test_a_name_keeps_its_word_where_the_file_says_the_same():
    network = loaded(declared(activation="tanh"), network="lenet5-tanh-average")
    assert network.layers == TEMPLATES["lenet5-tanh-average"].network().layers


def test_a_network_that_reads_in_two_ways_is_asked_for():
    """Caffe's has no activation behind its convolutions."""
    tensors = weights("caffe-20-50-500")
    text = sentence(tensors=tensors, activation="relu", pooling="max")
    assert "relu, pooling max, which several of them can have" in text
    assert "network='caffe-20-50-500' or network='caffe-20-50-500', activation='relu'" in text
    three = weights() | {"C5.weight": np.ones((120, 16, 5, 5), np.float32), "C5.bias": np.ones(120, np.float32)}
    text = sentence(tensors=three, activation="relu", pooling="max")
    assert "none of the named networks" in text and "lenet_fast.Network" in text


def test_operators_alone_never_make_a_network():
    """They do not say in which order they compute: conv, pool, tanh is another network than conv, tanh, pool."""
    text = sentence(operators("relu", "MaxPool2d", paddings=(0,)))
    assert "does not say in which order its layers compute, found relu, max pooling, padding 0 in its modules" in text
    assert text.endswith("pass network='lenet5-relu-max'")
    text = sentence(operators("LeakyReLU", "MaxPool2d"))
    assert text.endswith("pass network='lenet5-relu-max', activation='leaky_relu', slope=0.2")
    assert "and this one not activation, found max pooling" in sentence(operators("MaxPool2d"))


def test_operators_fill_what_the_user_leaves_open():
    leaky = operators("LeakyReLU", "MaxPool2d")
    wanted = TEMPLATES["lenet5-relu-max"].varied(activation="leaky_relu", slope=0.2).network()
    assert loaded(leaky, network="lenet5-relu-max", activation="leaky_relu") == wanted
    assert loaded(leaky, pooling="max") == loaded(leaky, activation="leaky_relu") == wanted
    assert loaded(operators("AvgPool2d"), activation="tanh") == loaded(activation="tanh", pooling="average")


def test_an_operator_tanh_is_no_answer_since_it_may_be_a_part_of_scaled_tanh():
    said = operators("tanh", "AvgPool2d")
    assert "network='lenet5-tanh-average'" in sentence(said, pooling="average")
    assert loaded(said, activation="scaled_tanh").layers[0].activation == "scaled_tanh"
    assert loaded(said, activation="tanh").layers[0].activation == "tanh"


@pytest.mark.parametrize("padding", [(2, 0), (0, 0), (2, 2), (1, 0)])
def test_the_padding_that_the_file_says_is_used(padding):
    side = 32 if padding == (0, 0) else 28
    tensors = weights(padding=padding, side=side)
    found = loaded(operators("relu", paddings=padding), network="lenet5-relu-max", tensors=tensors)
    assert tuple(layer.padding for layer in found.layers[:3:2]) == padding and found.input == (1, side, side)


def test_a_padding_that_contradicts_is_refused():
    said = operators("relu", paddings=(0, 0))
    with pytest.raises(WeightsError, match=r"padding: wanted a network whose padding is 0, as in its modules, found"):
        loaded(said, network="lenet5-relu-max", padding=2)
    with pytest.raises(WeightsError, match="padding is 0, as in its modules"):
        loaded(said, network=TEMPLATES["lenet5-relu-max"].varied(padding=2, side=28).network())


def test_the_slope_of_a_name_may_be_the_files():
    said = Said("in its dictionary", is_declared=True, slope=0.3)
    assert loaded(said, network="lenet5-relu-max", activation="leaky_relu").layers[0].slope == 0.3
    with pytest.raises(OpenQuestionError, match="0.2 and 0.3"):
        loaded(said, operators("LeakyReLU"), network="lenet5-relu-max", activation="leaky_relu")
    with pytest.raises(OpenQuestionError, match="nothing that tells; pass slope="):
        lenet_fast.from_state_dict(weights(), "lenet5-relu-max", activation="leaky_relu")
    assert loaded(said, network="lenet5-relu-max").layers[0].activation == "relu"  # of relu a slope says nothing
