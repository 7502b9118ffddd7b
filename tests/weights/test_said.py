"""weights/said.py: the words that files have for layers become ours, and are held against the user's network."""

from __future__ import annotations

import pytest
from lenet_fast import Conv5x5, Dense, Network, Subsample2x2, WeightsError
from lenet_fast.errors import OpenQuestionError
from lenet_fast.networks import TEMPLATES
from lenet_fast.weights.said import Curve, Said, check, check_padding, said_of


def operators(*words, paddings=(), slope=None):
    said = Said("in its modules", paddings=set(paddings))
    for word in words:
        said.note(word, slope)
    return said


def declared(activation="", pooling="", slope=None):
    said = Said("in its dictionary", is_declared=True)
    for what, word in (("activation", activation), ("pooling", pooling)):
        if word:
            said.declare(what, word, slope if what == "activation" else None)
    return said


def named(name="lenet5-relu-max", **changes):
    return TEMPLATES[name].varied(**changes).network()


CURVES = {
    "relu": ["ReLU", "relu", "torch.nn.functional.relu", "nn.ReLU", "Relu", "rectifier"],
    "tanh": ["Tanh", "tanh", "torch.tanh", "np.tanh", "TANH", "tansig"],
    "scaled_tanh": ["scaled_tanh", "ScaledTanh", "lecun_tanh"],
    "sigmoid": ["Sigmoid", "torch.sigmoid", "logistic"],
    "leaky_relu": ["LeakyReLU", "leaky-relu", "LeakyRelu", "lrelu", "leaky relu"],
    "identity": ["identity", "linear", "None"],
}
POOLINGS = {
    "max": ["max", "MaxPool2d", "MaxPool", "max_pooling", "MaxPooling2D", "torch.max_pool2d"],
    "average": ["avg", "mean", "average", "AvgPool2d", "AveragePooling2D", "avg_pool", "F.avg_pool2d"],
    "trainable": ["trainable", "subsampling"],
}


@pytest.mark.parametrize(("kind", "word"), [(kind, word) for kind, words in CURVES.items() for word in words])
def test_words_for_activations(kind, word):
    assert declared(activation=word).activations == [Curve(kind)]


@pytest.mark.parametrize(("kind", "word"), [(kind, word) for kind, words in POOLINGS.items() for word in words])
def test_words_for_poolings(kind, word):
    assert declared(pooling=word).poolings == {kind}


@pytest.mark.parametrize("word", ["gelu", "PReLU", "relu6", "max", "anything", ""])
def test_an_unknown_activation_is_refused_by_name(word):
    with pytest.raises(WeightsError) as caught:
        Said("in its dictionary", is_declared=True).declare("activation", word)
    assert caught.value.what == "activation" and caught.value.found == f"{word!r} in its dictionary"


@pytest.mark.parametrize("word", ["stochastic", "relu", "lp"])
def test_an_unknown_pooling_is_refused_by_name(word):
    with pytest.raises(WeightsError, match=f"pooling: wanted average .*found '{word}' in its dictionary"):
        declared(pooling=word)


@pytest.mark.parametrize("word", ["GELU", "elu", "Softplus", "hardtanh", "torch.nn.functional.silu"])
def test_an_operator_that_there_is_none_of_here_is_refused(word):
    with pytest.raises(WeightsError, match=f"found {word} in its modules; it is not supported"):
        operators(word)


@pytest.mark.parametrize("word", ["Mean", "max", "mean", "Linear", "linear", "Identity", "Conv2d", "softmax", "add"])
def test_operators_that_only_sound_like_it_say_nothing(word):
    """A mean over losses, a largest value, and a full connection that is called linear."""
    assert not operators(word)


def test_what_the_outputs_become_is_no_activation_of_layers():
    assert not declared(activation="softmax") and not declared(activation="LogSoftmax")


@pytest.mark.parametrize("slope", [1.5, -0.1, float("nan"), float("inf")])
def test_a_slope_that_no_layer_has_is_refused(slope):
    with pytest.raises(WeightsError, match="leaky_relu: wanted a slope from 0 to 1"):
        operators("LeakyReLU", slope=slope)


def test_a_number_with_an_activation_that_has_no_slope_is_none():
    assert declared(activation="relu", slope=0.3).activations == [Curve("relu")]


def test_more_activations_than_a_network_has_are_refused():
    said = Said("in its code")
    with pytest.raises(WeightsError, match="activation: wanted those of one network, found more than 16 in its code"):
        for number in range(20):
            said.note("leaky_relu", number / 20)


def test_a_slope_that_is_known_replaces_one_that_is_not():
    said = operators("leaky_relu", "leaky_relu")
    said.note("leaky_relu", 0.2)
    said.note("leaky_relu")
    assert said.activations == [Curve("leaky_relu", 0.2)]
    apart = declared(activation="leaky_relu")
    apart.slope = 0.3
    assert apart.activations == [Curve("leaky_relu", 0.3)]


# --- against a network ---

AGREEING = {
    "nothing": (operators(), named()),
    "the same": (operators("relu", "MaxPool2d"), named()),
    "the same settings": (declared("relu", "max"), named()),
    "a slope that was a float32": (operators("LeakyReLU", slope=0.10000000149), named(activation="leaky_relu", slope=0.1)),
    "a slope that is not said": (operators("LeakyReLU"), named(activation="leaky_relu", slope=0.3)),
    "tanh as a part": (operators("tanh", "avg_pool2d"), named("lenet5-1998")),
    "convolutions without": (declared("relu", "max"), named("caffe-20-50-500")),
    "nothing at all": (declared("identity"), Network((1, 8, 8), (Conv5x5(2), Dense(3)), "scores")),
}  # fmt: skip


@pytest.mark.parametrize("case", AGREEING)
def test_a_network_that_agrees_passes(case):
    said, network = AGREEING[case]
    check(said, network, "'a name'", ())


CONTRADICTING = {
    "relu is tanh": (operators("tanh"), named(), "activation is tanh", "pass activation='tanh'"),
    "tanh is relu": (declared("relu"), named("lenet5-tanh-average"), "activation is relu", "pass activation='relu'"),
    "leaky relu is relu": (
        operators("LeakyReLU", slope=0.2), named(), "leaky_relu of slope 0.2", "activation='leaky_relu', slope=0.2"
    ),
    "another slope": (
        operators("LeakyReLU", slope=0.2), named(activation="leaky_relu", slope=0.1), "of slope 0.2", "slope=0.2"
    ),
    "max is average": (operators("AvgPool2d"), named(), "pooling is average", "pass pooling='average'"),
    "average is max": (declared(pooling="max"), named("lenet5-tanh-average"), "pooling is max", "pass pooling='max'"),
    "trainable is average, as a setting": (declared(pooling="avg"), named("lenet4"), "pooling is average", "average"),
    "scaled tanh is tanh, as a setting": (declared("tanh"), named("lenet4"), "activation is tanh", "'tanh'"),
    "relu is nothing": (
        operators("relu"), Network((1, 8, 8), (Conv5x5(2), Dense(3)), "scores"), "activation is relu", "'relu'"
    ),
    "nothing is relu": (declared("identity"), named(), "activation is identity", "pass activation='identity'"),
}  # fmt: skip


@pytest.mark.parametrize("settled", [(), ("activation", "pooling")])
@pytest.mark.parametrize("case", CONTRADICTING)
def test_a_network_that_contradicts_is_refused_with_the_way_out(case, settled):
    said, network, wanted, way_out = CONTRADICTING[case]
    with pytest.raises(WeightsError) as caught:
        check(said, network, "'a name'", settled)
    assert wanted in caught.value.wanted and said.where in caught.value.wanted
    assert way_out in caught.value.way_out and caught.value.found.startswith("'a name' with ")


def test_what_is_in_two_minds_is_a_question_unless_the_user_settled_it():
    said = operators("relu", "sigmoid", "MaxPool2d", "AvgPool2d")
    with pytest.raises(
        OpenQuestionError, match=r"relu and sigmoid in its modules; pass activation='relu' or "
    ) as caught:
        check(said, named(), "'a name'", ())
    assert caught.value.keyword == "activation"
    with pytest.raises(OpenQuestionError, match="pass pooling='average' or pooling='max'"):
        check(said, named(), "'a name'", ("activation",))
    check(said, named(), "'a name'", ("activation", "pooling"))


def test_paddings_come_in_no_order():
    said = operators(paddings=(2, 0))
    assert sorted(said.pairs()) == [(0, 2), (2, 0)] and operators(paddings=(2,)).pairs() == [(2, 2)]
    assert operators().pairs() == [] and operators(paddings=(0, 1, 2)).pairs() == []
    for padding in ((2, 0), (0, 2)):
        check_padding(said, named(padding=padding, side=28))
    for padding in ((0, 0), (2, 2), (1, 0)):
        with pytest.raises(WeightsError, match=r"padding is 0 and 2, as in its modules.*padding=\(2, 0\)"):
            check_padding(said, named(padding=padding, side=28))
    check_padding(operators(), named(padding=(2, 2)))


def test_a_network_says_everything_of_itself():
    layers = (Conv5x5(2, "tanh", 1), Subsample2x2("average"), Dense(5, "leaky_relu", 0.1), Dense(3))
    said = said_of(Network((1, 8, 8), layers, "scores"))
    assert said.activations == [Curve("leaky_relu", 0.1), Curve("tanh")]
    assert (said.poolings, said.paddings) == ({"average"}, {1})
    assert str(said) == "leaky_relu of slope 0.1, tanh, average pooling, padding 1 in the network"
