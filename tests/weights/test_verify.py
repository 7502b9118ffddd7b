"""verify: which network, layout and scaling reproduces a trainer's outputs."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
from lenet_fast import WeightsError
from lenet_fast.weights.build import Wishes
from lenet_fast.weights.loading import verify_file
from trainers import VARIANTS, lenet

RANDOM = np.random.default_rng(4)
UINT8 = RANDOM.integers(0, 256, (40, 28, 28), np.uint8)


def named(network, weights, kernels_last=False):
    """A model's arrays under names that say little, in either order of axes."""
    found = {}
    for name, array in weights.items():
        if kernels_last and array.ndim == 4:
            array = array.transpose(2, 3, 1, 0)
        if kernels_last and array.ndim == 2:
            maps, height, width = network.figures[3].output
            if array.shape[1] == maps * height * width:
                array = array.reshape(-1, maps, height, width).transpose(0, 2, 3, 1).reshape(len(array), -1)
            array = array.T
        found[name.replace(".weight", "_w").replace(".bias", "_b")] = array
    return found


#: Network, scaling, order of axes, what `verify` must say.
CASES = {
    "relu max, mnist": (lenet(28, padding=(2, 0)), "mnist", False, {"activation": "relu", "pooling": "max", "padding": "(2, 0)", "preprocess": "mnist"}),
    "tanh average, unit": (lenet(28, activation="tanh", pooling="average"), "unit", True, {"activation": "tanh", "pooling": "average", "flatten": "HWC", "preprocess": "unit"}),
    "sigmoid average, symmetric": (lenet(28, activation="sigmoid", pooling="average", padding=(2, 0)), "symmetric", True, {"activation": "sigmoid", "preprocess": "symmetric"}),
    "scaled tanh max, lecun": (lenet(28, activation="scaled_tanh"), "lecun", False, {"activation": "scaled_tanh", "preprocess": "lecun"}),
    "20-50-500, raw": (lenet(28, maps=(20, 50), units=(500,), conv_activation="identity", head="softmax"), "raw", False, {"network": "caffe-20-50-500", "preprocess": "raw"}),
    "both padded, zscore": (lenet(28, padding=(2, 2)), "zscore", False, {"padding": "(2, 2)", "preprocess": "zscore"}),
}  # fmt: skip


def trainer(name):
    network, scaling, last, says = CASES[name]
    variant = VARIANTS["relu max 28 valid"].__class__(network).filled()
    weights = {n: w * (0.02 if scaling == "raw" and n == "C1.weight" else 1) for n, w in variant.weights.items()}
    model = lenet_fast.Model(network, weights, preprocess=lenet_fast.Preprocess.named(scaling))
    return model, named(network, model.weights, last), says


@pytest.mark.parametrize("name", CASES)
def test_the_reading_that_gives_the_outputs(tmp_path, name):
    model, arrays, says = trainer(name)
    np.savez(tmp_path / "w.npz", **arrays)
    expected = model.predict_proba(UINT8) if model.network.head == "softmax" else model.scores(UINT8)
    findings = verify_file(tmp_path / "w.npz", Wishes(), UINT8, expected)
    assert findings[0].reproduces
    assert findings[0].reading.items() >= says.items()
    assert not findings[-1].reproduces
    found = lenet_fast.load(tmp_path / "w.npz", check=(UINT8, expected))
    assert (found.predict(UINT8) == model.predict(UINT8)).all()
    assert np.abs(found.scores(UINT8) - model.scores(UINT8)).max() <= 1e-5 * np.abs(expected).max()


def test_labels_do(tmp_path):
    model, _, _ = trainer("relu max, mnist")
    many = np.kron(RANDOM.integers(0, 2, (2000, 7, 7)) * 255, np.ones((4, 4))).astype(np.uint8)
    balanced = {**model.weights, "F7.bias": model.weights["F7.bias"] - model.scores(many).mean(0)}
    model = lenet_fast.Model(model.network, balanced, preprocess=model.preprocess)
    np.savez(tmp_path / "w.npz", **named(model.network, model.weights))
    assert len(np.unique(model.predict(many))) > 3
    found = lenet_fast.load(tmp_path / "w.npz", check=(many, model.predict(many)))
    assert found.network == model.network
    assert found.preprocess == model.preprocess


def test_what_is_settled_is_not_varied(tmp_path):
    model, arrays, _ = trainer("relu max, mnist")
    np.savez(tmp_path / "w.npz", **arrays)
    expected = model.scores(UINT8)
    options = {"network": "lenet5-relu-max", "padding": 2, "preprocess": "mnist", "flatten": "CHW", "activation": "relu", "pooling": "max"}  # fmt: skip
    assert lenet_fast.load(tmp_path / "w.npz", check=(UINT8, expected), **options).network == model.network
    with pytest.raises(WeightsError, match=r"found none of \d+ readings that gives them; the nearest, .* is off by"):
        lenet_fast.load(tmp_path / "w.npz", check=(UINT8, expected), **options | {"preprocess": "lecun"})


def test_too_few_images_are_no_proof(tmp_path):
    model, arrays, _ = trainer("relu max, mnist")
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(
        WeightsError, match=r"wanted one reading that gives what was passed, found \d+: .* pass more images"
    ):
        lenet_fast.load(tmp_path / "w.npz", check=(UINT8[:1], model.predict(UINT8[:1])))


def test_outputs_and_images_must_fit(tmp_path):
    model, arrays, _ = trainer("relu max, mnist")
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(ValueError, match=r"expected: wanted one row of outputs or one label per image \(40\), found shape \(39, 10\)"):  # fmt: skip
        lenet_fast.load(tmp_path / "w.npz", check=(UINT8, model.scores(UINT8)[:-1]))


def test_a_graph_leaves_only_the_scaling_open(tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed (pip install '.[frameworks]')")
    model, _, _ = trainer("relu max, mnist")
    bare = lenet_fast.Model(model.network, model.weights, preprocess=lenet_fast.Preprocess(white=None))
    bare.save(tmp_path / "m.onnx")
    import onnx

    graph = onnx.load(tmp_path / "m.onnx")
    graph.ClearField("metadata_props")
    onnx.save(graph, tmp_path / "m.onnx")
    findings = verify_file(tmp_path / "m.onnx", Wishes(), UINT8, model.scores(UINT8))
    assert str(findings[0]) == "preprocess mnist"
    assert findings[0].error < 1e-6
