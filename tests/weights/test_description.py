"""weights/description.py: a saved model is the same model, and says so itself when it is loaded."""

from __future__ import annotations

from dataclasses import replace

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network, Preprocess, Subsample2x2

NETWORK = Network((1, 8, 8), (Conv5x5(2, "tanh"), Subsample2x2("max"), Dense(3)), "scores")


@pytest.mark.parametrize("name", ["m.safetensors", "m.npz"])
def test_everything_of_a_model_travels(tmp_path, name):
    preprocess = Preprocess(scale=(1.5,), shift=0.25, background=0.5)
    calibration = lenet_fast.Calibration(temperature=1.25)
    for white in (255.0, None):
        model = Model(
            NETWORK,
            reference.random_weights(NETWORK, np.random.default_rng(0)),
            preprocess=replace(preprocess, white=white),
            classes=("cat", "dog", "« ant »"),
            card={"data": "none, « invented »"},
            calibration=calibration,
        )
        model.save(tmp_path / name)
        again = lenet_fast.load(tmp_path / name)
        assert (again.network, again.preprocess, again.card) == (model.network, model.preprocess, model.card)
        assert again.classes_.tolist() == ["cat", "dog", "« ant »"]
        assert again.calibration == calibration
        assert all((again.weights[n] == a).all() for n, a in model.weights.items())


@pytest.mark.parametrize("ending", [".safetensors", ".npz"])
@pytest.mark.parametrize("slope", [0.1, np.float32(0.1), 0])
def test_files_keep_a_slope_to_the_bit(tmp_path, random, ending, slope):
    layers = (Conv5x5(2, "leaky_relu", slope=slope), Subsample2x2("max", "leaky_relu", 0.3), Dense(3))
    network = Network((1, 8, 8), layers, "scores")
    model = Model(network, reference.random_weights(network, random))
    model.save(tmp_path / f"m{ending}")
    again, images = lenet_fast.load(tmp_path / f"m{ending}"), random.random((20, 1, 8, 8)).astype(np.float32)
    assert again.network == network
    assert again.scores(images).tobytes() == model.scores(images).tobytes()
