"""softmax-inl.hpp: probabilities from scores and distances, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import RBF, Calibration, Dense, Model, Network, Subsample2x2


def logits_model(classes):
    return Model(
        Network((1, 1, classes), (Dense(classes),), "softmax"),
        {"F1.weight": np.eye(classes), "F1.bias": np.zeros(classes)},
    )


@pytest.mark.parametrize("classes", [2, 3, 10, 13])
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


def probabilities_of(scores, temperature=1.0, **options):
    """Of any scores at all: no class has a part in another's. Of one image, and of many that are the same."""
    model = Model(
        Network((len(scores), 2, 3), (Subsample2x2("max"),), "scores"), {}, calibration=Calibration(temperature)
    )
    image = np.ascontiguousarray(np.broadcast_to(np.float32(scores)[:, None, None], (len(scores), 2, 3)))
    many = model.predict_proba(np.stack([image] * 19), check_finite=False, **options)
    alone = model.predict_proba(image, check_finite=False, **options)
    assert many.tobytes() == alone.tobytes() * 19
    return alone[0]


INF = np.inf


@pytest.mark.filterwarnings("ignore:images. float pixels are counted from 0 to 1")
@pytest.mark.parametrize("temperature", [1e-37, 0.01, 1.0, 100.0, 3e38])
@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([INF, 1, 2], [0]),
        ([INF, 1, INF], [0, 2]),
        ([-INF, -INF, -INF], [0, 1, 2]),
        ([INF] * 5, [0, 1, 2, 3, 4]),
        ([-INF, INF], [1]),
        ([INF, 3.4e38, -3.4e38, -INF], [0]),
    ],
)
def test_classes_that_are_infinitely_good_share_the_probability(isa, scores, best, temperature):
    """Finite, and a sum of 1: the others get the least that there is, or nearly as much where the temperature is huge."""
    found = probabilities_of(scores, temperature)
    assert np.isfinite(found).all()
    assert abs(found.sum() - 1) < 1e-6
    if temperature <= 100:
        wanted = np.isin(np.arange(len(scores)), best) / len(best)
        assert np.abs(found - wanted).max() < 1e-6


@pytest.mark.filterwarnings("ignore:images. float pixels are counted from 0 to 1")
@pytest.mark.parametrize("temperature", [1.1754944e-38, 1e-30, 1e-3])
def test_the_best_class_has_all_however_small_the_temperature(isa, temperature):
    """Scores times one over it overflow, differences of scores do no harm."""
    assert np.abs(probabilities_of([100.0, 300.0, 299.0, -1e30], temperature) - [0, 1, 0, 0]).max() < 1e-6
    assert np.abs(probabilities_of([5.0, 5.0, 1.0], temperature) - [0.5, 0.5, 0]).max() < 1e-6
    assert probabilities_of([5.0, 4.0], temperature, rubbish=300.0).sum() < 1e-30


def test_a_nan_makes_its_own_row_nan(isa):
    for scores in ([np.nan, 0.1, 0.2], [0.1, np.nan, 0.2], [0.1, 0.2, np.nan], [np.nan, INF]):
        assert np.isnan(probabilities_of(scores)).all()
    assert np.isnan(probabilities_of([0.1, np.nan], rubbish=0.3)).all()


@pytest.mark.parametrize("rubbish", [-3e38, 0.0, 3e38])
def test_infinite_scores_beside_rubbish(isa, rubbish):
    assert abs(probabilities_of([INF, 0.5], rubbish=rubbish).sum() - 1) < 1e-6 or rubbish == 3e38
    assert np.isfinite(probabilities_of([-INF, -INF], rubbish=rubbish)).all()


@pytest.mark.filterwarnings("ignore:images. float pixels are counted from 0 to 1")
def test_infinite_distances_are_equal_ones(isa):
    """Distances beyond float32 are infinite, all of them: then no class is nearer than another."""
    model = Model(Network((1, 1, 3), (RBF(4),), "rbf"), {"output.weight": np.float32(np.eye(4, 3) - 3e38)})
    found = model.predict_proba(np.full((21, 1, 1, 3), 3e38, np.float32))
    assert (model.scores(np.full((1, 1, 1, 3), 3e38, np.float32)) == INF).all()
    assert np.abs(found - 0.25).max() < 1e-6
