"""model.py: what a model returns, and what makes one."""

from __future__ import annotations

import pickle
import threading

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network, Subsample2x2

IMAGES = lenet_fast.sample_digits([*range(10), *range(10)], seed=3)


@pytest.fixture
def model():
    return lenet_fast.pretrained("digits")


def small(**changes):
    network = Network((2, 6, 6), (Conv5x5(3, "tanh", connections=((0,), (1,), (0, 1))), Dense(4)), "softmax")
    weights = reference.random_weights(network, np.random.default_rng(0)) | changes
    return network, weights


def test_shapes_and_dtypes(model):
    n = len(IMAGES)
    for values, shape, dtype in (
        (model.predict(IMAGES), (n,), np.int64),
        (model.scores(IMAGES), (n, 10), np.float32),
        (model.predict_proba(IMAGES), (n, 10), np.float32),
        (model.features(IMAGES), (n, 84), np.float32),
        (model.topk(IMAGES, 3)[0], (n, 3), np.int64),
        (model.topk(IMAGES, 3)[1], (n, 3), np.float32),
    ):
        assert values.shape == shape
        assert values.dtype == dtype
    shapes = {name: a.shape[1:] for name, a in model.activations(IMAGES).items()}
    assert shapes == {
        "C1": (6, 28, 28), "S2": (6, 14, 14), "C3": (16, 10, 10), "S4": (16, 5, 5), "C5": (120, 1, 1), "F6": (84,), "output": (10,),
    }  # fmt: skip


def test_the_outputs_agree_with_each_other(model):
    scores, probabilities, labels = model.scores(IMAGES), model.predict_proba(IMAGES), model.predict(IMAGES)
    assert (labels == scores.argmin(1)).all()
    assert (labels == probabilities.argmax(1)).all()
    assert np.abs(probabilities.sum(1) - 1).max() < 1e-6
    best, shares = model.topk(IMAGES, 10)
    assert (best[:, 0] == labels).all()
    assert (np.diff(np.take_along_axis(scores, best, 1)) >= 0).all()
    assert (shares == np.take_along_axis(probabilities, best, 1)).all()
    layers = model.activations(IMAGES)
    assert (layers["output"] == scores).all()
    assert (layers["F6"] == model.features(IMAGES)).all()
    assert np.abs(layers["F6"]).max() <= np.float32(1.7159)


def test_rubbish_takes_its_share(model):
    noise = np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8)
    assert (
        np.median(model.predict_proba(noise, rubbish=10.0).sum(1))
        < 0.5
        < np.median(model.predict_proba(IMAGES, rubbish=10.0).sum(1))
    )


@pytest.mark.parametrize("part", [{"card": 5}, {"card": "text"}, {"classes": 5}, {"classes": "abcd"}, {"classes": {}}])
def test_parts_of_a_model_are_what_they_should_be(part):
    (name,) = part
    with pytest.raises(TypeError, match=f"^{name}: wanted .*, found "):
        Model(*small(), **part)


def test_no_image_has_the_shape_of_what_it_would_give():
    """Of a network that ends in maps too, whose outputs are a row."""
    network = Network((1, 8, 8), (Conv5x5(2), Subsample2x2("max")), "scores")
    model = Model(network, reference.random_weights(network, np.random.default_rng(0)))
    for none in (np.zeros((0, 8, 8), np.uint8), [], np.zeros((0, 8, 8, 1))):
        assert model.scores(none).shape == (0, 8)
        assert model.features(none).shape == (0, 32)
        assert [values.shape for values in model.topk(none)] == [(0, 3), (0, 3)]


def test_equal_scores_go_to_the_first():
    network = Network((1, 1, 1), (Dense(4),), "scores")
    model = Model(network, {"F1.weight": np.zeros((4, 1)), "F1.bias": [0, 2, 2, 1]})
    assert model.predict(np.zeros((3, 1, 1, 1), np.uint8)).tolist() == [1, 1, 1]
    assert model.topk(np.zeros((1, 1, 1, 1), np.uint8), 4)[0].tolist() == [[1, 2, 3, 0]]


def test_pickle_keeps_every_bit(model):
    again = pickle.loads(pickle.dumps(model))
    assert again.scores(IMAGES).tobytes() == model.scores(IMAGES).tobytes()
    assert again.card == model.card
    assert len(pickle.dumps(model)) < 300_000


def test_is_immutable(model):
    with pytest.raises(TypeError):
        model.weights["C1.bias"] = np.zeros(6)
    with pytest.raises(ValueError, match="read-only"):
        model.weights["C1.bias"][0] = 1
    with pytest.raises(AttributeError):
        model.network = None


def test_the_callers_arrays_are_copied():
    network, weights = small()
    model = Model(network, weights)
    before = model.scores(np.full((1, 2, 6, 6), 9, np.uint8))
    weights["C1.weight"][...] = 0
    assert (model.scores(np.full((1, 2, 6, 6), 9, np.uint8)) == before).all()


def test_one_model_in_many_threads(model):
    wanted = model.scores(IMAGES).tobytes()
    found = []
    callers = [threading.Thread(target=lambda: found.append(model.scores(IMAGES).tobytes())) for _ in range(16)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == [wanted] * 16


def test_classes():
    network, weights = small()
    assert Model(network, weights).classes_.tolist() == [0, 1, 2, 3]
    assert Model(network, weights, classes=list("abcd")).classes_.tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="classes: wanted 4 names, found 3"):
        Model(network, weights, classes=list("abc"))


def test_preprocess_for_another_number_of_channels():
    with pytest.raises(ValueError, match=r"scale: wanted 1 value or one per channel \(2\), found 3"):
        Model(*small(), preprocess=lenet_fast.Preprocess(scale=(1, 2, 3)))


def test_out_is_written_and_returned(model):
    labels, scores = np.empty(20, np.int64), np.empty((20, 10), np.float32)
    assert model.predict(IMAGES, out=labels) is labels
    assert model.scores(IMAGES, out=scores) is scores
    assert (labels == model.predict(IMAGES)).all()
    assert (scores == model.scores(IMAGES)).all()


@pytest.mark.parametrize("images", [IMAGES, IMAGES[3], IMAGES[:, None], (IMAGES / 255).astype(np.float32)])
def test_arrays_of_the_usual_shapes_take_the_short_way_to_the_same_bits(model, images):
    """A list is one of the things that only the long way knows."""
    assert model._plan.predict(images, None, False) is not None
    assert (
        model._plan.scores(
            images, np.empty((len(IMAGES) if len(images) > 1 and images.ndim > 2 else 1, 10), np.float32)
        )
        is not None
    )
    wanted = images.tolist() if images.dtype == np.float32 else list(images.reshape(-1, 28, 28))
    for method in (model.predict, model.scores, model.predict_proba):
        assert method(images).tobytes() == method(wanted).tobytes()


@pytest.mark.parametrize(
    "images",
    [
        IMAGES.astype(np.float64),
        (IMAGES / 255).astype(">f4"),
        (IMAGES > 0).astype(np.uint8),
        IMAGES.astype(np.float32),
        np.full((1, 28, 28), np.nan, np.float32),
        np.ma.masked_array(IMAGES, IMAGES > 3),
        IMAGES[:, :27],
        IMAGES[0, 0],
        IMAGES.tolist(),
    ],
)
def test_the_short_way_leaves_everything_else_to_the_long_one(model, images):
    assert model._plan.predict(images, None, False) is None
    assert model._plan.scores(images, None) is None
    assert model._plan.predict_proba(images) is None


def test_the_short_way_leaves_outputs_that_do_not_fit_to_the_long_one(model):
    readonly = np.zeros((20, 10), np.float32)
    readonly.flags.writeable = False
    floats = np.zeros((20, 28, 28), np.float32)
    for out in (
        readonly,
        np.zeros((20, 20), np.float32)[:, ::2],
        np.zeros((10, 20), np.float32),
        np.zeros((20, 10)),
        7,
    ):
        assert model._plan.scores(IMAGES, out) is None
    assert model._plan.scores(floats, floats.reshape(-1)[-200:].reshape(20, 10)) is None
    assert model._plan.scores(floats[::-1, ::-1], floats.reshape(-1)[:200].reshape(20, 10)) is None


@pytest.mark.parametrize(
    ("out", "error", "sentence"),
    [
        (np.zeros(19, np.int64), ValueError, r"out: wanted int64 of shape \(20,\), found int64 of shape \(19,\)"),
        (
            np.zeros((20, 1), np.int64),
            ValueError,
            r"out: wanted int64 of shape \(20,\), found int64 of shape \(20, 1\)",
        ),
        (np.zeros(20, np.int32), ValueError, r"out: wanted int64 of shape \(20,\), found int32"),
        (np.zeros(20, ">i8"), ValueError, "out: wanted int64 .*, found >i8"),
        (np.zeros(40, np.int64)[::2], ValueError, "out: wanted a C-contiguous, writeable array"),
        (np.frombuffer(bytes(160), np.int64), ValueError, "out: wanted a C-contiguous, writeable array"),
        ([0] * 20, TypeError, "out: wanted a NumPy array, found list"),
    ],
)
def test_out_that_does_not_fit_is_not_written(model, out, error, sentence):
    before = np.array(out)
    with pytest.raises(error, match=sentence):
        model.predict(IMAGES, out=out)
    assert (np.array(out) == before).all()


def test_out_that_overlaps_the_images(model):
    memory = np.zeros((20, 28, 28), np.float32)
    before = memory.copy()
    with pytest.raises(ValueError, match="out: wanted memory apart from the images"):
        model.scores(memory, out=memory.reshape(-1)[:200].reshape(20, 10))
    assert (memory == before).all()


def test_wrong_types(model):
    network, weights = small()
    with pytest.raises(
        TypeError, match="network: wanted a lenet_fast.Network, found 'lenet5-1998'; lenet_fast.networks"
    ):
        Model("lenet5-1998", weights)
    with pytest.raises(TypeError, match=r"preprocess: wanted a name or a lenet_fast.Preprocess, found \(1, 0\)"):
        Model(network, weights, preprocess=(1, 0))
    with pytest.raises(TypeError, match="C1.bias: wanted real numbers, found complex128"):
        Model(network, weights | {"C1.bias": np.ones(3) * 1j})
    with pytest.raises(ValueError, match="C1.bias: wanted plain values, found a masked array"):
        Model(network, weights | {"C1.bias": np.ma.masked_array(np.ones(3), True)})
    with pytest.raises(ValueError, match="cannot set WRITEABLE flag"):
        Model(network, weights).weights["C1.bias"].flags.writeable = True


@pytest.mark.parametrize("rubbish", [np.nan, np.inf, -1e300, 10**400])
def test_rubbish_wants_a_finite_number(model, rubbish):
    with pytest.raises(ValueError, match="rubbish: wanted a finite number, found"):
        model.predict_proba(IMAGES, rubbish=rubbish)


@pytest.mark.parametrize("k", [0, -1, 11])
def test_topk_wants_a_possible_k(model, k):
    with pytest.raises(ValueError, match=f"k: wanted a whole number from 1 to 10, found {k}"):
        model.topk(IMAGES, k)


def test_topk_gives_three_or_as_many_as_there_are():
    for classes in (2, 3, 4):
        network = Network((1, 1, 1), (Dense(classes),), "scores")
        model = Model(network, {"F1.weight": np.zeros((classes, 1)), "F1.bias": range(classes)})
        labels, probabilities = model.topk(np.zeros((5, 1, 1), np.uint8))
        assert labels.tolist() == [list(range(classes))[:-4:-1]] * 5
        assert probabilities.shape == labels.shape
        with pytest.raises(ValueError, match=f"k: wanted a whole number from 1 to {classes}, found {classes + 1}"):
            model.topk(np.zeros((5, 1, 1), np.uint8), classes + 1)


@pytest.mark.parametrize("images", [np.full((3, 1, 6, 6), 9, np.uint8), np.full((3, 1, 6, 6), 0.5), np.zeros((0, 1, 6, 6), np.uint8)])  # fmt: skip
def test_one_output_has_a_score_and_no_label(images):
    """Regression, or the probability of one thing: 0 as the only label would say nothing. The short way and the long."""
    network = Network((1, 6, 6), (Conv5x5(3, "tanh"), Dense(1, "sigmoid")), "scores")
    model = Model(network, reference.random_weights(network, np.random.default_rng(0)))
    for method in (model.predict, model.predict_proba, model.topk):
        with pytest.raises(
            ValueError, match=f"{method.__name__}: wanted a network of two classes or more, found one outp"
        ):
            method(images)
    scaled = images / 255 if images.dtype == np.uint8 else images
    wanted = reference.run(network, model.weights, scaled)["F2"]
    assert np.abs(model.scores(images) - wanted).max(initial=0) < 2e-6
    assert (model.activations(images)["F2"] == model.scores(images)).all()
    assert model.features(images).shape == (len(images), 12)


def test_a_nan_never_wins(isa):
    """Of scores that are not numbers the first that is one is the label, as the best of `topk` is."""
    model = Model(Network((3, 2, 3), (Subsample2x2("max"),), "scores"), {})
    rows = np.float32(
        [[np.nan, 0.1, 0.2], [np.nan, np.nan, 0.2], [0.2, np.nan, 0.1], [np.nan] * 3, [np.nan, -np.inf, np.nan]]
    )
    images = np.ascontiguousarray(np.broadcast_to(rows[:, :, None, None], (5, 3, 2, 3)))
    labels = model.predict(images, check_finite=False)
    assert labels.tolist() == [2, 2, 0, 0, 1]
    assert (model.topk(images, 1, check_finite=False)[0][:, 0] == labels).all()


def test_features_want_two_layers():
    with pytest.raises(ValueError, match="features: wanted a layer before the output"):
        Model(Network((1, 1, 1), (Dense(1),), "scores"), {"F1.weight": [[1]], "F1.bias": [0]}).features(
            np.zeros((1, 1, 1, 1))
        )


def test_words(model):
    assert repr(model) == "<lenet_fast.Model 1x32x32 -> 10 classes, 60,000 trainable parameters>"
    assert model.summary().endswith("pixels 0..1: x = pixel * 1.275 + -0.1, background 0")
