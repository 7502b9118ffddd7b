"""weights/onnx_writer.py: the graph that is written computes what the model computes, in ONNX's own runtime."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network, Preprocess, Subsample2x2
from lenet_fast.operations import plain
from lenet_fast.weights import onnx_writer

onnx = pytest.importorskip("onnx", reason="onnx is not installed (pip install '.[readers]')")


def images(model, count=3):
    return np.random.default_rng(5).random((count, *model.network.input), np.float32)


def run(data, x):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (pip install '.[frameworks]')")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"]).run(None, {"images": x})[0]


def computed(model, x):
    return model.predict_proba(x) if model.network.head == "softmax" else model.scores(x)


def close(found, wanted, share=1e-5):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=share * np.abs(wanted).max())


@pytest.mark.parametrize("expanded", [False, True])
def test_onnx_runtime_computes_the_same(any_model, expanded):
    """For every network of the family, RBF units in either form."""
    data = onnx_writer.onnx_model(plain(any_model), any_model.network.input, expanded=expanded)
    x = images(any_model)
    close(run(data, x), computed(any_model, x), 1e-4 if expanded else 1e-5)


def test_a_file_that_comes_back_is_the_same_model(digits, tmp_path):
    """Bit for bit, with its scaling, class names and card."""
    onnx_writer.write(tmp_path / "m.onnx", digits)
    again = lenet_fast.load(tmp_path / "m.onnx")
    assert (again.network, again.preprocess, again.card) == (digits.network, digits.preprocess, digits.card)
    assert again.classes_.tolist() == digits.classes_.tolist() and again.calibration == digits.calibration
    x = images(digits)
    assert (again.scores(x) == digits.scores(x)).all()


def test_the_graph_takes_pixels_and_scales_them_itself(tmp_path):
    base = lenet_fast.pretrained("digits")
    model = Model(base.network, base.weights, preprocess=Preprocess(scale=(1.5,), shift=0.25))
    onnx_writer.write(tmp_path / "m.onnx", model)
    close(run((tmp_path / "m.onnx").read_bytes(), images(model)), computed(model, images(model)))


def test_inputs_and_outputs_are_of_any_number_of_images(digits):
    graph = onnx.load_from_string(onnx_writer.onnx_model(plain(digits), digits.network.input, metadata={"a": "b"}))
    (image,) = graph.graph.input
    sizes = [d.dim_param or d.dim_value for d in image.type.tensor_type.shape.dim]
    assert (image.name, sizes) == ("images", ["n", *digits.network.input])
    assert [(p.key, p.value) for p in graph.metadata_props] == [("a", "b")]


def test_a_scaling_of_every_image_by_itself_has_no_onnx_form(digits, tmp_path):
    model = Model(digits.network, digits.weights, preprocess=Preprocess(per_image=True))
    with pytest.raises(ValueError, match="wanted a fixed scaling, found one per image"):
        onnx_writer.write(tmp_path / "m.onnx", model)
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("pooling", ["max", "average", "trainable"])
@pytest.mark.parametrize("before", ["identity", "scaled_tanh", "tanh", "relu"])
@pytest.mark.parametrize("behind", ["identity", "scaled_tanh", "tanh", "relu"])
def test_a_written_graph_is_read_back_as_the_same_network(tmp_path, pooling, before, behind):
    """Whatever is squashed before pooling and behind it: factors around a tanh must not become coefficients."""
    layers = (Conv5x5(4, before), Subsample2x2(pooling, behind), Dense(7, behind), Dense(3))
    network = Network((1, 12, 12), layers, "scores")
    model = Model(network, reference.random_weights(network, np.random.default_rng(3)))
    model.save(tmp_path / "m.onnx")
    again = lenet_fast.load(tmp_path / "m.onnx")
    close(again.scores(images(model)), model.scores(images(model)))
    if pooling != "average":  # a trainable one where a factor has joined it
        assert again.network == network


def test_one_output_is_written_as_it_is(tmp_path):
    """A softmax of it would be 1 whatever the image."""
    network = Network((1, 12, 12), (Conv5x5(2, "relu"), Subsample2x2("max"), Dense(1)), "softmax")
    model = Model(network, reference.random_weights(network, np.random.default_rng(4)))
    model.save(tmp_path / "m.onnx")
    again = lenet_fast.load(tmp_path / "m.onnx")
    assert again.scores(images(model)).tobytes() == model.scores(images(model)).tobytes()
