"""plan.py: a plan is the model, packed for the chosen instruction set; with every layer, each can be read."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network, Preprocess, Subsample2x2
from lenet_fast.calibration import Calibration
from lenet_fast.plan import plan_of
from lenet_fast.tensors import checked

NETWORK = Network((2, 8, 8), (Conv5x5(3, "tanh"), Subsample2x2("trainable"), Dense(4)), "scores")


@pytest.fixture
def made(isa, random):
    weights = checked(NETWORK, reference.random_weights(NETWORK, random))

    def make(every_layer=False, preprocess=None, calibration=None):
        return plan_of(NETWORK, weights, preprocess or Preprocess((2, 0.5), -0.25), calibration or Calibration(), every_layer=every_layer)  # fmt: skip

    return make, weights


def scores(plan, images):
    out = np.empty((len(images), 4), np.float32)
    plan.run(images, layers=[(2, out)])
    return out


def test_it_computes_the_network_with_its_scaling(made, random, isa):
    make, weights = made
    images = random.random((5, 2, 8, 8)).astype(np.float32)
    wanted = reference.run(NETWORK, weights, images * np.array([2, 0.5])[:, None, None] - 0.25)["F3"]
    plan = make()
    assert plan.isa == isa
    assert np.abs(scores(plan, images) - wanted).max() < 2e-6


def test_every_layer_can_be_read_and_the_last_keeps_its_bits(made, random):
    make, weights = made
    images = random.random((5, 2, 8, 8)).astype(np.float32)
    maps = np.empty((5, 3, 4, 4), np.float32)
    with pytest.raises(ValueError, match="C1: this plan computes it only inside the next layer"):
        make().run(images, layers=[(0, maps)])
    make(every_layer=True).run(images, layers=[(0, maps)])
    wanted = reference.run(NETWORK, weights, images * np.array([2, 0.5])[:, None, None] - 0.25)["C1"]
    assert np.abs(maps - wanted).max() < 2e-6
    assert scores(make(every_layer=True), images).tobytes() == scores(make(), images).tobytes()


def test_bytes_count_up_to_white_and_mean_nothing_without_it(made, random):
    make, _ = made
    images = random.integers(0, 256, (5, 2, 8, 8), np.uint8)
    white = scores(make(preprocess=Preprocess(white=255)), images)
    assert np.abs(white - scores(make(preprocess=Preprocess()), images.astype(np.float32))).max() < 1e-3
    with pytest.raises(
        ValueError, match="images: wanted floating point, since what uint8 pixels stand for is not known"
    ):
        scores(make(preprocess=Preprocess(white=None)), images)
