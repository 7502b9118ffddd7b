"""softmax-inl.hpp: probabilities from scores and distances, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import RBF, Dense, Model, Network


def logits_model(classes):
    return Model(
        Network((1, 1, classes), (Dense(classes),), "softmax"),
        {"F1.weight": np.eye(classes), "F1.bias": np.zeros(classes)},
    )


@pytest.mark.parametrize("classes", [1, 2, 10, 13])
def test_softmax_of_logits(isa, random, classes):
    logits = random.normal(0, 5, (21, classes)).astype(np.float32)
    found = logits_model(classes).predict_proba(np.clip(logits, -0.4, 1.4).reshape(-1, 1, 1, classes))
    wanted = reference.softmax(np.clip(logits, -0.4, 1.4).astype(np.float64))
    assert np.abs(found / wanted - 1).max() < 1e-6
    assert np.abs(found.sum(1) - 1).max() < 1e-6


@pytest.mark.filterwarnings("ignore:images. float pixels are counted from 0 to 1")
def test_nothing_overflows(isa):
    found = logits_model(3).predict_proba(np.float32([[1e30, 0, -1e30], [-1e30, -1e30, -1e30]]).reshape(2, 1, 1, 3))
    assert np.allclose(found, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]], atol=1e-6)


@pytest.mark.filterwarnings("ignore:images. float pixels are counted from 0 to 1")
def test_a_probability_is_exact_down_to_exp_of_minus_87_and_never_less(isa):
    behind = np.float32([0.5, 20, 80, 86, 86.5, 86.9, 87, 87.1, 88, 100, 200, 1e4, 3e38])
    logits = np.stack([np.zeros_like(behind), -behind], axis=1)
    found = logits_model(2).predict_proba(logits.reshape(-1, 1, 1, 2))
    wanted = reference.softmax(np.stack([np.zeros_like(behind), -np.minimum(behind, 87)], axis=1).astype(np.float64))
    assert np.abs(found / wanted - 1).max() < 1e-6


@pytest.mark.parametrize("rubbish", [0.1, 1.0, 30.0])
def test_rubbish_class_of_equation_9(isa, random, rubbish):
    codes = random.choice([-1.0, 1.0], (4, 3))
    model = Model(Network((1, 1, 3), (RBF(4),), "rbf"), {"output.weight": codes})
    x = random.random((9, 1, 1, 3))
    y = reference.rbf_distances(x.reshape(9, 3), codes)
    wanted = np.exp(-y) / (np.exp(-rubbish) + np.exp(-y).sum(1, keepdims=True))
    assert np.abs(model.predict_proba(x, rubbish=rubbish) / wanted - 1).max() < 2e-6
    assert np.abs(model.predict_proba(x) / reference.softmax(-y) - 1).max() < 2e-6
