"""checking/saturation.py: a layer that could compute something else, with the outputs all the same, is found."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import Model
from lenet_fast.weights.checking.outputs import Expected
from lenet_fast.weights.checking.saturation import unseen
from trainers import lenet

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 28, 28), np.uint8)


def of(activation, **gains):
    network = lenet(28, activation=activation, pooling="average")
    weights = reference.random_weights(network, np.random.default_rng(1))
    scaled = {name: np.float32(gains.get(name.partition(".")[0], 1)) * array for name, array in weights.items()}
    model = Model(network, scaled)
    return unseen(model, IMAGES, Expected.of(model.scores(IMAGES), len(IMAGES)), is_scaled=True)


@pytest.mark.parametrize("activation", ["tanh", "scaled_tanh", "sigmoid", "relu"])
def test_a_network_that_is_not_saturated_shows_all_its_layers(activation):
    assert of(activation, C1=4, C3=4) == ""


def test_the_first_layer_that_is_not_seen_is_named():
    """Units that are all at 1 or -1 hide how they came there."""
    assert of("tanh", F6=1e5) == "the scale of the pixels"
    assert of("tanh", C3=1e5) == "what C3 computes"
    assert of("sigmoid", C3=1e5) == "the scale of the pixels"


def test_a_large_gain_alone_is_no_saturation_of_a_network_that_has_no_limit():
    assert of("relu", C1=1e3, C3=1e3) == ""


def test_black_images_do_not_show_the_scale_of_the_pixels():
    """Of (x - mean) / deviation they show one number, which others have too."""
    network = lenet(28)
    weights = reference.random_weights(network, np.random.default_rng(1))
    model = Model(network, weights, preprocess="mnist")
    black = np.zeros((5, 28, 28), np.uint8)
    expected = Expected.of(model.scores(black), 5)
    assert unseen(model, black, expected, is_scaled=True) == "the scale of the pixels"
    assert unseen(model, black, expected, is_scaled=False) == ""
