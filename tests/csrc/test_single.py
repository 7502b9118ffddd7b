"""single.cpp: what the plan for one image at a time computes is what a batch gives, where a table leaves maps out."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network, Preprocess, Subsample2x2

FIRST_MAP_ONLY = ((0,),)


def one_by_one(model, images):
    return np.concatenate([model.scores(image[None]) for image in images])


# In each of them something before the table is unbounded: finite weights can make it infinite.
@pytest.mark.parametrize(
    "layers",
    [
        (Conv5x5(2, "relu"),),
        (Conv5x5(2, "identity"),),
        (Conv5x5(2, "relu"), Subsample2x2("max")),
        (Conv5x5(2, "identity"), Subsample2x2("average")),
        (Conv5x5(2, "relu"), Subsample2x2("average", "relu")),
        (Conv5x5(2, "tanh"), Subsample2x2("trainable")),
        (Conv5x5(2, "scaled_tanh"), Subsample2x2("trainable", "relu")),
    ],
)
def test_an_infinite_map_that_is_not_connected_harms_no_single_image(isa, layers):
    """Products with zero would make it NaN, for a single image only: such networks are never computed with them."""
    network = Network((1, 16, 16), (*layers, Conv5x5(1, "tanh", connections=FIRST_MAP_ONLY), Dense(1)), "scores")
    table, last = network.figures[-2].name, network.figures[-1].name
    weights = {name: np.ones(shape, np.float32) for name, shape in network.parameters.items()}
    weights["C1.weight"][0] = 0.01
    weights["C1.weight"][1] = 3e38
    if "S2.coefficient" in weights:
        weights["S2.coefficient"][1] = 3e38
    weights[f"{table}.weight"][:, 1] = 0
    model = Model(network, weights)
    images = np.ones((19, 1, 16, 16), np.float32)
    inside = model.activations(images)
    before = inside[network.figures[len(layers) - 1].name]
    assert np.isfinite(before[:, 0]).all()
    assert np.isinf(before[:, 1]).all()
    assert np.isfinite(inside[last]).all()
    assert one_by_one(model, images).tobytes() == inside[last].tobytes() == model.scores(images).tobytes()


# Finite pixels of two signs; what is summed of the infinities in map 1 is NaN, which no activation bounds.
@pytest.mark.parametrize(
    "layers",
    [
        (Conv5x5(2, "identity"), Subsample2x2("average", "tanh")),
        (Conv5x5(2, "identity"), Subsample2x2("trainable", "scaled_tanh")),
        (Conv5x5(2, "relu"), Conv5x5(2, "tanh")),
        (Conv5x5(2, "relu"), Conv5x5(2, "sigmoid"), Subsample2x2("max")),
    ],
)
def test_a_map_of_nan_that_is_not_connected_harms_no_single_image(isa, layers):
    network = Network((1, 20, 20), (*layers, Conv5x5(1, "tanh", connections=FIRST_MAP_ONLY), Dense(1)), "scores")
    before, table, last = (network.figures[at].name for at in (len(layers) - 1, -2, -1))
    weights = {name: np.ones(shape, np.float32) for name, shape in network.parameters.items()}
    weights["C1.weight"][1] = 3e38
    weights[f"{table}.weight"][:, 1] = 0
    if "C2.weight" in weights:
        weights["C2.weight"][1, ..., 0] = -1
    model = Model(network, weights, preprocess=Preprocess(white=None))
    images = np.ones((19, 1, 20, 20), np.float32)
    images[..., :8] = -1
    inside = model.activations(images)
    assert np.isfinite(inside[before][:, 0]).all()
    assert np.isnan(inside[before][:, 1]).any()
    assert np.isfinite(inside[last]).all()
    assert one_by_one(model, images).tobytes() == inside[last].tobytes() == model.scores(images).tobytes()


@pytest.mark.parametrize("pixel", [np.inf, -np.inf, np.nan])
def test_an_infinite_pixel_that_is_not_connected_harms_no_single_image(isa, pixel):
    model = Model(*first_map_only_of_the_pixels())
    images = np.ones((19, 2, 12, 14), np.float32)
    images[:, 1, 3, 3] = pixel
    together = model.scores(images, check_finite=False)
    alone = np.concatenate([model.scores(image[None], check_finite=False) for image in images])
    assert together.tobytes() == alone.tobytes() == np.full_like(together, 25 * 8 * 10).tobytes()


def test_a_finite_pixel_whose_scale_makes_it_infinite_harms_no_single_image(isa):
    scaled = Preprocess(scale=(1.0, 3e38), white=None)
    model = Model(*first_map_only_of_the_pixels(), preprocess=scaled)
    images = np.ones((19, 2, 12, 14), np.float32)
    images[:, 1, 3, 3] = 3e38
    together = model.scores(images)
    assert one_by_one(model, images).tobytes() == together.tobytes() == np.full_like(together, 25 * 8 * 10).tobytes()


def first_map_only_of_the_pixels():
    """A first layer that sums 5 x 5 pixels of channel 0 and leaves channel 1 out; then the sum of what it gives."""
    network = Network((2, 12, 14), (Conv5x5(1, "relu", connections=FIRST_MAP_ONLY), Dense(1)), "scores")
    weights = {name: np.ones(shape, np.float32) for name, shape in network.parameters.items()}
    weights["C1.weight"][:, 1] = 0
    weights["C1.bias"][:] = 0
    weights["F2.bias"][:] = 0
    return network, weights


@pytest.mark.parametrize("pooling", [None, "trainable", "average", "max"])
@pytest.mark.parametrize("padding", [0, 2])
def test_a_first_layer_with_a_table(isa, random, padding, pooling):
    """Whatever its pixels, which are finite: one by one as together, and as the oracle says."""
    pool = () if pooling is None else (Subsample2x2(pooling, "tanh"),)
    table = ((0,), (1, 2), (0, 2), (0, 1, 2), (1,))
    network = Network((3, 12, 14), (Conv5x5(5, "relu", padding, table), *pool, Dense(4)), "scores")
    model = Model(network, reference.random_weights(network, random))
    images = random.random((21, 3, 12, 14)).astype(np.float32)
    wanted = reference.run(network, model.weights, images)[network.figures[-1].name]
    together = model.scores(images)
    assert np.abs(together - wanted).max() <= 2e-6 * max(1, np.abs(wanted).max())
    assert one_by_one(model, images).tobytes() == together.tobytes()


@pytest.mark.parametrize("pixels_of_the_other", [-0.25, 0.25])
def test_a_sum_behind_a_table_is_never_negative_zero(isa, pixels_of_the_other):
    """A batch leaves out what a single image multiplies by zero, which could turn the sign of a zero: both end in + 0."""
    for scores in scores_of_zero_products(FIRST_MAP_ONLY, pixels_of_the_other):
        assert scores.tobytes() == np.zeros_like(scores).tobytes()


def test_a_sum_of_negative_zeros_stays_one_where_there_is_no_table(isa):
    for scores in scores_of_zero_products(None, -0.25):
        assert scores.tobytes() == np.full_like(scores, -0.0).tobytes()


def scores_of_zero_products(connections, pixels_of_the_other):
    """Pixels of the first channel times -0.0, others times 0.0, added to -0.0; then a layer that keeps the zero's sign.

    Together, then one by one.
    """
    network = Network((2, 5, 6), (Conv5x5(1, connections=connections), Dense(1)), "scores")
    weights = {
        "C1.weight": np.stack([np.full((5, 5), -0.0), np.zeros((5, 5))])[None],
        "C1.bias": [-0.0],
        "F2.weight": [[1.0, 1.0]],
        "F2.bias": [-0.0],
    }
    model = Model(network, weights)
    images = np.ones((17, 2, 5, 6), np.float32)
    images[:, 1] = pixels_of_the_other
    return model.scores(images), one_by_one(model, images)
