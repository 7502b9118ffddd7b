"""single_wide-inl.hpp: a first layer alone, columns in the lanes, has the bits of many images, and the oracle's values."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Model, Network, Subsample2x2


@pytest.mark.parametrize("pooling", ["trainable", "average", "max"])
@pytest.mark.parametrize("activation", ["tanh", "leaky_relu"])
@pytest.mark.parametrize(("maps", "width"), [(1, 20), (3, 21), (6, 28), (7, 36), (8, 70)])
def test_one_image_alone(isa, random, maps, width, activation, pooling):
    """Whole tiles of maps and a rest; vectors that fit, overlap, or stay half empty."""
    slope = 0.1 if activation == "leaky_relu" else None
    layers = (Conv5x5(maps, activation, 0, slope=slope), Subsample2x2(pooling, "tanh"))
    network = Network((2, 12, width), layers, "scores")
    model = Model(network, reference.random_weights(network, random))
    images = random.random((20, 2, 12, width)).astype(np.float32)
    together = model.scores(images)
    alone = np.concatenate([model.scores(image[None]) for image in images])
    assert alone.tobytes() == together.tobytes()
    wanted = reference.run(network, model.weights, images)["S2"].reshape(20, -1)
    assert np.abs(alone - wanted).max() < 2e-6 * max(1, np.abs(wanted).max())
