"""weights/description.py: a saved model is the same model, and says so itself when it is loaded."""

from __future__ import annotations

import hashlib
import json

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network, Subsample2x2, WeightsError

NETWORK = Network((1, 8, 8), (Conv5x5(2, "tanh"), Subsample2x2("max"), Dense(3)), "scores")


@pytest.fixture
def path(tmp_path):
    Model(NETWORK, reference.random_weights(NETWORK, np.random.default_rng(0))).save(tmp_path / "m.npz")
    return tmp_path / "m.npz"


def rewritten(path, change):
    """The file with its tensors changed and its checksum made right again, as another writer would leave it."""
    with np.load(path) as file:
        arrays = dict(file)
    description = json.loads(str(arrays.pop("__lenet_fast__")))
    change(arrays)
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode() + np.ascontiguousarray(array).tobytes())
    description["sha256"] = digest.hexdigest()
    np.savez(path, __lenet_fast__=np.array(json.dumps(description)), **arrays)


def off_by(share, image=2):
    """Every score of one check image off by a share of its largest."""

    def change(arrays):
        scores = arrays["check.scores"]
        scores[image] += np.float32(share * np.abs(scores[image]).max())

    return change


@pytest.mark.parametrize("sign", [1, -1])
def test_saved_scores_may_differ_by_what_float32_does_between_machines(path, sign):
    """By 1e-5 of an image's largest score: less is another processor's rounding, more is another network."""
    rewritten(path, off_by(sign * 8e-6))
    lenet_fast.load(path)
    rewritten(path, off_by(sign * 5e-6))  # 1.3e-5 in all
    with pytest.raises(WeightsError, match="wanted the scores that were saved for its check images"):
        lenet_fast.load(path)


@pytest.mark.parametrize("image", range(4))
def test_every_check_image_counts(path, image):
    rewritten(path, off_by(1e-3, image))
    with pytest.raises(WeightsError, match="wanted the scores that were saved for its check images"):
        lenet_fast.load(path)


def test_scores_that_are_no_numbers_are_no_check(path):
    rewritten(path, lambda arrays: arrays.update({"check.scores": np.full((4, 3), np.nan, np.float32)}))
    with pytest.raises(WeightsError, match="wanted the scores that were saved for its check images"):
        lenet_fast.load(path)
