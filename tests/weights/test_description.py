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
