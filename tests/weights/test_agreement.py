"""weights/agreement.py: outputs that are a trainer's are close to it in any form that it may give them in; no others."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network
from lenet_fast.weights.agreement import distance


def outputs(head="scores"):
    network = Network((3, 8, 8), (Conv5x5(2), Dense(3)), head)
    model = Model(network, reference.random_weights(network, np.random.default_rng(4)))
    x = np.random.default_rng(3).random((4, 3, 8, 8)).astype(np.float32)
    return model, x, model.scores(x).astype(np.float64)


def test_outputs_may_be_scores_their_negatives_or_probabilities():
    model, x, scores = outputs("softmax")
    probabilities = reference.softmax(scores)
    for wanted in (scores, -scores, probabilities, np.log(probabilities)):
        assert distance(model, x, wanted) == (pytest.approx(0, abs=1e-5), True)
    assert not distance(model, x, scores + 1)[1]
    assert not distance(model, x, scores[:, ::-1])[1]


def test_one_image_that_is_off_is_enough():
    model, x, scores = outputs()
    for share, close in ((0.8e-5, True), (1.3e-5, False)):
        wanted = scores.copy()
        wanted[2, 1] += share * np.abs(scores[2]).max()
        error, found = distance(model, x, wanted)
        assert found == close and error == pytest.approx(share, rel=0.05)


def test_labels_must_all_be_the_same():
    model, x, _ = outputs()
    labels = model.predict(x)
    assert distance(model, x, labels) == (0, True)
    labels[1] = (labels[1] + 1) % 3
    assert distance(model, x, labels) == (0.25, False)


def test_outputs_of_another_shape_are_refused():
    model, x, scores = outputs()
    for wanted in (scores[:, :2], scores[:3], scores[:3, 0], np.zeros(5, int)):
        with pytest.raises(ValueError, match="expected: wanted"):
            distance(model, x, wanted)


def test_outputs_that_are_no_numbers_are_far():
    model, x, scores = outputs()
    assert distance(model, x, np.full_like(scores, np.nan)) == (np.inf, False)


def test_one_output_is_measured_by_the_largest_of_all_images():
    """By itself it may be near zero, where no digit of it is sure; as labels there is nothing to compare."""
    network = Network((1, 8, 8), (Conv5x5(2), Dense(1)), "scores")
    model = Model(network, reference.random_weights(network, np.random.default_rng(4)))
    x = np.random.default_rng(3).random((40, 1, 8, 8)).astype(np.float32)
    scores = model.scores(x).astype(np.float64)
    nearest, largest = np.abs(scores).argmin(), np.abs(scores).max()
    for share, close in ((0.8e-5, True), (1.2e-5, False)):
        wanted = scores.copy()
        wanted[nearest] += share * largest
        assert distance(model, x, wanted)[1] == close
    with pytest.raises(
        ValueError, match=r"expected: wanted one output per image, shape \(40, 1\), found shape \(40,\)"
    ):
        distance(model, x, scores[:, 0])
