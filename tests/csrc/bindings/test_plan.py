"""bindings/plan.cpp: arrays that a plan reads and writes are what it needs, or are refused before anything is written."""

from __future__ import annotations

import numpy as np
import pytest
from lenet_fast import Dense, Model, Network, _core


@pytest.fixture
def images(random):
    return random.integers(0, 256, (3, 1, 28, 28), np.uint8)


def test_all_outputs_at_once(isa, images, digits):
    scores, labels, shares = np.empty((3, 10), np.float32), np.empty(3, np.int64), np.empty((3, 10), np.float32)
    last = len(digits.network.layers) - 1
    digits._plan.run(images, layers=[(last, scores)], labels=labels, probabilities=shares)
    assert scores.tobytes() == digits.scores(images).tobytes()
    assert (labels == digits.predict(images)).all()
    assert shares.tobytes() == digits.predict_proba(images).tobytes()
    assert digits._plan.isa == isa


@pytest.mark.parametrize(
    "out",
    [np.zeros((3, 10)), np.zeros((3, 9), np.float32), np.zeros((3, 20), np.float32)[:, ::2], np.zeros((3, 10), ">f4")],
)
def test_outputs_of_another_type_or_size_are_refused(images, digits, out):
    last = len(digits.network.layers) - 1
    for name, given in (("out", {"layers": [(last, out)]}), ("probabilities", {"probabilities": out})):
        with pytest.raises(ValueError, match=f"{name}: wanted a C-contiguous float32 array of 3 x 10 values"):
            digits._plan.run(images, **given)
    assert not out.any()


def test_more_values_than_can_be_counted_are_not_taken_for_none():
    """2^54 images, of one pixel that they share, times 2^10 values."""
    network = Network((1, 1, 1), (Dense(1 << 10),), "scores")
    model = Model(network, {name: np.ones(shape) for name, shape in network.parameters.items()})
    many = np.lib.stride_tricks.as_strided(np.full(1, 9, np.uint8), (1 << 54, 1, 1, 1), (0, 0, 0, 0))
    nothing = np.empty(0, np.float32)
    for name, given in (("out", {"layers": [(0, nothing)]}), ("probabilities", {"probabilities": nothing})):
        with pytest.raises(
            ValueError, match=f"{name}: wanted a C-contiguous float32 array of 18014398509481984 x 1024"
        ):
            model._plan.run(many, **given)


def test_frozen_outputs_are_refused(images, digits):
    labels = np.zeros(3, np.int64)
    labels.flags.writeable = False
    with pytest.raises(ValueError, match="not writeable"):
        digits._plan.run(images, labels=labels)
    assert not labels.any()


@pytest.mark.parametrize("layer", [7, 1 << 40])
def test_a_layer_that_there_is_not_raises(images, digits, layer):
    with pytest.raises((ValueError, IndexError)):
        digits._plan.run(images, layers=[(layer, np.zeros((3, 10), np.float32))])


def test_activate_keeps_the_shape_and_its_argument(isa):
    x = np.asfortranarray(np.linspace(-2, 2, 24, dtype=np.float32).reshape(2, 3, 4))
    before = x.copy()
    found = _core.activate("leaky_relu", x, 0.5)
    assert (found == np.where(x > 0, x, x / 2)).all()
    assert (x == before).all()
    with pytest.raises(ValueError, match="slope: wanted"):
        _core.activate("relu", x, 0.5)
