"""weights/build.py: what a file says and what the user says become one model, and neither is overheard."""

from __future__ import annotations

from importlib.util import find_spec

import lenet_fast
import numpy as np
import pytest
import reference
from canonical import Trace
from lenet_fast import Conv5x5, Dense, Model, Network, Preprocess, WeightsError
from lenet_fast.networks import TEMPLATES
from lenet_fast.weights.build import Wishes, build
from lenet_fast.weights.source import Source

NETWORK = Network((3, 8, 8), (Conv5x5(2), Dense(3)), "scores")
WEIGHTS = reference.random_weights(NETWORK, np.random.default_rng(4))


def graph(scale, shift):
    """A graph that scales its pixels itself, per channel, before the network."""
    trace = Trace()
    flow = trace.image((1, 3, 8, 8))
    flow = trace.affine(flow, np.reshape(scale, (-1, 1, 1)), np.reshape(shift, (-1, 1, 1)), "scaling")
    flow = trace.conv(flow, WEIGHTS["C1.weight"], WEIGHTS["C1.bias"], "conv")
    trace.dense(trace.reshape(flow, (1, -1), "flatten"), WEIGHTS["F2.weight"], WEIGHTS["F2.bias"], "full")
    return Source("graph", trace=trace)


# --- one scaling of the pixels ---


@pytest.mark.parametrize(
    ("wish", "own"),
    [
        (Preprocess(0.5, -0.25), ((2.0, 3.0, 4.0), (0.5, -1.0, 0.25))),
        (Preprocess((1.5, 2.0, 0.5), (0.1, 0.2, -0.3)), ((3.0, 3.0, 3.0), (0.75, 0.75, 0.75))),
        (Preprocess((1.5, 2.0, 0.5), (0.1, 0.2, -0.3)), ((2.0, 3.0, 4.0), (0.5, -1.0, 0.25))),
    ],
)
def test_the_users_scaling_comes_before_the_graphs_own(wish, own):
    """The graph scales what the user's scaling made of the pixels: (x * a + b) * c + d."""
    model = build(graph(*own), Wishes(preprocess=wish), "graph").model
    pixels = np.random.default_rng(5).integers(0, 256, (6, 3, 8, 8), np.uint8)
    x = pixels / 255.0
    for scale, shift in ((wish.scale, wish.shift), own):
        x = x * np.reshape(scale, (-1, 1, 1)) + np.reshape(shift, (-1, 1, 1))
    wanted = reference.run(NETWORK, WEIGHTS, x)["F2"]
    np.testing.assert_allclose(model.scores(pixels), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_a_graph_that_takes_raw_pixels_has_its_scaling():
    """Its factor is one for pixels up to 255, so another in front of it would be a second one."""
    for wish in ("mnist", "unit", "raw"):
        with pytest.raises(WeightsError, match="one scaling of the pixels, found one in the file too"):
            build(graph((1 / 255,) * 3, (0.0,) * 3), Wishes(preprocess=wish), "graph")
    model = build(graph((1 / 255,) * 3, (0.0,) * 3), Wishes(), "graph").model
    assert model.preprocess.white == 255
    same = build(graph((1 / 255,) * 3, (0.0,) * 3), Wishes(preprocess=model.preprocess), "graph").model
    assert same.preprocess == model.preprocess


def test_a_graph_that_scales_says_nothing_of_what_came_before():
    """0..1 or 0..255: the user says it, or bytes are refused."""
    pixels = np.zeros((2, 3, 8, 8), np.uint8)
    with pytest.raises(TypeError, match="found uint8"):
        build(graph((2.0,) * 3, (-1.0,) * 3), Wishes(), "graph").model.scores(pixels)
    build(graph((2.0,) * 3, (-1.0,) * 3), Wishes(preprocess="unit"), "graph").model.scores(pixels)


def test_bytes_want_a_scaling_where_nothing_says_one():
    model = lenet_fast.from_state_dict(WEIGHTS, NETWORK)
    with pytest.raises(TypeError, match="found uint8; .*preprocess='unit'"):
        model.predict(np.zeros((1, 3, 8, 8), np.uint8))
    assert model.predict(np.full((1, 3, 8, 8), -0.42, np.float32)).shape == (1,)


# --- the network: the file's, or the one that the user names ---


def saved(tmp_path, network=NETWORK, weights=WEIGHTS):
    """One model in every format that says everything."""
    model = Model(network, weights, preprocess=Preprocess.named("mnist"))
    names = ["m.safetensors", "m.npz", "m.onnx"][: 3 if find_spec("onnx") else 2]
    for name in names:
        model.save(tmp_path / name)
    return [tmp_path / name for name in names]


def sentence(path, **options):
    with pytest.raises(WeightsError) as caught:
        lenet_fast.load(path, **options)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    return str(caught.value)


OTHER = Network((3, 8, 8), (Conv5x5(2, "tanh"), Dense(3)), "scores")


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("activation", "relu"), ("pooling", "max"), ("padding", 2), ("flatten", "CHW"), ("kernels", "OIHW"), ("dense", "OI"), ("compact", "wrapped"), ("coefficients", "sum")],
)  # fmt: skip
def test_a_file_that_says_everything_is_not_told_otherwise(tmp_path, keyword, value):
    for path in saved(tmp_path):
        assert f"leave {keyword} out" in sentence(path, **{keyword: value})


def test_keywords_that_agree_with_a_file_that_says_everything_are_no_contradiction(tmp_path):
    network = TEMPLATES["lenet5-relu-max"].varied(activation="leaky_relu", slope=0.1, side=28, padding=2).network()
    agreeing = {"activation": "leaky_relu", "slope": 0.1, "pooling": "max", "padding": (2, 0)}
    for path in saved(tmp_path, network, reference.random_weights(network, np.random.default_rng(1))):
        for options in ({}, *({key: value} for key, value in agreeing.items() if key != "activation"), agreeing):
            assert lenet_fast.load(path, **options).network == network
            named = {**options, "activation": "leaky_relu"}
            assert lenet_fast.load(path, network="lenet5-relu-max", **named).network == network
        assert "slope: wanted what is passed, 0.2, found 0.1" in sentence(path, slope=0.2)
        assert "found another in the file" in sentence(path, network="lenet5-relu-max", activation="tanh")


def test_a_file_that_says_everything_may_be_asked_whether_it_is_the_right_one(tmp_path):
    for path in saved(tmp_path):
        assert lenet_fast.load(path, network=NETWORK).network == NETWORK
        for wrong in (OTHER, "lenet5-1998", "lenet5-relu-max"):
            assert "found another in the file" in sentence(path, network=wrong)


def test_a_name_is_the_right_one_whatever_its_sizes(tmp_path):
    network = lenet_fast.networks()["lenet5-relu-max"]
    small = Network((1, 28, 28), network.layers, network.head)
    paths = saved(tmp_path, small, reference.random_weights(small, np.random.default_rng(1)))
    for path in paths:
        assert lenet_fast.load(path, network="lenet5-relu-max").network == small
        for wrong in ("lenet5-sigmoid-average", "lenet5-tanh-average", "lenet4"):
            assert "found another in the file" in sentence(path, network=wrong)


def test_a_second_scaling_of_a_saved_model_is_refused(tmp_path):
    for path in saved(tmp_path):
        assert "one scaling of the pixels" in sentence(path, preprocess="lecun")
        assert lenet_fast.load(path, preprocess="mnist").preprocess == Preprocess.named("mnist")


def test_weights_alone_want_a_network(tmp_path):
    np.savez(tmp_path / "w.npz", **{n.replace("C1", "conv"): a for n, a in WEIGHTS.items()})
    text = sentence(tmp_path / "w.npz")
    assert "conv.weight (2, 3, 5, 5)" in text and "none of the named networks" in text
    with pytest.raises((TypeError, WeightsError), match="network: wanted a name"):
        lenet_fast.from_state_dict(WEIGHTS, 5)
    with pytest.raises(ValueError, match="network: wanted one of .*found 'lenet6'"):
        lenet_fast.from_state_dict(WEIGHTS, "lenet6")
    with pytest.raises(ValueError, match=r"variations of a named network.*lenet_fast\.Network"):
        lenet_fast.from_state_dict(WEIGHTS, NETWORK, activation="relu")


@pytest.mark.parametrize("arrays", [{"names": np.array(["a"])}, {"step": np.array(3.0)}])
def test_a_file_without_weights_says_what_it_has(tmp_path, arrays):
    np.savez(tmp_path / "w.npz", **arrays)
    text = sentence(tmp_path / "w.npz", network="lenet5-relu-max")
    assert "wanted weights" in text and next(iter(arrays)) in text


@pytest.mark.parametrize(
    "shape", [(600, 28, 28), (500, 32, 32, 3), (600, 28, 28, 1), (600, 784), (500, 1024), (500, 3072)]
)
def test_images_are_no_weights(tmp_path, shape):
    np.savez(tmp_path / "w.npz", x_train=np.zeros(shape, np.uint8), y_train=np.zeros(len(shape), np.uint8))
    assert "images of a data set" in sentence(tmp_path / "w.npz", network="lenet5-relu-max")


@pytest.mark.parametrize("shape", [(499, 784), (499, 28, 28), (120, 784), (500, 785), (400, 28, 28)])
def test_other_arrays_are_no_images(tmp_path, shape):
    np.savez(tmp_path / "w.npz", w=np.zeros(shape, np.uint8))
    assert "images of a data set" not in sentence(tmp_path / "w.npz", network="lenet5-relu-max")


# --- 28x28 padded by the network, or 32x32 ---


def lenet(**changes):
    network = TEMPLATES["lenet5-relu-max"].varied(**changes).network()
    return reference.random_weights(network, np.random.default_rng(6))


def test_whether_the_network_pads_is_asked_where_it_matters():
    """400 inputs of the first full connection: the border of the scaled image is zero, or background."""
    weights = lenet()
    for scaling in ("mnist", "symmetric", "lecun"):
        with pytest.raises(WeightsError, match=r"padding: .*28x28.*32x32.*padding=2 .*padding=0"):
            lenet_fast.from_state_dict(weights, "lenet5-relu-max", preprocess=scaling)
    for padding, side in ((2, 28), (0, 32)):
        model = lenet_fast.from_state_dict(weights, "lenet5-relu-max", preprocess="mnist", padding=padding)
        assert model.network.input == (1, side, side)


def test_whether_the_network_pads_is_not_asked_where_it_does_not():
    """Where zeros are background, or only one size fits, or images are in colour."""
    for scaling in ("unit", None):
        assert lenet_fast.from_state_dict(lenet(), "lenet5-relu-max", preprocess=scaling).network.input == (1, 32, 32)
    for changes in ({"side": 28}, {"channels": 3}):
        lenet_fast.from_state_dict(lenet(**changes), "lenet5-relu-max", preprocess="mnist")
    classic = lenet_fast.networks()["lenet5-1998"]
    given = reference.random_weights(classic, np.random.default_rng(6))
    assert lenet_fast.from_state_dict(given, "lenet5-1998", preprocess="lecun").network == classic
