"""calibration.py and the engine's rejection: temperature, thresholds, intervals, calibration error."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from itertools import pairwise

import lenet_fast
import numpy as np
import pytest
from lenet_fast import RBF, Calibration, Dense, Model, Network, Subsample2x2, expected_calibration_error
from lenet_fast.calibration import best_temperature, share, wilson_interval

pytestmark = pytest.mark.filterwarnings("ignore:calibrate. wanted some hundred images")


def logits_model(classes, calibration=None):
    """The pixels of a 1 x classes image are its scores."""
    weights = {"F1.weight": np.eye(classes), "F1.bias": np.zeros(classes)}
    return Model(Network((1, 1, classes), (Dense(classes),), "softmax"), weights, calibration=calibration)


def rbf_model():
    """Distances of two pixels to the corners of the unit square."""
    codes = np.float32([[0, 0], [0, 1], [1, 0], [1, 1]])
    return Model(Network((1, 1, 2), (RBF(4),), "rbf"), {"output.weight": codes})


def any_scores_model(classes):
    """The scores are what `images_of_scores` was given, whatever that is: no class has a part in another's score."""
    return Model(Network((classes, 2, 3), (Subsample2x2("max"),), "scores"), {})


def images_of_scores(rows):
    return np.ascontiguousarray(
        np.broadcast_to(np.asarray(rows, np.float32)[:, :, None, None], (*np.shape(rows), 2, 3))
    )


def as_images(rows):
    return np.asarray(rows, np.float32)[:, None, None, :]


@pytest.fixture
def trial(random):
    """Scores between 0 and 1 of 600 images, three classes; the surer, the more often right."""
    scores = random.random((600, 3)).astype(np.float32)
    noise = random.normal(0, 0.15, scores.shape)
    return as_images(scores), (scores + noise).argmax(1)


def naive_threshold(margins, right, target):
    """The fewest images rejected, tried one threshold after the other."""
    for threshold in [0.0, *np.sort(margins)]:
        kept = margins >= threshold
        if kept.any() and (~right[kept]).mean() <= target:
            return (~kept).sum()
    return None


@pytest.mark.parametrize("target", [0.2, 0.05, 0.005, 0.0])
def test_target_error_is_met_with_the_fewest_rejections(isa, trial, target):
    images, labels = trial
    model = logits_model(3)
    calibrated = model.calibrate(images, labels, target)
    found = calibrated.predict(images, reject=True)
    kept = found >= 0
    assert (found[kept] != labels[kept]).mean() <= target
    ranked = np.sort(model.scores(images), axis=1)
    right = model.predict(images) == labels
    assert (~kept).sum() == naive_threshold(ranked[:, 2] - ranked[:, 1], right, target)
    assert (found[kept] == model.predict(images)[kept]).all()
    assert (calibrated.calibration.images, calibrated.calibration.rejected) == (600, (~kept).sum())
    assert calibrated.calibration.errors == (found[kept] != labels[kept]).sum()


def test_nothing_is_rejected_where_nothing_needs_to_be(trial):
    images, labels = trial
    calibrated = logits_model(3).calibrate(images, labels, 0.9)
    assert calibrated.calibration.margin == 0
    assert (calibrated.predict(images, reject=True) >= 0).all()
    assert (calibrated.predict(as_images([[0.5, 0.5, 0.1]]), reject=True) == 0).all()


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99, 86 / 500])  # one minus the last, and again, is a little less
@pytest.mark.parametrize("measure", ["margin", "distance"])
def test_target_rejection_is_used_up(isa, random, share, measure):
    images = as_images(random.random((500, 2)))
    model = rbf_model()
    calibrated = model.calibrate(images, model.predict(images), measure=measure, target_rejection=share)
    assert (calibrated.predict(images, reject=True) == -1).sum() == round(share * 500)


def test_equal_margins_are_rejected_together():
    images = as_images([[0.9, 0.1]] * 4 + [[0.6, 0.5]] * 5)
    labels = [0] * 4 + [1] + [0] * 4
    calibrated = logits_model(2).calibrate(images, labels, 0.1)
    assert (calibrated.predict(images, reject=True) == [0] * 4 + [-1] * 5).all()
    calibrated = logits_model(2).calibrate(images, labels, target_rejection=0.3)
    assert (calibrated.predict(images, reject=True) == 0).all()


def test_both_measures_together(random):
    images = as_images(random.random((900, 2)) * 1.4 - 0.2)
    model = rbf_model()
    labels = np.where(random.random(900) < 0.05, 3, model.predict(images))
    far = model.calibrate(images, labels, measure="distance", target_rejection=0.1)
    both = far.calibrate(images, labels, 0.03)
    assert both.calibration.distance == far.calibration.distance
    found = both.predict(images, reject=True)
    assert (found[far.predict(images, reject=True) < 0] == -1).all()
    assert (found < 0).sum() == both.calibration.rejected >= far.calibration.rejected == 90
    assert (found[found >= 0] != labels[found >= 0]).mean() <= 0.03
    again = both.calibrate(images, labels, measure="distance", target_rejection=both.calibration.rejected / 900)
    assert again.calibration.rejected <= both.calibration.rejected
    with pytest.raises(ValueError, match="wanted at least the 0.1 that the threshold on the other measure rejects"):
        far.calibrate(images, labels, target_rejection=0.05)


@pytest.mark.parametrize("second", ["margin", "distance"])
def test_two_thresholds_together_reject_what_was_asked_for(random, second):
    """The share is of all images, those included that the first threshold rejects already."""
    images = as_images(random.random((1000, 2)) * 1.4 - 0.2)
    model = rbf_model()
    labels = model.predict(images)
    first = {"margin": "distance", "distance": "margin"}[second]
    one = model.calibrate(images, labels, measure=first, target_rejection=0.1)
    both = one.calibrate(images, labels, measure=second, target_rejection=0.3)
    assert (both.predict(images, reject=True) < 0).sum() == both.calibration.rejected == 300
    assert getattr(both.calibration, first) == getattr(one.calibration, first)
    none_more = one.calibrate(images, labels, measure=second, target_rejection=0.1)
    assert none_more.calibration.rejected == one.calibration.rejected == 100


def test_a_threshold_lies_halfway():
    images = as_images([[0.25, 0.0], [0.75, 0.0]])
    assert logits_model(2).calibrate(images, [1, 0], 0.0).calibration.margin == 0.5
    distant = as_images([[0.0, 0.5], [0.0, 0.25]])  # 0.25 and 0.0625 from the nearest corner
    found = rbf_model().calibrate(distant, [3, 0], 0.0, measure="distance")
    assert found.calibration.distance == (0.25 + 0.0625) / 2


@pytest.mark.parametrize("measure", ["margin", "distance"])
def test_neighbouring_numbers_are_told_apart(measure):
    """Between two neighbours among the float32 numbers there is none: halfway is rounded to one of them, in turn."""
    pixels = np.float32(0.75) + np.arange(9, dtype=np.float32) * np.float32(2.0**-24)
    if measure == "margin":
        model, right, rows = logits_model(2), 1, [[0, pixel] for pixel in pixels]
    else:
        codes = {"output.weight": [[0, 0], [9, 9]]}
        model, right, rows = (
            Model(Network((1, 1, 2), (RBF(2),), "rbf"), codes),
            0,
            [[0, pixel] for pixel in pixels[::-1]],
        )
    for doubtful, sure in pairwise(rows):
        images = as_images([doubtful, sure])
        found = model.calibrate(images, [1 - right, right], 0.0, measure=measure)
        assert found.predict(images, reject=True).tolist() == [-1, right]


def test_engine_and_python_reject_the_same(isa, random):
    images = as_images(random.random((300, 2)))
    model = rbf_model().replace(calibration=Calibration(margin=0.3, distance=0.2))
    accepted = model.calibration.accepts(model.scores(images), "rbf")
    assert 0 < accepted.sum() < 300
    for part in (images, images.astype(np.float64), np.asfortranarray(images)):  # the short way and the long one
        assert ((model.predict(part, reject=True) >= 0) == accepted).all()
    assert [int(model.predict(image, reject=True)[0] >= 0) for image in images] == accepted.astype(int).tolist()
    out = np.empty(300, np.int64)
    assert model.predict(images, reject=True, out=out) is out


def test_a_network_of_one_class_is_not_calibrated():
    images, model = as_images([[0.2], [0.9]]), logits_model(1)
    for refuse in (lambda: model.calibrate(images, [0, 0]), lambda: lenet_fast.rejection_curve(model, images, [0, 0])):
        with pytest.raises(ValueError, match="wanted a network of two classes or more, found one output; scores"):
            refuse()


@pytest.mark.parametrize("margin", [0.0, 0.1])
def test_scores_that_are_not_numbers_are_rejected(isa, margin):
    """Any NaN, and two that are infinitely good alike; by the engine and in Python."""
    nan, inf = np.nan, np.inf
    rows = [[nan] * 3, [0.5, nan, 0.1], [nan, 0.2, 0.5], [inf, inf, 0.2], [-inf] * 3, [inf, 0.2, 0.1], [0.1, -inf, 0.3]]
    model = any_scores_model(3).replace(calibration=Calibration(margin=margin))
    images = images_of_scores(rows)
    labels = model.predict(images, reject=True, check_finite=False)
    assert labels.tolist() == [-1, -1, -1, -1, -1, 0, 2]
    assert [model.predict(image, reject=True, check_finite=False)[0] for image in images] == labels.tolist()
    assert (model.calibration.accepts(model.scores(images, check_finite=False), "scores") == (labels >= 0)).all()


def test_infinite_scores_are_not_calibrated():
    network = Network((1, 1, 2), (Dense(2),), "scores")
    model = Model(network, {"F1.weight": np.float32([[3e38, 3e38], [0, 0]]), "F1.bias": [0, 0]})
    with pytest.raises(ValueError, match=r"images: wanted some whose scores are finite, found inf for image 1"):
        model.calibrate(as_images([[0.1, 0.2], [0.9, 0.9]]), [0, 0])


def test_temperature_is_the_likeliest(random):
    logits = random.normal(0, 3, (5000, 4)).astype(np.float32)
    chances = np.exp(logits / 2.5) / np.exp(logits / 2.5).sum(1, keepdims=True)
    labels = (random.random(5000)[:, None] > chances.cumsum(1)).sum(1).clip(0, 3)
    found = best_temperature(logits, labels, "softmax")
    assert abs(found - 2.5) < 0.2

    def likelihood(t):
        scaled = logits.astype(np.float64) / t
        return (scaled[np.arange(5000), labels] - np.log(np.exp(scaled).sum(1))).mean()

    assert likelihood(found) >= max(likelihood(found * 0.999), likelihood(found * 1.001))
    assert best_temperature(-logits, labels, "rbf") == found


def test_temperature_stays_where_no_image_is_wrong(trial):
    images, _ = trial
    model = logits_model(3, Calibration(temperature=3.0))
    assert model.calibrate(images, model.predict(images)).calibration.temperature == 3


def test_temperature_stays_a_number():
    logits = np.float32([[1, 0], [0, 2]])
    assert best_temperature(logits, np.array([0, 1]), "softmax") == pytest.approx(0.01)
    assert best_temperature(logits, np.array([1, 0]), "softmax") == pytest.approx(1000)


@pytest.mark.parametrize("temperature", [0.01, 0.7, 11.4, 1000])
def test_probabilities_use_the_temperature(isa, random, temperature):
    images = as_images(random.random((37, 5)))
    plain, warm = logits_model(5), logits_model(5, Calibration(temperature=temperature))
    scaled = plain.scores(images).astype(np.float64) / temperature
    wanted = np.exp(scaled - scaled.max(1, keepdims=True))
    wanted /= wanted.sum(1, keepdims=True)
    assert np.allclose(warm.predict_proba(images), wanted, rtol=2e-5, atol=1e-30)
    assert np.allclose(warm.predict_proba(images.astype(np.float64)), wanted, rtol=2e-5, atol=1e-30)
    assert np.allclose(warm.topk(images, 5)[1], -np.sort(-wanted, axis=1), rtol=2e-5, atol=1e-30)
    assert (warm.scores(images) == plain.scores(images)).all()
    rubbish = np.exp(scaled).sum(1) / (np.exp(scaled).sum(1) + np.exp(0.3 / temperature))
    if temperature > 0.1:
        assert np.allclose(warm.predict_proba(images, rubbish=0.3).sum(1), rubbish, rtol=2e-5)


def test_other_weights_are_not_calibrated():
    model = logits_model(3, Calibration(margin=1.0))
    assert model.replace(classes=list("abc"), card={"data": "none"}).calibration == model.calibration
    assert model.replace(preprocess=model.preprocess).calibration == model.calibration
    assert model.replace(weights={name: 2 * w for name, w in model.weights.items()}).calibration is None
    assert model.replace(preprocess=lenet_fast.Preprocess(2.0)).calibration is None


def test_a_temperature_of_one_keeps_every_bit(random):
    images = as_images(random.random((37, 5)))
    plain, one = logits_model(5), logits_model(5, Calibration(temperature=1.0, margin=0.1))
    assert plain.predict_proba(images).tobytes() == one.predict_proba(images).tobytes()
    assert plain.predict(images).tobytes() == one.predict(images).tobytes()


@pytest.mark.parametrize("ending", [".safetensors", ".npz", ".onnx"])
def test_calibration_travels_with_the_model(tmp_path, random, ending):
    if ending == ".onnx":
        pytest.importorskip("onnx", reason="writing ONNX needs onnx")
    images = random.integers(0, 256, (64, 28, 28), np.uint8)
    model = lenet_fast.pretrained("digits").replace(calibration=None)
    doubtful = np.sort(model.scores(images))[:, 1] - np.sort(model.scores(images))[:, 0] < 3
    model = model.calibrate(images, (model.predict(images) + doubtful) % 10, 0.0)
    assert model.calibration.rejected == doubtful.sum() > 0
    model.save(tmp_path / f"model{ending}")
    loaded = lenet_fast.load(tmp_path / f"model{ending}")
    assert loaded.calibration == model.calibration == pickle.loads(pickle.dumps(model)).calibration
    assert (loaded.predict(images, reject=True) == model.predict(images, reject=True)).all()
    assert model.replace(calibration=None).calibration is None


def test_intervals():
    assert wilson_interval(0, 0) == (0, 1)
    low, high = wilson_interval(55, 10_000)
    assert (round(low, 5), round(high, 5)) == (0.00423, 0.00715)
    assert wilson_interval(0, 10)[0] == 0
    assert wilson_interval(10, 10)[1] == 1
    assert share(55, 10_000) == "0.55 % (55 of 10,000; 95 % interval 0.42 to 0.72 %)"
    counted = Calibration(2.0, margin=1.5, images=100, rejected=10, errors=9)
    assert str(Calibration(2.0, margin=0.0)) == "temperature 2; rejected: never"
    assert counted.rejected_interval == wilson_interval(10, 100)
    assert counted.error_interval == wilson_interval(9, 90)
    assert str(counted).splitlines() == [
        "temperature 2; rejected: the two best scores differ by less than 1.5",
        "100 images: 10.00 % (10 of 100; 95 % interval 5.52 to 17.44 %) rejected, "
        "10.00 % (9 of 90; 95 % interval 5.35 to 17.92 %) of the others wrong",
    ]


def test_expected_calibration_error(random):
    stated = random.uniform(0.5, 1, 20_000)
    labels = (random.random(20_000) > stated).astype(int)
    honest = np.stack([stated, 1 - stated], 1)
    assert expected_calibration_error(honest, labels) < 0.02
    boastful = np.tile([1.0, 0.0], (20_000, 1))
    assert expected_calibration_error(boastful, labels) == pytest.approx((labels == 1).mean())
    assert expected_calibration_error([[0.8, 0.2], [0.8, 0.2]], [0, 1], bins=1) == pytest.approx(0.3)
    # ranges (0, 0.5] and (0.5, 1]: 0.1 off for one image of the first, 0.4 for one of the second
    assert expected_calibration_error([[0.4, 0.3, 0.3], [0.6, 0.2, 0.2]], [1, 0], bins=2) == pytest.approx(0.4)


def test_what_lies_on_the_edge_of_a_range_belongs_to_the_one_below():
    """Ranges are open below and closed above, as in the papers; 0 belongs to the first, a little above 1 to the last."""
    edge, above = [0.5, 0.5], [0.75, 0.25]  # the first right, the second wrong: in one range 0.5 and 0.75 would cancel
    assert expected_calibration_error([edge, above], [0, 1], bins=2) == pytest.approx((0.5 + 0.75) / 2)
    assert expected_calibration_error([edge, [0.25, 0.25]], [0, 1], bins=2) == pytest.approx((0.5 - 0.25) / 2)
    assert expected_calibration_error([[0.0, 0.0], [0.25, 0.0]], [0, 1], bins=2) == pytest.approx((1 - 0.25) / 2)
    assert expected_calibration_error([[1 + 8e-6, 0], [0.75, 0]], [1, 0], bins=2) == pytest.approx(
        (1 - 0.25) / 2, abs=1e-5
    )


TEN = as_images(np.eye(10, 3))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((TEN, [0.0] * 10), TypeError, "labels: wanted whole numbers, found float64"),
        ((TEN, [0] * 9), ValueError, r"labels: wanted one per image, \(10,\), found shape \(9,\)"),
        ((TEN, [[0] * 10]), ValueError, "labels: wanted one per image"),
        ((TEN, [3] * 10), ValueError, "labels: wanted classes from 0 to 2, found 3 to 3"),
        ((TEN, [-1] * 10), ValueError, "found -1 to -1"),
        ((TEN[:0], np.zeros(0, int)), ValueError, "at least one image, found none"),
        ((TEN, [0] * 10, 1.0), ValueError, "target_error: wanted a share of at least 0 and below 1, .* found 1.0"),
        ((TEN, [0] * 10, "1%"), TypeError, "target_error: wanted a share"),
        ((TEN, [2] + [1] * 9), ValueError, "target_error: wanted at most 0.005 .* found 0.6667 at best"),
    ],
)
def test_bad_calibration_is_one_sentence(arguments, error, words):
    with pytest.raises(error, match=words):
        logits_model(3).calibrate(*arguments)


def test_a_threshold_that_rejects_every_image():
    model = logits_model(3, Calibration(margin=10.0))
    with pytest.raises(
        ValueError, match="images: wanted some that the threshold on the other measure leaves, found none"
    ):
        lenet_fast.pretrained("digits").calibrate(np.zeros((5, 28, 28), np.uint8), [0] * 5)
    assert model.calibrate(TEN, [0, 1, 2, *[0] * 7]).calibration.margin == 0  # replaced: it is the same measure


def test_few_images_bring_a_warning():
    with pytest.warns(UserWarning, match="calibrate: wanted some hundred images, found 10: thresholds from so few"):
        logits_model(3).calibrate(TEN, [0, 1, 2, *[0] * 7])


def test_other_bad_arguments():
    model = logits_model(3)
    with pytest.raises(ValueError, match="measure: wanted one of margin, distance, found 'entropy'"):
        model.calibrate(TEN, [0] * 10, measure="entropy")
    with pytest.raises(ValueError, match="wanted 'margin', since the network's head is softmax, not rbf"):
        model.calibrate(TEN, [0] * 10, measure="distance")
    with pytest.raises(ValueError, match="target_rejection: wanted a share"):
        model.calibrate(TEN, [0] * 10, target_rejection=-0.1)
    with pytest.raises(ValueError, match=r"reject: wanted a model with a threshold.*model\.calibrate"):
        model.predict(TEN, reject=True)
    with pytest.raises(ValueError, match="reject: wanted a model with a threshold"):
        model.replace(calibration=Calibration(temperature=2.0)).predict(TEN, reject=True)
    with pytest.raises(TypeError, match="calibration: wanted a lenet_fast.Calibration, found 3"):
        model.replace(calibration=3)
    with pytest.raises(ValueError, match="wanted no distance, since the network's head is softmax"):
        model.replace(calibration=Calibration(distance=1.0))
    with pytest.raises(TypeError, match="reject: wanted True or False, found 'no'"):
        model.predict(TEN, reject="no")
    for probabilities, words in (
        ([0.1, 0.9], r"wanted shape \(n, classes\), found \(2,\)"),
        ([[0.1, 1.9]], "wanted numbers from 0 to 1, found 0.1 to 1.9; predict_proba gives them"),
        ([[np.nan, 0.9]], "wanted numbers from 0 to 1, found nan to nan"),
    ):
        with pytest.raises(ValueError, match=f"probabilities: {words}"):
            expected_calibration_error(probabilities, [0])
    with pytest.raises(TypeError, match="probabilities: wanted real numbers"):
        expected_calibration_error([["a", "b"]], [0])
    with pytest.raises(ValueError, match="probabilities: wanted rows of one length"):
        expected_calibration_error([[0.1, 0.9], [1.0]], [0, 1])
    for bins in (0, 2.5, "3", 10**12):
        with pytest.raises(ValueError, match="bins: wanted a whole number from 1 to 1,000,000, found"):
            expected_calibration_error([[0.1, 0.9]], [0], bins=bins)
    with pytest.raises(TypeError, match="rubbish: wanted a number, found 'a'"):
        model.predict_proba(TEN, rubbish="a")
    with pytest.raises(ValueError, match="wanted it or target_error, found both"):
        model.calibrate(TEN, [0] * 10, 0.1, target_rejection=0.1)
    with pytest.raises(TypeError, match="replace: wanted some of network, weights, .* found 'calibartion'"):
        model.replace(calibartion=None)
    assert expected_calibration_error([[0.0, 1.0]], [1], bins=np.int64(3)) == 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"temperature": 0.0}, "temperature: wanted a finite float32 number, 1.18e-38 at least, found 0"),
        ({"temperature": float("nan")}, "temperature: wanted a finite float32 number, 1.18e-38 at least, found nan"),
        ({"temperature": 1e-39}, "temperature: wanted a finite float32 number, 1.18e-38 at least, found 1e-39"),
        ({"temperature": 1e-60}, "temperature: wanted a finite float32 number, 1.18e-38 at least, found 1e-60"),
        ({"temperature": 10**400}, "temperature: wanted a finite float32 number, 1.18e-38 at least, found inf"),
        ({"margin": float("inf")}, "margin: wanted a finite float32 number, 0 at least, found inf"),
        ({"margin": -1.0}, "margin: wanted a finite float32 number, 0 at least, found -1"),
        ({"distance": "far"}, "distance: wanted a number, found 'far'"),
        ({"temperature": True}, "temperature: wanted a number, found True"),
        ({"temperature": None}, "temperature: wanted a number, found None"),
        ({"images": 10, "rejected": 11}, "wanted counts"),
        ({"images": 10, "rejected": 5, "errors": 6}, "wanted counts"),
        ({"images": 1.5}, "wanted counts"),
    ],
)
def test_a_calibration_checks_itself(fields, words):
    with pytest.raises((TypeError, ValueError), match=words):
        Calibration(**fields)


def test_a_calibration_is_plain_numbers():
    made = Calibration(np.float32(2), margin=np.float64(0.5), distance=3)
    assert made == Calibration(**asdict(made))
    assert [type(value) for value in (made.temperature, made.margin, made.distance)] == [float] * 3
