"""checking/float64.py: the same numbers as the tests' own float64, for every layer, scaling and size of image."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Preprocess
from lenet_fast.weights.checking import float64
from trainers import VARIANTS, images_for


@pytest.mark.parametrize("name", VARIANTS)
def test_scores_are_those_of_the_other_float64(name):
    variant = VARIANTS[name].filled()
    images = images_for(variant, 5)
    found = float64.scores(variant.network, variant.weights, images.astype(np.float64))
    exact = list(reference.run(variant.network, variant.weights, images).values())[-1].reshape(5, -1)
    assert np.abs(found - exact).max() <= 1e-12 * np.abs(exact).max()


def test_no_image_has_no_scores():
    variant = VARIANTS["relu max 28 valid"].filled()
    assert float64.scores(variant.network, variant.weights, np.empty((0, 1, 28, 28))).shape == (0, 10)


SCALINGS = {name: Preprocess.named(name) for name in ("unit", "mnist", "symmetric", "lecun", "raw", "zscore")}
SCALINGS["colour"] = Preprocess((2.0, 3.0, 0.5), (0.1, 0.2, -0.3), background=0.25)


@pytest.mark.parametrize("side", [28, 32])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("name", SCALINGS)
def test_pixels_are_scaled_as_the_engine_scales_them(name, dtype, side):
    """Seen through a network that passes single pixels on."""
    network = lenet_fast.Network((3, 32, 32), (lenet_fast.Conv5x5(3), lenet_fast.Dense(3)), "scores")
    weights = {name: np.zeros(shape, np.float32) for name, shape in network.parameters.items()}
    weights["C1.weight"][[0, 1, 2], [0, 1, 2], 2, 2] = 1
    places = [(0, 0, 0), (1, 13, 14), (2, 27, 27)]
    for output, (channel, row, column) in enumerate(places):
        weights["F2.weight"].reshape(3, 3, 28, 28)[output, channel, row, column] = 1
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (4, 3, side, side)).astype(dtype)
    white = SCALINGS[name].white
    if dtype != np.uint8 and white == 1:
        images = images / images.dtype.type(255)
    model = lenet_fast.Model(network, weights, preprocess=SCALINGS[name])
    x = float64.scaled(images, network.input, SCALINGS[name])
    assert x.shape == (4, 3, 32, 32) and x.dtype == np.float64
    seen = np.stack([x[:, c, row + 2, column + 2] for c, row, column in places], 1)
    assert np.abs(model.scores(images) - seen).max() <= 1e-5 * np.abs(x).max()
