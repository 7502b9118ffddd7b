"""checking/elimination.py: what an image rules out is given up, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import Model, Preprocess
from lenet_fast.weights.build import Wishes
from lenet_fast.weights.checking import elimination
from lenet_fast.weights.checking.outputs import Expected
from lenet_fast.weights.checking.readings import readings
from lenet_fast.weights.source import TORCH, Source
from trainers import lenet

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
NETWORK = lenet(28, padding=(2, 0))
WEIGHTS = reference.random_weights(NETWORK, np.random.default_rng(1))
MODEL = Model(NETWORK, WEIGHTS, preprocess=Preprocess.named("mnist"))
ALL = readings(Source("arrays", WEIGHTS, TORCH), Wishes(), "file", IMAGES)


def left(outputs, images=IMAGES, progress=None):
    return elimination.eliminated(ALL, images, Expected.of(outputs, len(images)), progress)


def test_only_the_right_one_is_left_and_all_others_are_kept_apart():
    good, others = left(MODEL.scores(IMAGES))
    assert [one.words["preprocess"] for one in good] == ["mnist"]
    assert good[0].reading.parts.network == NETWORK and good[0].error < 1e-5
    assert len(good) + len(others) == sum(len(reading.scaled) for reading in ALL)
    assert [one.error for one in others] == sorted(one.error for one in others)


@pytest.mark.parametrize("wrong", [0, 3, 17, 39])
def test_an_image_at_any_place_rules_out(wrong):
    scores = MODEL.scores(IMAGES)
    scores[wrong, 4] += 0.01 * np.ptp(scores)
    assert left(scores)[0] == []


def test_what_nearly_fits_is_left_for_the_model_itself_to_decide():
    scores = MODEL.scores(IMAGES)
    scores[5, 4] += 0.9 * elimination.FARTHEST * np.ptp(scores)
    assert len(left(scores)[0]) == 1


def test_plans_that_are_given_up_see_few_images(monkeypatch):
    seen = []
    run = elimination.scores

    def counted(network, weights, x):
        seen.append(len(x))
        return run(network, weights, x)

    monkeypatch.setattr(elimination, "scores", counted)
    left(MODEL.scores(IMAGES))
    scalings = len(ALL[0].scaled)
    assert seen[: len(ALL)] == [2 * scalings] * len(ALL)
    assert sum(seen[len(ALL) :]) < 40 * scalings


def test_images_of_another_size_fit_nothing():
    assert left(MODEL.scores(IMAGES), np.zeros((40, 20, 20), np.uint8)) == ([], [])


def test_progress_is_told_once_a_reading():
    told = []
    left(MODEL.scores(IMAGES), progress=lambda done, of: told.append((done, of)))
    assert told == [(number, len(ALL)) for number in range(len(ALL))]
