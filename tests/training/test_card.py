"""card.py: what is written agrees with PyTorch, and every figure of a card is measured on the images that it names."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
from lenet_fast import Calibration, Dense, Model, Network, expected_calibration_error

torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[training]')")
import card  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:calibrate. wanted some hundred images")


def plain(classes, calibration=None):
    """A model whose scores are the pixels of a 1 x classes image."""
    weights = {"F1.weight": np.eye(classes), "F1.bias": np.zeros(classes)}
    return Model(Network((1, 1, classes), (Dense(classes),), "softmax"), weights, calibration=calibration)


@pytest.fixture
def doubtful(random):
    """400 images of three classes: the surer, the more often right."""
    scores = random.random((400, 3)).astype(np.float32)
    labels = (scores + random.normal(0, 0.15, scores.shape)).argmax(1)
    return card.Labelled(scores[:, None, None, :], labels)


def agreement(model, images, answers):
    """Of a model and a network that gives these answers."""
    return card.check_agreement(torch.nn.Identity(), model, images, torch.from_numpy(np.asarray(answers, np.float32)))


def test_a_network_that_disagrees_is_not_written(digits):
    model = lenet_fast.pretrained("digits")
    images = lenet_fast.sample_digits()
    other = digits.LeNet5(torch.from_numpy(lenet_fast.rbf_codes())).eval()
    with pytest.raises(SystemExit, match="PyTorch and lenet_fast disagree by .*; nothing was written"):
        card.check_agreement(other, model, images, digits.as_input(images))


@pytest.mark.parametrize("name", ["digits", "cifar10"])  # the smallest distance wins, or the largest logit
def test_scores_agree_up_to_a_hundred_thousandth_of_the_largest(random, name):
    model = lenet_fast.pretrained(name)
    images = random.integers(0, 256, (20, *model.network.input), np.uint8)
    scores = model.scores(images)
    assert agreement(model, images, scores) == 0
    for share in (-5e-6, 5e-6):
        off = scores.copy()
        off[7, 3] += share * np.abs(scores).max()
        assert agreement(model, images, off) == pytest.approx(5e-6, rel=0.2)
        off[7, 3] += 3 * share * np.abs(scores).max()
        with pytest.raises(SystemExit, match="disagree by 2.0e-05; nothing was written"):
            agreement(model, images, off)


def test_one_label_that_differs_is_no_agreement():
    """However near the scores are: what counts in the end are labels."""
    one, next_one = np.float32(0.5), np.nextafter(np.float32(0.5), np.float32(1))
    images = np.float32([[one, next_one], [1, 0]])[:, None, None, :]
    assert agreement(plain(2), images, [[one, next_one], [1, 0]]) == 0
    with pytest.raises(SystemExit, match="PyTorch and lenet_fast disagree"):
        agreement(plain(2), images, [[next_one, one], [1, 0]])


def test_a_seed_is_chosen_by_its_labels_likelihood_at_the_best_temperature(doubtful):
    """Also where the surest labels are wrong, so that no threshold would do."""
    scores = doubtful.images.reshape(400, 3).astype(np.float64)
    surest = np.ptp(np.sort(scores)[:, 1:], axis=1).argsort()[-10:]
    misled = doubtful.labels.copy()
    misled[surest] = (scores[surest].argmax(1) + 1) % 3
    for labels in (doubtful.labels, misled):

        def unlikelihood(temperature, labels=labels):
            logits = scores / temperature
            return (np.log(np.exp(logits).sum(1)) - logits[np.arange(400), labels]).mean()

        best = min(map(unlikelihood, np.geomspace(1e-2, 1e2, 400)))
        assert card.validation_loss(plain(3), card.Labelled(doubtful.images, labels)) == pytest.approx(best, rel=1e-3)
        assert best < unlikelihood(1) - 0.02


def test_calibration_errors_are_told_as_trained_first_then_at_the_temperature(doubtful):
    held, tested = (card.Labelled(*(part[half] for part in doubtful)) for half in (slice(200), slice(200, 400)))
    shipped = plain(3, Calibration(temperature=0.2, margin=0.1))
    trained, warmed = (
        expected_calibration_error(model.predict_proba(tested.images), tested.labels)
        for model in (shipped.replace(calibration=None), shipped)
    )
    assert trained > warmed + 0.1
    told = f"error on the test images: {trained:.4f} as trained, {warmed:.4f} at the temperature of the validation images, 0.2."
    assert told in card.rejection(shipped, held, tested, targets=(0.05,))


def test_the_fewest_rejections_that_reach_an_error_are_told():
    """Three of ten are wrong: without the two least sure one of eight, without the seven least sure none of three."""
    sure = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    wrong = [True, True, False, True, False, False, True, False, False, False]
    tested = card.Labelled(np.float32([[share, 0] for share in sure])[:, None, None, :], np.array(wrong, int))
    told = card.fewest(plain(2), tested, "margin", (0.5, 0.25, 0.2, 0.001))
    assert told == "0.00 % (for 50 %), 20.00 % (for 25 %), 40.00 % (for 20 %), 70.00 % (for 0.1 %)"
    wrong[-1] = True
    tested = card.Labelled(tested.images, np.array(wrong, int))
    assert card.fewest(plain(2), tested, "margin", (0.5, 0.001)) == "0.00 % (for 50 %)"  # never without an error
