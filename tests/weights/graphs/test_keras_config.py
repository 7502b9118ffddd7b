"""weights/graphs/keras_config.py: a config of Keras 1, 2 or 3 is one row of layers in the order of computation."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from lenet_fast import WeightsError
from lenet_fast.weights.graphs.keras_config import Layer, input_shape, layers_of, parsed


def layer(kind, name, **settings):
    return {"class_name": kind, "config": {"name": name, **settings}}


def model(*entries, kind="Sequential", **more):
    return {"class_name": kind, "config": {"name": "m", "layers": list(entries), **more}}


def names(config):
    return [found.name for found in layers_of(config)]


ROW = ("Conv2D", "conv"), ("Flatten", "flat"), ("Dense", "full")


def edges_2(source):
    return [[[source, 0, 0, {}]]]


def edges_3(source):
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "keras_history": [source, 0, 0]}}
    return [{"args": [tensor], "kwargs": {}}]


def functional(edges, row=("image", "conv", "flat", "full")):
    entries = [{**layer("Dense", row[0]), "name": row[0], "inbound_nodes": []}]
    for before, name in pairwise(row):
        entries.append({**layer("Dense", name), "name": name, "inbound_nodes": edges(before)})
    return entries


@pytest.mark.parametrize("edges", [edges_2, edges_3])
def test_a_functional_models_layers_go_along_its_edges(edges):
    """In whatever order they are listed."""
    entries = functional(edges)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        assert names(model(*(entries[i] for i in order), kind="Functional")) == ["image", "conv", "flat", "full"]


def test_a_sequential_model_is_a_list():
    """In Keras 1 nothing but a list."""
    entries = [layer(*each) for each in ROW]
    assert names(model(*entries)) == names({"class_name": "Sequential", "config": entries}) == ["conv", "flat", "full"]


def test_models_inside_of_models_are_opened():
    inner = model(layer("Conv2D", "a"), model(layer("Conv2D", "b"), layer("Conv2D", "c")))
    assert names(model(inner, layer("Dense", "d"))) == ["a", "b", "c", "d"]


def test_settings_of_keras_1_have_keras_3s_names():
    config = model(layer("Convolution2D", "c", border_mode="same", subsample=[1, 1], bias=False, dim_ordering="tf"))
    (found,) = layers_of(config)
    assert (found.config["padding"], found.config["strides"], found.config["use_bias"]) == ("same", [1, 1], False)
    with pytest.raises(WeightsError, match="c: wanted kernels in TensorFlow's order"):
        layers_of(model(layer("Convolution2D", "c", dim_ordering="th")))


@pytest.mark.parametrize(
    "entry",
    [
        layer("QuantizeWrapperV2", "q"),
        layer("Dense", "q", quantization_config={"class_name": "Int8QuantizationConfig", "config": {}}),
    ],
)
def test_layers_in_few_bits_are_refused(entry):
    with pytest.raises(WeightsError, match="q: wanted plain layers, found a quantisation-aware wrapper"):
        layers_of(model(entry))


@pytest.mark.parametrize("key", ["batch_shape", "batch_input_shape", "build_input_shape"])
@pytest.mark.parametrize("place", [0, 1])
def test_the_images_shape_is_with_one_of_the_first_two_layers(key, place):
    layers = [Layer("InputLayer", "i", {}), Layer("Conv2D", "c", {})]
    layers[place] = Layer("Conv2D", "c", {key: [None, 28, None, 1]})
    assert input_shape(layers) == [None, 28, None, 1]
    with pytest.raises(WeightsError, match="input: wanted an image of known size"):
        input_shape([Layer("Conv2D", "c", {}), Layer("Conv2D", "c", {key: None}), *layers])


def test_a_container_knows_the_shape_that_it_was_built_with_unless_its_layer_says_another():
    built = {"build_input_shape": [None, 28, 28, 1]}
    assert input_shape(layers_of(model(layer("Conv2D", "c"), **built))) == [None, 28, 28, 1]
    own = layer("Conv2D", "c", build_input_shape=[None, 32, 32, 1])
    assert input_shape(layers_of(model(own, **built))) == [None, 32, 32, 1]


CIRCLE = functional(edges_2)
CIRCLE[0]["inbound_nodes"] = edges_2("full")
NO_ROW = {
    "a branch": ([*functional(edges_2), *functional(edges_2, ("conv", "side"))[1:]], "side: .*a branch at 'conv'"),
    "two inputs": ([*functional(edges_2), *functional(edges_2, ("other", "more"))], "inputs: wanted one input"),
    "a circle": (CIRCLE, "inputs: wanted one input, the image, found 0"),
    "a layer used twice": (
        [*functional(edges_3)[:3], {**layer("Dense", "f"), "name": "f", "inbound_nodes": edges_3("flat") * 2}], "used 2 times"
    ),
    "a sum": ([*functional(edges_2)[:2], {**layer("Add", "sum"), "name": "sum", "inbound_nodes": edges_2("conv")}], "sum: .*Add"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_ROW)
def test_what_is_no_row_is_refused(name):
    entries, words = NO_ROW[name]
    with pytest.raises(WeightsError, match=words):
        layers_of(model(*entries, kind="Functional"))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b"[" * 100_000])
def test_damage_is_one_sentence(text):
    with pytest.raises(WeightsError, match="wanted a model's config in JSON"):
        parsed(text)
    assert parsed(json.dumps(model()).encode())["class_name"] == "Sequential"


@pytest.mark.parametrize(
    "config", [{}, {"class_name": "Mine", "config": {"layers": []}}, {"class_name": "Model", "config": {}}]
)
def test_a_model_whose_layers_are_not_stored_is_code(config):
    with pytest.raises(WeightsError, match="whose code is not in the file"):
        layers_of(config)
