"""checking/outputs.py: outputs that are a trainer's are close to it in the space that they are given in; no others."""

from __future__ import annotations

from dataclasses import replace

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import RBF, Conv5x5, Dense, Model, Network
from lenet_fast.weights.checking.outputs import CLOSE, FARTHEST, Expected, agreement


def model_of(head="scores", *, classes=3, gain=1.0):
    last = RBF(classes) if head == "rbf" else Dense(classes)
    network = Network((3, 8, 8), (Conv5x5(2, "tanh"), last), head)
    weights = reference.random_weights(network, np.random.default_rng(4))
    return Model(network, {name: gain * array for name, array in weights.items()})


IMAGES = np.random.default_rng(3).random((6, 3, 8, 8)).astype(np.float32)


def compared(model, outputs):
    expected = Expected.of(outputs, len(IMAGES))
    expected.check(model.network.classes)
    return agreement(model, IMAGES, expected, model.scores(IMAGES))


def test_outputs_are_known_for_what_they_are():
    scores = model_of().scores(IMAGES).astype(np.float64)
    probabilities = reference.softmax(scores)
    for outputs, kind in (
        (scores, "scores"),
        (probabilities, "probabilities"),
        (np.log(probabilities), "log-probabilities"),
        (scores.argmax(1), "labels"),
    ):
        assert Expected.of(outputs, 6).kind == kind
        assert compared(model_of(), outputs) == (pytest.approx(0, abs=1e-6), True)


def test_distances_may_be_given_as_their_negatives_and_as_probabilities_logits_may_not():
    model = model_of("rbf")
    distances = model.scores(IMAGES).astype(np.float64)
    for outputs in (distances, -distances, reference.softmax(-distances), distances.argmin(1)):
        assert compared(model, outputs)[1]
    assert not compared(model, reference.softmax(distances))[1]
    assert not compared(model_of(), -model_of().scores(IMAGES))[1]


def test_a_difference_is_a_share_of_the_spread_of_all_outputs():
    scores = model_of().scores(IMAGES).astype(np.float64)
    for share, close in ((0.8e-5, True), (1.3e-5, False)):
        wanted = scores.copy()
        wanted[2, 1] += share * np.ptp(scores)
        error, found = compared(model_of(), wanted)
        assert found == close and error == pytest.approx(share, rel=0.05)
    assert not compared(model_of(), scores + 1e-3)[1]


def test_a_model_with_huge_scores_is_no_nearer_for_that():
    """Its own largest score once divided the error of probabilities, so that anything at all was near."""
    scores = model_of().scores(IMAGES).astype(np.float64)
    probabilities = reference.softmax(scores)
    assert not compared(model_of(gain=1e4), probabilities)[1]
    random = np.random.default_rng(0).dirichlet(np.ones(3), 6)
    assert not compared(model_of(gain=1e4), random)[1]
    assert compared(model_of(gain=1e4), random)[0] > 0.1


def test_small_probabilities_are_compared_by_their_logarithms():
    """In probabilities these two are 1e-9 apart."""
    model = model_of(gain=8.0)
    scores = model.scores(IMAGES).astype(np.float64)
    wanted = reference.softmax(scores)
    wanted[0, wanted[0].argmin()] *= 1.01
    assert not compared(model, wanted)[1]


def test_more_is_allowed_where_a_model_rounds_worse_but_never_more_than_the_limit():
    """Here numbers that nearly cancel: x + 300 - 300."""
    network = Network((1, 8, 8), (Conv5x5(1), Dense(2)), "scores")
    weights = {name: np.zeros(shape, np.float32) for name, shape in network.parameters.items()}
    weights["C1.weight"][0, 0, 2, 2], weights["C1.bias"][:] = 1, 300
    weights["F2.weight"][0, 5], weights["F2.weight"][1, 6] = 1, 1
    weights["F2.bias"][:] = -300
    model = Model(network, weights, preprocess=lenet_fast.Preprocess(white=None))
    images = np.random.default_rng(1).random((20, 1, 8, 8)).astype(np.float32)
    exact = np.stack([images[:, 0, 3, 3], images[:, 0, 3, 4]], 1).astype(np.float64)
    found = model.scores(images)
    expected = Expected.of(exact, 20)
    own = expected.apart(found, exact, "scores")
    assert CLOSE < own < FARTHEST / 4
    assert agreement(model, images, expected, found) == (pytest.approx(own), True)
    for times, close in ((2.9, True), (3.1, False)):
        wanted = Expected.of(found + times * own * expected.spread, 20)
        assert agreement(model, images, wanted, found)[1] == close
    far = replace(expected, spread=expected.spread * own / FARTHEST / 1.01)
    assert own * expected.spread / far.spread > FARTHEST
    assert not agreement(model, images, far, found)[1]


def test_labels_must_all_be_the_same():
    model = model_of()
    labels = model.predict(IMAGES)
    assert compared(model, labels) == (0, True)
    labels[1] = (labels[1] + 1) % 3
    assert compared(model, labels) == (pytest.approx(1 / 6), False)
    for none in (-1, 3, 0.5):
        assert not compared(model, np.where(np.arange(6) == 2, none, model.predict(IMAGES)))[1]


def test_a_label_that_rounding_decides_is_either():
    scores = np.array([[1.0, 1.0 + 1e-7, 0.0], [0.0, 0.5, 0.0]], np.float32)
    assert Expected.of(np.array([0, 1]), 2).difference(scores, "scores") == 0
    assert Expected.of(np.array([2, 1]), 2).difference(scores, "scores") == 0.5
    assert Expected.of(np.array([2, 0]), 2).difference(scores, "rbf") == 0


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        (np.zeros((5, 3)), r"expected: wanted one row of outputs or one label per image \(6\), found shape \(5, 3\)"),
        (np.zeros((6, 3, 1)), r"found shape \(6, 3, 1\)"),
        (np.full((6, 3), np.nan), "expected: wanted finite outputs, found nan"),
        (np.full((6, 3), np.inf), "expected: wanted finite outputs, found inf"),
        (np.array(["a"] * 6), "found <U1"),
        (np.zeros((6, 2)), r"expected: wanted outputs of shape \(6, 3\) or labels, found shape \(6, 2\)"),
    ],
)
def test_what_is_no_output_is_refused(outputs, sentence):
    with pytest.raises(ValueError, match=sentence):
        compared(model_of(), outputs)


def test_one_output_is_measured_by_the_spread_over_all_images():
    model = model_of(classes=1)
    scores = model.scores(IMAGES).astype(np.float64)
    for share, close in ((0.8e-5, True), (1.2e-5, False)):
        wanted = scores.copy()
        wanted[np.abs(scores).argmin()] += share * np.ptp(scores)
        assert compared(model, wanted)[1] == close
    with pytest.raises(ValueError, match=r"expected: wanted one output per image, shape \(6, 1\), found shape \(6,\)"):
        compared(model, scores[:, 0])


@pytest.mark.parametrize(
    ("rounded", "digits"),
    [
        (lambda p: p.astype(np.float16), "float16"),
        (lambda p: p.astype(np.float16).astype(np.float32), "float16"),
        (lambda p: np.round(p, 4), "4 decimals"),
        (lambda p: (p.view(np.uint32) & 0xFFFF0000).view(np.float32), "bfloat16"),
        (lambda p: p, ""),
        (lambda p: p.astype(np.float64) + 1e-9, ""),
    ],
)
def test_few_digits_are_noticed(rounded, digits):
    probabilities = model_of().predict_proba(IMAGES)
    assert Expected.of(rounded(probabilities), 6).digits == digits


def test_outputs_that_can_tell_nothing_are_known():
    assert Expected.of(np.full(6, 4), 6).tells_nothing == "the same label for every image"
    assert Expected.of(np.full((6, 3), 4.0), 6).tells_nothing == "the same number everywhere"
    assert "no more than labels" in Expected.of(np.eye(3)[[0, 1, 2, 0, 1, 2]], 6).tells_nothing
    assert Expected.of(model_of().scores(IMAGES), 6).tells_nothing == ""
    assert Expected.of(model_of().predict_proba(IMAGES), 6).tells_nothing == ""
