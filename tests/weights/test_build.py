"""weights/build.py: what a file says and what the user says become one model, and neither is overheard."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from canonical import Trace
from lenet_fast import Conv5x5, Dense, Network, Preprocess
from lenet_fast.weights.build import Wishes, build
from lenet_fast.weights.source import Source

NETWORK = Network((3, 8, 8), (Conv5x5(2), Dense(3)), "scores")
WEIGHTS = reference.random_weights(NETWORK, np.random.default_rng(4))


def graph(scale, shift):
    """A graph that scales its pixels itself, per channel, before the network."""
    trace = Trace()
    flow = trace.image((1, 3, 8, 8))
    flow = trace.affine(flow, np.reshape(scale, (-1, 1, 1)), np.reshape(shift, (-1, 1, 1)), "scaling")
    flow = trace.conv(flow, WEIGHTS["C1.weight"], WEIGHTS["C1.bias"], "conv")
    trace.dense(trace.reshape(flow, (1, -1), "flatten"), WEIGHTS["F2.weight"], WEIGHTS["F2.bias"], "full")
    return Source("graph", trace=trace)


# --- one scaling of the pixels ---


@pytest.mark.parametrize(
    ("wish", "own"),
    [
        (Preprocess(0.5, -0.25), ((2.0, 3.0, 4.0), (0.5, -1.0, 0.25))),
        (Preprocess((1.5, 2.0, 0.5), (0.1, 0.2, -0.3)), ((3.0, 3.0, 3.0), (0.75, 0.75, 0.75))),
        (Preprocess((1.5, 2.0, 0.5), (0.1, 0.2, -0.3)), ((2.0, 3.0, 4.0), (0.5, -1.0, 0.25))),
    ],
)
def test_the_users_scaling_comes_before_the_graphs_own(wish, own):
    """The graph scales what the user's scaling made of the pixels: (x * a + b) * c + d."""
    model = build(graph(*own), Wishes(preprocess=wish), "graph").model
    pixels = np.random.default_rng(5).integers(0, 256, (6, 3, 8, 8), np.uint8)
    x = pixels / 255.0
    for scale, shift in ((wish.scale, wish.shift), own):
        x = x * np.reshape(scale, (-1, 1, 1)) + np.reshape(shift, (-1, 1, 1))
    wanted = reference.run(NETWORK, WEIGHTS, x)["F2"]
    np.testing.assert_allclose(model.scores(pixels), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
