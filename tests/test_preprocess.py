"""preprocess.py: scalings that work, and the sentence about those that cannot."""

from __future__ import annotations

import json
from dataclasses import asdict

import lenet_fast
import numpy as np
import pytest
from lenet_fast import Preprocess


def test_mean_and_deviation_per_channel():
    """(x - mean) / std, by which a model is trained that was fed by torchvision's Normalize."""
    mean, std = [0.5, 0.25, 0.125], [0.5, 0.25, 2.0]
    preprocess = lenet_fast.Preprocess.from_mean_std(mean, std, background=0.5)
    for pixel in (0.0, 0.5, 1.0):
        scale, shift = np.array(preprocess.per_channel(3))
        assert (pixel * scale + shift == (pixel - np.array(mean)) / std).all()
    assert preprocess.background == 0.5
    assert lenet_fast.Preprocess.from_mean_std(0.25, 0.5) == lenet_fast.Preprocess(2.0, -0.5)
    for bad in (0, [1, -1]):
        with pytest.raises(ValueError, match="std: wanted positive numbers, found"):
            lenet_fast.Preprocess.from_mean_std(0.5, bad)


@pytest.mark.parametrize("bad", [(), (np.nan,), float("inf"), 1e300, 10**400, [1, np.inf]])
def test_scale_and_shift_want_finite_numbers(bad):
    for name in ("scale", "shift"):
        with pytest.raises(ValueError, match=f"{name}: wanted finite float32 numbers, found"):
            Preprocess(**{name: bad})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"background": np.nan}, "background: wanted a finite number, found nan; float32 ends at 3.4e38"),
        ({"background": -1e39}, "background: wanted a finite number, found -1e.39"),
        ({"white": 0}, "white: wanted a positive float32 number, 1.18e-38 at least, .* found 0"),
        ({"white": -1.0}, "white: wanted a positive float32 number"),
        ({"white": 1e-300}, "white: wanted a positive float32 number, 1.18e-38 at least, .* found 1e-300"),
        ({"white": 1e-40}, "white: wanted a positive float32 number"),
        ({"white": 1e39}, "white: wanted a positive float32 number"),
        ({"white": np.inf}, "white: wanted a positive float32 number"),
        (
            {"white": 1e38, "scale": 100.0},
            r"scale: wanted pixels that stay finite .* found 100 for pixels up to 1e\+38",
        ),
        ({"background": -1e38, "scale": (1, -4.0)}, "scale: wanted pixels that stay finite .* found 4"),
        ({"scale": 3e38, "shift": 3e38}, "scale: wanted pixels that stay finite"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_given(fields, words):
    with pytest.raises(ValueError, match=words):
        Preprocess(**fields)


@pytest.mark.parametrize("field", ["scale", "shift", "background", "white"])
@pytest.mark.parametrize("value", ["bright", True, [[1.0]], {}, 1j])
def test_what_is_no_number_is_a_type_error(field, value):
    with pytest.raises(TypeError, match=f"{field}: wanted a number, found"):
        Preprocess(**{field: value})


def test_a_scaling_is_plain_numbers():
    """Whatever NumPy made them: a model's description is JSON."""
    made = Preprocess(np.float32(2), np.array([1, 2]), np.int64(3), np.float32(0.5))
    assert made == Preprocess((2.0,), (1.0, 2.0), 3.0, 0.5)
    assert Preprocess(**json.loads(json.dumps(asdict(made)))) == made


@pytest.mark.parametrize("white", [1.1754944e-38, 1e-20, 3.4e38])
def test_any_white_that_is_accepted_gives_finite_pixels(isa, white):
    """From black to full brightness, which a network of one connection shows as they are."""
    network = lenet_fast.Network((1, 1, 2), (lenet_fast.Dense(2),), "scores")
    weights = {"F1.weight": np.eye(2), "F1.bias": [0, 0]}
    model = lenet_fast.Model(network, weights, preprocess=Preprocess(white=white))
    assert model.scores(np.uint8([[0, 255]])).tolist() == [[0, np.float32(white)]]


NAMES = ["unit", "mnist", "symmetric", "lecun", "raw", "zscore", "as-is"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stands_for_its_scaling_wherever_one_is_wanted(name, small_model):
    wanted = Preprocess.named(name)
    made = lenet_fast.Model(small_model.network, small_model.weights, preprocess=name)
    given = lenet_fast.from_state_dict(small_model.weights, small_model.network, preprocess=name)
    assert made.preprocess == small_model.replace(preprocess=name).preprocess == given.preprocess == wanted


def test_a_scaling_is_a_name_or_a_preprocess(small_model):
    network, weights = small_model.network, small_model.weights
    ways = [
        lambda wish: lenet_fast.Model(network, weights, preprocess=wish),
        lambda wish: small_model.replace(preprocess=wish),
        lambda wish: lenet_fast.from_state_dict(weights, network, preprocess=wish),
    ]
    for way in ways:
        with pytest.raises(TypeError, match=r"preprocess: wanted a name or a lenet_fast\.Preprocess, found 0\.5"):
            way(0.5)
        with pytest.raises(ValueError, match="preprocess: wanted one of unit, mnist, .* found 'imagenet'"):
            way("imagenet")


@pytest.fixture
def small_model():
    network = lenet_fast.Network((1, 8, 8), (lenet_fast.Conv5x5(2, "tanh"), lenet_fast.Dense(3)), "scores")
    return lenet_fast.Model(network, {name: np.ones(shape) for name, shape in network.parameters.items()})
