"""weights/arrays/torch_layers.py: what the layers of a pickled module say of themselves."""

from __future__ import annotations

import io

import lenet_fast
import pytest
from lenet_fast import WeightsError
from lenet_fast.networks import TEMPLATES
from lenet_fast.weights.arrays import pickled, torch_layers
from lenet_fast.weights.said import Curve
from test_pytorch import coded, in_zip


def module(kind, **state):
    """A module of torch.nn as a pickle has it: a call, and the attributes that it gets."""
    kept = {"training": False} | state
    return b"ctorch.nn.modules.anything\n" + kind.encode() + b"\n)\x81" + coded(kept) + b"b"


def said(*layers):
    tree = coded({str(number): layer for number, layer in enumerate(layers)})
    return torch_layers.said_in(pickled.parse(io.BytesIO(b"\x80\x02" + tree + b".")))


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        ("Conv2d", {"stride": (2, 2)}, r"Conv2d: wanted stride 1, found \(2, 2\)"),
        ("Conv2d", {"dilation": (2, 2)}, "Conv2d: wanted dilation 1"),
        ("Conv2d", {"groups": 3}, "Conv2d: wanted groups 1"),
        ("MaxPool2d", {"kernel_size": 3}, "MaxPool2d: wanted kernel_size 2, found 3"),
        ("MaxPool2d", {"stride": 1}, "MaxPool2d: wanted stride 2"),
        ("AvgPool2d", {"padding": 1}, "AvgPool2d: wanted padding 0"),
        ("ReLU6", {}, "ReLU6: wanted tanh"),
        ("PReLU", {}, "PReLU: wanted activations without a slope that is trained"),
        ("ELU", {}, "ELU: wanted tanh"),
        ("GELU", {}, "GELU: wanted tanh"),
        ("LeakyReLU", {"negative_slope": 1.5}, "leaky_relu: wanted a slope from 0 to 1, found 1.5"),
    ],
)
def test_layers_that_are_not_of_the_family_are_refused(kind, state, words):
    with pytest.raises(WeightsError, match=words):
        said(module(kind, **state))


def test_layers_say_what_they_are():
    found = said(module("Tanh"), module("AvgPool2d", kernel_size=2, stride=2, padding=0), module("Linear"))
    assert (found.activations, found.poolings, found.paddings) == ([Curve("tanh")], {"average"}, set())
    assert not said(module("Linear"), module("Flatten"), module("Softmax"), module("Identity"))


@pytest.mark.parametrize(
    ("state", "slope"),
    [({"negative_slope": 0.2}, 0.2), ({}, 0.01), ({"negative_slope": 0}, 0.0), ({"negative_slope": "0.2"}, None)],
)
def test_leaky_relu_says_its_slope(state, slope):
    assert said(module("LeakyReLU", **state)).activations == [Curve("leaky_relu", slope)]


@pytest.mark.parametrize(
    ("paddings", "found"),
    [
        (((2, 2), (0, 0)), {0, 2}),
        ((2, 2), {2}),
        (("same", "valid"), {0, 2}),
        (((0, 0),), set()),  # a lone one may stand beside functions that pad otherwise
        (((2, 2), (1, 2)), set()),
        ((2, "reflect"), set()),
        ((True, True), set()),
        ((((2,), 2), (2, 2)), set()),
    ],
)
def test_convolutions_say_how_they_pad(paddings, found):
    assert said(*(module("Conv2d", padding=padding) for padding in paddings)).paddings == found


# --- whole modules of a class of their own ---


def whole(tmp_path, *layers, padding=(0, 0), side=32):
    """A LeNet with these layers beside its tensors."""
    network = TEMPLATES["lenet5-relu-max"].varied(side=side, padding=padding).network()
    layers = {f"layer{number}": layer for number, layer in enumerate(layers)}
    return in_zip(tmp_path / "m.pt", network, "net", **layers)


def test_layers_that_contradict_the_name_are_refused(tmp_path):
    path = whole(tmp_path, module("Tanh"), module("AvgPool2d", kernel_size=2, stride=2, padding=0), side=28)
    with pytest.raises(WeightsError, match="activation is tanh.*'lenet5-relu-max' with relu.*activation='tanh'"):
        lenet_fast.load(path, network="lenet5-relu-max")
    with pytest.raises(WeightsError, match="pooling is average"):
        lenet_fast.load(path, network="lenet5-relu-max", activation="tanh")
    model = lenet_fast.load(path, network="lenet5-relu-max", activation="tanh", pooling="average")
    assert model.network.input == (1, 28, 28)


def test_the_slope_of_the_layers_is_used(tmp_path):
    path = whole(tmp_path, module("LeakyReLU", negative_slope=0.2), module("MaxPool2d", kernel_size=2))
    with pytest.raises(WeightsError, match=r"leaky_relu of slope 0\.2.*pass activation='leaky_relu', slope=0\.2"):
        lenet_fast.load(path, network="lenet5-relu-max")
    for options in ({"slope": 0.2}, {}):
        model = lenet_fast.load(path, network="lenet5-relu-max", activation="leaky_relu", **options)
        assert model.network.layers[0].slope == 0.2
    with pytest.raises(WeightsError, match=r"slope 0\.2, as in its modules, found .* of slope 0\.1"):
        lenet_fast.load(path, network="lenet5-relu-max", activation="leaky_relu", slope=0.1)


def test_what_layers_do_not_say_is_asked_for(tmp_path):
    path = whole(tmp_path, module("MaxPool2d", kernel_size=2))
    with pytest.raises(WeightsError, match="in which order its layers compute, and this one not activation, found max"):
        lenet_fast.load(path)
    assert lenet_fast.load(path, activation="sigmoid").network.layers[1].pooling == "max"


def test_the_padding_of_the_layers_is_used(tmp_path):
    for paddings, side in (((2, 0), 28), ((0, 2), 28), ((0, 0), 32), ((), 32)):
        layers = [module("Conv2d", padding=(p, p)) for p in paddings]
        path = whole(tmp_path, *layers, padding=(2, 0) if side == 28 else (0, 0), side=side)
        model = lenet_fast.load(path, network="lenet5-relu-max", preprocess="unit")
        assert model.network.input == (1, side, side)
    path = whole(tmp_path, *(module("Conv2d", padding=(p, p)) for p in (2, 0)), padding=(2, 0), side=28)
    with pytest.raises(WeightsError, match=r"padding is 0 and 2, as in its modules, found 0"):
        lenet_fast.load(path, network="lenet5-relu-max", padding=0)
