"""Probabilities of ten classes: what `predict_proba` takes longer than `scores`."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import Dense, Model, Network


@pytest.mark.parametrize("output", ["scores", "predict_proba"])
def test_softmax(benchmark, isa, batch, output):
    network, random = Network((1, 1, 84), (Dense(10),), "softmax"), np.random.default_rng(1998)
    model = Model(network, reference.random_weights(network, random))
    images = random.random((batch, 1, 1, 84)).astype(np.float32)
    wanted = reference.softmax(reference.run(network, model.weights, images)["F1"])
    assert np.abs(model.predict_proba(images) - wanted).max() < 1e-6
    benchmark(getattr(model, output), images)
