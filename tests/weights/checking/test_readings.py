"""checking/readings.py: everything that a file leaves open is tried, once, and nothing that it or the user settles."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import Preprocess, WeightsError
from lenet_fast.networks import TEMPLATES
from lenet_fast.weights.build import Wishes
from lenet_fast.weights.checking.readings import SLOPES, readings, scalings_of
from lenet_fast.weights.said import Curve, Said
from lenet_fast.weights.source import TORCH, UNKNOWN, Source
from trainers import lenet

PADDED = lenet(28, padding=(2, 0))
UINT8 = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)


def source_of(network, layout=TORCH, **parts):
    weights = reference.random_weights(network, np.random.default_rng(1))
    return Source("arrays", {name.replace(".", "_"): array for name, array in weights.items()}, layout, **parts)


def tried(source, wishes=None, images=UINT8):
    return readings(source, wishes or Wishes(), "file", images)


def test_every_activation_slope_pooling_and_padding_is_tried_once():
    found = tried(source_of(PADDED))
    first = [(reading.parts.network.input[1], reading.parts.network.layers[0]) for reading in found]
    curves = [
        ("identity", None),  # of Caffe's convolutions
        *((name, None) for name in ("relu", "tanh", "scaled_tanh", "sigmoid")),
        *(("leaky_relu", slope) for slope in SLOPES),
    ]
    assert {(side, a.padding, a.activation, a.slope) for side, a in first} == {
        (*size, *curve) for size in ((28, 2), (32, 0)) for curve in curves
    }
    assert {reading.parts.network.layers[1].pooling for reading in found} == {"max", "average"}
    assert len(found) == 2 * 2 * (len(curves) - 1) + 2


def test_the_slopes_are_those_that_trainers_take():
    assert SLOPES == (0.01, 0.1, 0.2, 0.3)


def test_the_words_say_what_the_network_is():
    for reading in tried(source_of(PADDED, UNKNOWN)):
        layers, words = reading.parts.network.layers, reading.words
        assert words.get("activation", "relu") == layers[-2].activation
        assert layers[0].activation == words.get("activation", "identity")
        assert words.get("slope", "None") == str(layers[0].slope)
        assert words["pooling"] == layers[1].pooling
        assert words["padding"] == str((layers[0].padding, layers[2].padding))
        assert words["flatten"] in ("CHW", "HWC")
        assert TEMPLATES[words["network"]]


def test_readings_of_the_same_shapes_share_their_weights():
    found = tried(source_of(PADDED))
    assert len({id(reading.parts.weights) for reading in found}) < len(found) / 4


def test_trainable_subsampling_is_tried_where_its_pairs_are():
    pairs = source_of(lenet(28, activation="tanh", pooling="trainable"))
    found = tried(pairs)
    assert {reading.parts.network.layers[1].pooling for reading in found} == {"trainable"}
    assert {reading.words["coefficients"] for reading in found} == {"sum", "mean"}
    assert all(reading.parts.network.layers[1].activation == reading.words["activation"] for reading in found)


def test_what_the_user_settles_is_not_tried():
    for given in (
        {"activation": "tanh"},
        {"activation": "leaky_relu", "slope": 0.1},
        {"activation": "leaky_relu", "slope": 0.05},  # none of those that are tried
        {"pooling": "average"},
        {"padding": (2, 0)},
    ):
        found = tried(source_of(PADDED), Wishes(variations=given))
        first, second = zip(*(reading.parts.network.layers[:2] for reading in found), strict=True)
        seen = {"activation": {a.activation for a in first}, "slope": {a.slope for a in first},
                "pooling": {b.pooling for b in second}, "padding": {(a.padding, 0) for a in first}}  # fmt: skip
        assert all(seen[key] == {value} for key, value in given.items())
        assert not any(key in reading.words for reading in found for key in given)
    leaky = tried(source_of(PADDED), Wishes(variations={"activation": "leaky_relu"}))
    assert {reading.parts.network.layers[0].slope for reading in leaky} == set(SLOPES)
    named = tried(source_of(PADDED), Wishes(network="lenet5-relu-max", preprocess="mnist"))
    assert {reading.words["network"] for reading in named} == {"lenet5-relu-max"}
    assert all(not reading.scalings and reading.parts.scaling == Preprocess.named("mnist") for reading in named)


def test_layers_that_the_file_has_are_not_varied():
    found = tried(source_of(PADDED, said=(Said("in its modules", curves={Curve("tanh")}, poolings={"average"}),)))
    kinds = {(r.words["activation"], r.words["pooling"]) for r in found}
    assert kinds == {("tanh", "average"), ("scaled_tanh", "average")}  # of which a tanh is a part


def test_a_slope_that_the_file_says_is_tried():
    leaky = Said("in its modules", curves={Curve("leaky_relu", 0.05)})
    assert {reading.parts.network.layers[0].slope for reading in tried(source_of(PADDED, said=(leaky,)))} == {0.05}


def test_what_fits_no_name_is_refused_with_its_shapes():
    with pytest.raises(WeightsError, match=r"found one \(3, 7, 7, 7\)"):
        tried(Source("arrays", {"one": np.zeros((3, 7, 7, 7), np.float32)}, TORCH))


def test_scalings_that_make_the_same_of_the_images_are_one():
    assert scalings_of(UINT8) == dict.fromkeys(("unit", "mnist", "symmetric", "lecun", "raw", "zscore"), ())
    floats = UINT8.astype(np.float32) / 255
    assert scalings_of(floats) == {
        "as-is": ("unit", "raw"), "mnist": (), "symmetric": (), "lecun": (), "zscore": ()
    }  # fmt: skip
    standard = (floats - floats.mean((1, 2), keepdims=True)) / floats.std((1, 2), keepdims=True)
    assert scalings_of(standard)["as-is"] == ("unit", "raw", "zscore")
    assert "zscore" not in scalings_of(standard)
