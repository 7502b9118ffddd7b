"""bindings/direct.cpp: the short way takes images of any strides, and leaves what deserves a warning to the long one."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import Dense, Model, Network, Preprocess

SHAPE = (2, 3, 6, 8)
LAYOUTS = {
    "close": (SHAPE, lambda memory: memory),
    "channels apart": ((2, 6, 6, 8), lambda memory: memory[:, ::2]),
    "rows apart": ((2, 3, 12, 8), lambda memory: memory[:, :, 1::2]),
    "columns of more columns": ((2, 3, 6, 11), lambda memory: memory[..., 2:10]),
    "columns apart": ((2, 3, 6, 16), lambda memory: memory[..., 1::2]),
    "mirrored": (SHAPE, lambda memory: memory[..., ::-1]),
    "channels last": ((2, 6, 8, 3), lambda memory: memory.transpose(0, 3, 1, 2)),
}


@pytest.fixture
def colour(random):
    network = Network((3, 6, 8), (Dense(4),), "scores")
    return Model(network, reference.random_weights(network, random))


def takes(model, images):
    """Whether the short way does, for labels, scores and probabilities alike."""
    plan = model._plan
    found = {
        result is not None
        for result in (plan.predict(images, None, False), plan.scores(images, None), plan.predict_proba(images))
    }
    (answer,) = found
    return answer


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bytes_that_are_0_and_1_only_warn_whatever_lies_beside_them(colour, random, layout):
    shape, part = LAYOUTS[layout]
    memory = np.full(shape, 255, np.uint8)
    view = part(memory)
    view[...] = random.integers(0, 2, view.shape)
    assert not takes(colour, view)
    with pytest.warns(UserWarning, match="uint8 pixels are counted from 0 to 255, found 0 and 1 only; multiply by 255"):
        colour.predict(view)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_pixel_above_1_is_enough_for_the_short_way(colour, layout):
    shape, part = LAYOUTS[layout]
    view = part(np.zeros(shape, np.uint8))
    for place in np.ndindex(view.shape[1:]):
        view[0] = 1
        view[(0, *place)] = 2
        assert takes(colour, view)
    view[0] = 1
    view[1] = 255  # the first image decides whether all are looked at
    assert not takes(colour, view)
    colour.predict(view)  # no warning


@pytest.mark.parametrize("layout", LAYOUTS)
def test_floats_far_outside_warn_and_those_beside_them_do_not(colour, random, layout):
    shape, part = LAYOUTS[layout]
    memory = np.full(shape, 255, np.float32)
    view = part(memory)
    view[...] = random.random(view.shape)
    assert takes(colour, view)
    assert colour._plan.scores(view, None).tobytes() == colour.scores(view.copy()).tobytes()
    view[1, 2, 5, 7] = 255
    assert not takes(colour, view)
    with pytest.warns(UserWarning, match="float pixels are counted from 0 to 1, found .* to 255"):
        colour.predict(view)


def test_0_to_1_warns_where_white_is_255(colour, random):
    raw = Model(colour.network, colour.weights, preprocess=Preprocess.named("raw"))
    unit = random.random(SHAPE).astype(np.float32)
    assert takes(raw, unit * 255)
    assert not takes(raw, unit)
    with pytest.warns(
        UserWarning, match=r"found 0\.\S+ to 0\.\S+; that looks like 0\.\.1: pass uint8, or multiply by 255"
    ):
        raw.scores(unit)


def test_bytes_are_refused_where_white_is_not_known(colour, random):
    as_is = Model(colour.network, colour.weights, preprocess=Preprocess.named("as-is"))
    images = random.integers(0, 256, SHAPE, np.uint8)
    assert takes(as_is, images.astype(np.float32))
    assert not takes(as_is, images)
    with pytest.raises(TypeError, match="images: wanted floating point, scaled as in training, found uint8"):
        as_is.predict(images)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_no_images_need_no_looking_at(colour, dtype):
    assert takes(colour, np.empty((0, 3, 6, 8), dtype))
