"""verify: which network, layout and scaling reproduces a trainer's outputs."""

from __future__ import annotations

import re

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import WeightsError
from lenet_fast.networks import TEMPLATES
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
    findings = verify_file(tmp_path / "w.npz", Wishes(), UINT8, expected).findings
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
    with pytest.warns(UserWarning, match="check: labels only, of 2,000 images"):
        found = lenet_fast.load(tmp_path / "w.npz", check=(many, model.predict(many)))
    assert found.card["checked"] == "labels only, 2,000 images"
    assert found.network == model.network
    assert found.preprocess == model.preprocess


def test_what_is_settled_is_not_varied(tmp_path):
    model, arrays, _ = trainer("relu max, mnist")
    np.savez(tmp_path / "w.npz", **arrays)
    expected = model.scores(UINT8)
    options = {"network": "lenet5-relu-max", "padding": 2, "preprocess": "mnist", "flatten": "CHW", "activation": "relu", "pooling": "max"}  # fmt: skip
    assert lenet_fast.load(tmp_path / "w.npz", check=(UINT8, expected), **options).network == model.network
    with pytest.raises(WeightsError, match=r"found others; the nearest, .* is off by"):
        lenet_fast.load(tmp_path / "w.npz", check=(UINT8, expected), **options | {"preprocess": "lecun"})


def test_too_few_images_are_no_proof(tmp_path):
    model, arrays, _ = trainer("relu max, mnist")
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(
        WeightsError, match=r"wanted one reading that gives what was passed, found \d+ or more: .* pass more images"
    ):
        lenet_fast.load(tmp_path / "w.npz", check=(UINT8[:1], model.predict(UINT8[:1])))


def test_outputs_and_images_must_fit(tmp_path):
    model, arrays, _ = trainer("relu max, mnist")
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(ValueError, match=r"expected: wanted one row of outputs or one label per image \(40\), found shape \(39, 10\)"):  # fmt: skip
        lenet_fast.load(tmp_path / "w.npz", check=(UINT8, model.scores(UINT8)[:-1]))


def saved(path, network, scaling="unit", gain=1.0, seed=5):
    """A model, and its weights in a file that says nothing else."""
    weights = reference.random_weights(network, np.random.default_rng(seed))
    weights = {name: np.float32(gain) * array for name, array in weights.items()}
    np.savez(path, **{name.replace(".", "_"): array for name, array in weights.items()})
    return lenet_fast.Model(network, weights, preprocess=lenet_fast.Preprocess.named(scaling))


def refused(path, images, outputs, **options):
    with pytest.raises(WeightsError) as caught:
        lenet_fast.load(path, check=(images, outputs), **options)
    return str(caught.value).removeprefix(f"{path}: ")


def test_probabilities_of_the_maximum_are_none_of_the_average(tmp_path):
    """However small most of them are: they were once accepted as such, of 20 images."""
    path = tmp_path / "w.npz"
    for seed in range(4):
        model = saved(path, lenet(28, padding=(2, 0), head="softmax"), "mnist", gain=1.2, seed=seed)
        probabilities = model.predict_proba(UINT8[:20])
        assert lenet_fast.load(path, check=(UINT8[:20], probabilities)).network.layers == model.network.layers
        assert "is off by" in refused(path, UINT8[:20], probabilities, pooling="average")


def test_outputs_that_have_nothing_to_do_with_the_weights_are_far_off(tmp_path):
    saved(tmp_path / "w.npz", lenet(28, padding=(2, 0)))
    for outputs in (
        RANDOM.dirichlet(np.ones(10), 40),
        RANDOM.normal(size=(40, 10)),
        1e4 * RANDOM.normal(size=(40, 10)),
    ):
        verdict = verify_file(tmp_path / "w.npz", Wishes(), UINT8, outputs)
        assert not verdict.findings[0].reproduces and verdict.findings[0].error > 0.05


@pytest.mark.parametrize("gain", [4, 7])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_large_weights_are_told_apart(tmp_path, activation, gain):
    model = saved(tmp_path / "w.npz", lenet(28, padding=(2, 0), activation=activation), "mnist", gain)
    found = lenet_fast.load(tmp_path / "w.npz", check=(UINT8, model.scores(UINT8)))
    assert (found.network.layers, found.preprocess) == (model.network.layers, model.preprocess)


@pytest.mark.parametrize("kind", ["scores", "predict_proba"])
def test_a_network_that_is_not_tried_is_never_certified_as_another(tmp_path, kind):
    for activation, slope in (("leaky_relu", 0.05), ("leaky_relu", 0.011), ("tanh", None)):
        network = (
            TEMPLATES["lenet5-relu-max"].varied(side=28, padding=(2, 0), activation=activation, slope=slope).network()
        )
        model = saved(tmp_path / "w.npz", network)
        other = model.replace(preprocess=lenet_fast.Preprocess(scale=3.2, shift=-0.4)) if slope is None else model
        assert "none of" in refused(tmp_path / "w.npz", UINT8, getattr(other, kind)(UINT8))


@pytest.mark.parametrize(
    ("rounded", "sentence"),
    [
        (lambda outputs: outputs.astype(np.float16), "has the digits of float16: pass float32 outputs, unrounded"),
        (lambda outputs: np.round(outputs, 3), "has the digits of 3 decimals: pass float32 outputs, unrounded"),
        (lambda outputs: outputs * np.linspace(1 - 1e-3, 1 + 1e-3, 400).reshape(40, 10), r"fewer digits \(float16, a GPU's TF32\)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["scores", "predict_proba"])
def test_outputs_of_fewer_digits_are_refused_with_the_nearest_reading(tmp_path, kind, rounded, sentence):
    model = saved(tmp_path / "w.npz", lenet(28, padding=(2, 0), activation="tanh"), "lecun", 1.5)
    said = refused(tmp_path / "w.npz", UINT8, rounded(getattr(model, kind)(UINT8)))
    assert re.search(sentence, said)
    assert "the nearest, network lenet5-tanh-average, activation tanh, pooling max, padding (2, 0), " in said
    assert "preprocess lecun, is off by " in said


def test_outputs_that_cannot_tell_are_said_to_be_so(tmp_path):
    network = lenet(28, padding=(2, 0), activation="tanh")
    path = tmp_path / "w.npz"
    saturated = saved(path, network, gain=1e4)
    assert re.search("found ones that hardly depend on what C. computes, saturated perhaps|cannot tell them apart", refused(path, UINT8, saturated.scores(UINT8)))  # fmt: skip
    assert "probabilities of 0 and 1 alone, which say no more than labels" in refused(path, UINT8, saturated.predict_proba(UINT8))  # fmt: skip
    with pytest.raises(ValueError, match="expected: wanted outputs that differ, found the same number everywhere"):
        lenet_fast.load(path, check=(UINT8, np.ones((40, 10))))
    model = saved(path, network)
    blank = np.zeros((4, 28, 28), np.uint8)
    assert "these are outputs that cannot tell them apart: pass other images, or more" in refused(path, blank, model.scores(blank))  # fmt: skip


def test_floating_point_images_are_taken_as_they_are_and_what_is_the_same_for_them_is_named(tmp_path):
    path, floats = tmp_path / "w.npz", (UINT8 / 255).astype(np.float32)
    model = saved(path, lenet(28, padding=(2, 0)))
    finding = verify_file(path, Wishes(), floats, model.scores(floats)).findings[0]
    assert finding.same["preprocess"] == ("unit", "raw")
    assert str(finding).endswith("preprocess as-is (the same here: unit and raw)")
    found = lenet_fast.load(path, check=(floats, model.scores(floats)))
    assert found.preprocess == lenet_fast.Preprocess(white=None)
    with pytest.raises(TypeError, match=r"uint8.* check=\(images, outputs\) with uint8 images"):
        found.predict(UINT8)
    standard = ((floats - floats.mean((1, 2), keepdims=True)) / floats.std((1, 2), keepdims=True)).astype(np.float32)
    fed = model.replace(preprocess=lenet_fast.Preprocess(white=None))
    finding = verify_file(path, Wishes(), standard, fed.scores(standard)).findings[0]
    assert str(finding).endswith("preprocess as-is (the same here: unit and raw and zscore)")


@pytest.mark.parametrize("padding", [(0, 0), (2, 0)])
def test_padding_and_a_background_of_zeros_are_one_reading(tmp_path, padding):
    path = tmp_path / "w.npz"
    model = saved(path, lenet(32 - 2 * padding[0], padding=padding))
    found = verify_file(path, Wishes(), UINT8, model.scores(UINT8))
    assert [finding.reproduces for finding in found.findings][:2] == [True, False]
    assert "padding (2, 0) (the same here: (0, 0))" in str(found.findings[0])
    assert found.best("file").model.network.input == (1, 28, 28)
    with_border = model.replace(preprocess=lenet_fast.Preprocess.named("mnist"))
    found = lenet_fast.load(path, check=(UINT8, with_border.scores(UINT8)))
    assert found.network == model.network  # where the background is no zero, they differ


def test_black_images_certify_no_scaling(tmp_path):
    model = saved(tmp_path / "w.npz", lenet(28, padding=(2, 0)))
    other = model.replace(preprocess=lenet_fast.Preprocess(2.0, -0.1307 / 0.3081))
    black = np.zeros((5, 28, 28), np.uint8)
    said = refused(tmp_path / "w.npz", black, other.scores(black))
    assert "found ones that hardly depend on the scale of the pixels, saturated perhaps; pass other images" in said


def test_orders_that_names_speak_against_are_tried_where_no_other_is_right(tmp_path):
    """Keras's weights that somebody turned to PyTorch's axes, all but the order in which maps were flattened."""
    model = saved(tmp_path / "w.npz", lenet(28, padding=(2, 0)))
    turned = dict(model.weights)
    first = turned["F5.weight"].reshape(120, 16, 5, 5).transpose(0, 2, 3, 1).reshape(120, 400)
    names = {"C1": "conv1", "C3": "conv2", "F5": "fc1", "F6": "fc2", "F7": "fc3"}
    turned = {names[key[:2]] + key[2:]: array for key, array in {**turned, "F5.weight": first}.items()}
    np.savez(tmp_path / "turned.npz", **turned)
    found = lenet_fast.load(tmp_path / "turned.npz", check=(UINT8, model.scores(UINT8)))
    assert (found.scores(UINT8) == model.scores(UINT8)).all()
    verdict = verify_file(tmp_path / "turned.npz", Wishes(), UINT8, model.scores(UINT8))
    assert verdict.findings[0].reading["flatten"] == "HWC"


def test_labels_as_rows_of_zeros_and_a_one_are_said_to_be_so(tmp_path):
    saved(tmp_path / "w.npz", lenet(28, padding=(2, 0)))
    said = refused(tmp_path / "w.npz", UINT8, np.eye(10)[RANDOM.integers(0, 10, 40)])
    assert "what was passed is probabilities of 0 and 1 alone, which say no more than labels: pass logits" in said


def test_the_number_of_outputs_is_told_as_it_was_passed(tmp_path):
    model = saved(tmp_path / "w.npz", lenet(28, padding=(2, 0)))
    for outputs in (model.scores(UINT8)[:, :9], RANDOM.integers(0, 10, (40, 1))):
        with pytest.raises(
            ValueError, match=r"expected: wanted outputs of shape \(40, 10\) or labels, found shape \(40, "
        ):
            lenet_fast.load(tmp_path / "w.npz", check=(UINT8, outputs))


def test_images_that_fit_no_reading_are_told_what_would(tmp_path):
    model = saved(tmp_path / "w.npz", lenet(28, padding=(2, 0)))
    for images, sentence in (
        (np.zeros((40, 20, 20), np.uint8), r"images: wanted \(n, 32, 32\) .* found \(40, 20, 20\)"),
        (np.zeros((40, 28, 28), np.int64), "images: wanted uint8 or floating point, found int64"),
        (np.full((40, 28, 28), np.nan), "images: wanted finite pixels, found nan"),
    ):
        with pytest.raises((TypeError, ValueError), match=sentence):
            lenet_fast.load(tmp_path / "w.npz", check=(images, model.scores(UINT8)))


def test_labels_that_two_readings_give_are_a_question(tmp_path):
    model = saved(tmp_path / "w.npz", lenet(28, padding=(2, 0)))
    labels = model.predict(UINT8[:3])
    said = refused(tmp_path / "w.npz", UINT8[:3], labels)
    assert re.match(r"wanted one reading that gives what was passed, found \d+( or more)?: ", said)
    assert len(verify_file(tmp_path / "w.npz", Wishes(), UINT8[:3], labels).findings) <= 32  # of hundreds
    assert "pass more images, or outputs instead of labels" in said


def test_the_card_says_what_was_compared(tmp_path):
    model = saved(tmp_path / "w.npz", lenet(28, padding=(2, 0)))
    for outputs, said in ((model.scores(UINT8), "logits"), (model.predict_proba(UINT8), "probabilities")):
        found = lenet_fast.load(tmp_path / "w.npz", check=(UINT8, outputs))
        assert re.fullmatch(
            rf"{said} of 40 images, largest difference \d\.\de[-+]\d\d of their spread", found.card["checked"]
        )
        found.save(tmp_path / "again.safetensors")
        assert lenet_fast.load(tmp_path / "again.safetensors").card == found.card
    classic = lenet_fast.pretrained("digits")
    found = lenet_fast.load(tmp_path / "again.safetensors", check=(UINT8, model.scores(UINT8)))
    classic.save(tmp_path / "classic.safetensors")
    again = lenet_fast.load(tmp_path / "classic.safetensors", check=(UINT8, classic.scores(UINT8)))
    assert again.card["checked"].startswith("distances of 40 images, ")
    assert again.calibration == classic.calibration and dict(again.card).items() > dict(classic.card).items()


def test_a_graph_leaves_only_the_scaling_open(tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed (pip install '.[frameworks]')")
    model, _, _ = trainer("relu max, mnist")
    bare = lenet_fast.Model(model.network, model.weights, preprocess=lenet_fast.Preprocess(white=None))
    bare.save(tmp_path / "m.onnx")
    import onnx

    graph = onnx.load(tmp_path / "m.onnx")
    graph.ClearField("metadata_props")
    onnx.save(graph, tmp_path / "m.onnx")
    findings = verify_file(tmp_path / "m.onnx", Wishes(), UINT8, model.scores(UINT8)).findings
    assert str(findings[0]) == "preprocess mnist"
    assert findings[0].error < 1e-6
