"""weights/description.py: a saved model is the same model, and says so itself when it is loaded."""

from __future__ import annotations

from dataclasses import replace

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network, Preprocess, Subsample2x2
from lenet_fast.weights import description

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


def test_the_checksum_is_of_names_types_shapes_and_values_in_whatever_order():
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(2, np.uint8)}
    same = description.sha256_of(tensors)
    assert description.sha256_of(dict(reversed(tensors.items()))) == same
    assert description.sha256_of({**tensors, "a": np.asfortranarray(tensors["a"])}) == same
    others = [
        {"a": tensors["a"], "c": tensors["b"]},
        {**tensors, "a": tensors["a"].reshape(3, 2)},
        {**tensors, "a": tensors["a"].view(np.int32)},
        {**tensors, "b": np.array([0, 1], np.uint8)},
        {"a": tensors["a"]},
    ]
    assert len({same, *map(description.sha256_of, others)}) == 6


@pytest.mark.parametrize(("white", "dtype"), [(1.0, np.uint8), (255.0, np.uint8), (None, np.float32)])
def test_a_file_carries_images_that_its_model_takes_and_their_scores(white, dtype):
    """Where bytes have no meaning, real numbers; always the same ones."""
    model = Model(
        NETWORK, reference.random_weights(NETWORK, np.random.default_rng(0)), preprocess=Preprocess(white=white)
    )
    tensors, _ = description.tensors_of(model)
    again, _ = description.tensors_of(model)
    images = tensors["check.images"]
    assert images.dtype == dtype and images.shape == (4, 1, 8, 8) and (images == again["check.images"]).all()
    np.testing.assert_array_equal(tensors["check.scores"], model.scores(images))
    assert set(tensors) == {*NETWORK.parameters, "check.images", "check.scores"}
