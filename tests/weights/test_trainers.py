"""Files of the real exporters: each variant of the family must give its own framework's outputs."""

from __future__ import annotations

import os
import warnings

import lenet_fast
import numpy as np
import pytest
from trainers import (
    VARIANTS,
    images_for,
    keras_model,
    keras_outputs,
    tensorflow_function,
    torch_module,
    torch_outputs,
)

os.environ.setdefault("KERAS_BACKEND", "torch")
ONNX = pytest.importorskip("onnx", reason="onnx is not installed (pip install '.[frameworks]')")
torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")


@pytest.fixture(params=VARIANTS)
def variant(request):
    return VARIANTS[request.param].filled()


def outputs(model, x):
    """What the trainer's own network returns: probabilities where it ends in softmax."""
    return model.predict_proba(x) if model.network.head == "softmax" else model.scores(x)


def assert_agree(model, x, wanted):
    found = outputs(model, x)
    error = np.abs(found - wanted) / np.abs(wanted).max(axis=1, keepdims=True)
    assert found.shape == wanted.shape
    assert error.max() <= 1e-5
    best = np.argmin if model.network.head == "rbf" else np.argmax
    assert (best(found, 1) == best(wanted, 1)).all()


def export(module, x, path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.from_numpy(x[:1]),), path, **options)


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 18])
def test_onnx_of_pytorch(tmp_path, variant, opset):
    x, module = images_for(variant), torch_module(variant)
    free = {"input": {0: "n"}} if opset % 2 else None
    export(module, x, tmp_path / "m.onnx", dynamo=False, opset_version=opset, input_names=["input"], dynamic_axes=free)
    model = lenet_fast.load(tmp_path / "m.onnx")
    assert_agree(model, x, torch_outputs(module, x))
    if not variant.norm:
        assert model.network == variant.network


@pytest.mark.parametrize("name", ["relu max 28 padded", "classic: table, trainable, C5, RBF", "batch norm before the activation"])  # fmt: skip
def test_onnx_of_the_newest_exporter(tmp_path, name):
    pytest.importorskip("onnxscript", reason="onnxscript is not installed (pip install '.[frameworks]')")
    variant = VARIANTS[name].filled()
    x, module = images_for(variant), torch_module(variant)
    export(module, x, tmp_path / "m.onnx", dynamo=True, verbose=False)
    assert_agree(lenet_fast.load(tmp_path / "m.onnx"), x, torch_outputs(module, x))


def test_live_pytorch_modules(variant):
    x, module = images_for(variant), torch_module(variant)
    model = lenet_fast.from_torch(module, x[:1])
    assert_agree(model, x, torch_outputs(module, x))


def test_a_module_that_convolves_with_functions():
    class Functional(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.kernels = torch.nn.Parameter(torch.randn(6, 1, 5, 5) / 5)
            self.full = torch.nn.Linear(864, 10)

        def forward(self, x):
            x = torch.nn.functional.max_pool2d(torch.relu(torch.nn.functional.conv2d(x, self.kernels)), 2)
            return self.full(x.flatten(1))

    x = np.random.default_rng(0).random((16, 1, 28, 28), np.float32)
    module = Functional().eval()
    for example in (x[:1], x):  # of several images, the first
        assert_agree(lenet_fast.from_torch(module, example), x, torch_outputs(module, x))


def test_state_dicts(tmp_path, variant):
    if variant.norm:
        pytest.skip("a state dict does not say where batch normalisation stands; a planted mistake checks the sentence")
    x, module = images_for(variant), torch_module(variant)
    state = module.state_dict()
    answers = {"coefficients": "sum"} if any("coefficient" in name for name in state) else {}
    wanted = torch_outputs(module, x)
    model = lenet_fast.from_state_dict(state, variant.network, **answers)
    assert_agree(model, x, wanted)
    torch.save(state, tmp_path / "zip.pth")
    torch.save({"epoch": 3, "state_dict": {f"module.{n}": t for n, t in state.items()}}, tmp_path / "nested.pth")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(module, torch.from_numpy(x[:1])).save(tmp_path / "script.pt")
    np.savez(tmp_path / "named.npz", **{n: t.numpy() for n, t in state.items()})
    for file in sorted(tmp_path.iterdir()):
        again = lenet_fast.load(file, network=variant.network, **answers)
        assert all((again.weights[n] == model.weights[n]).all() for n in model.weights), file.name


def test_checkpoints_with_an_optimiser(tmp_path):
    variant = VARIANTS["relu max 28 padded"].filled()
    x, module = images_for(variant), torch_module(variant)
    for make in (torch.optim.Adam, lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)):
        optimiser = make(module.parameters())
        module(torch.from_numpy(x)).sum().backward()
        optimiser.step()
        checkpoint = {"net": module.state_dict(), "optimizer": optimiser.state_dict(), "acc": 99.1, "epoch": 3}
        torch.save(checkpoint, tmp_path / "ckpt.t7")
        model = lenet_fast.load(tmp_path / "ckpt.t7", network="lenet5-relu-max", padding=2)
        assert_agree(model, x, torch_outputs(module, x))


def test_whole_pickled_modules_say_their_padding(tmp_path):
    variant = VARIANTS["relu max 28 padded"].filled()
    x, module = images_for(variant), torch_module(variant)
    for old in (False, True):
        torch.save(module, tmp_path / "whole.pth", _use_new_zipfile_serialization=not old)
        model = lenet_fast.load(tmp_path / "whole.pth", network="lenet5-relu-max")
        assert model.network.input == (1, 28, 28)
        assert_agree(model, x, torch_outputs(module, x))


def test_safetensors_of_pytorch(tmp_path):
    save = pytest.importorskip("safetensors.torch", reason="safetensors is not installed (pip install '.[frameworks]')")
    variant = VARIANTS["tanh average 28 padded"].filled()
    x, module = images_for(variant), torch_module(variant)
    save.save_file(module.state_dict(), tmp_path / "bare.safetensors")
    model = lenet_fast.load(tmp_path / "bare.safetensors", network=variant.network)
    assert_agree(model, x, torch_outputs(module, x))


@pytest.fixture
def keras():
    return pytest.importorskip("keras", reason="keras is not installed (pip install '.[frameworks]')")


@pytest.fixture
def keras_variant(keras, variant):
    model = keras_model(variant)
    if model is None:
        pytest.skip("Keras has no RBF layer: the classic network comes from PyTorch and ONNX")
    return variant, model


@pytest.mark.filterwarnings("ignore")
def test_keras_files(tmp_path, keras_variant):
    variant, original = keras_variant
    x = images_for(variant)
    wanted = keras_outputs(original, x)
    original.save(tmp_path / "m.keras")
    original.save(tmp_path / "m.h5")
    for file in sorted(tmp_path.iterdir()):
        assert_agree(lenet_fast.load(file), x, wanted)
    original.save_weights(tmp_path / "m.weights.h5")
    if not variant.norm and "trainable" not in str(variant.network.layers):
        assert_agree(lenet_fast.load(tmp_path / "m.weights.h5", network=variant.network), x, wanted)


@pytest.mark.filterwarnings("ignore")
def test_live_keras_models(keras_variant):
    variant, original = keras_variant
    x = images_for(variant)
    assert_agree(lenet_fast.from_keras(original), x, keras_outputs(original, x))


@pytest.mark.filterwarnings("ignore")
def test_scaling_inside_a_keras_model(tmp_path, keras):
    variant = VARIANTS["tanh average 32 colour, softmax"].filled()
    pixels = np.random.default_rng(2).integers(0, 256, (256, 3, 32, 32), np.uint8)
    for rescaling in ((1 / 255,), (1 / 127.5, -1)):
        original = keras_model(variant, rescaling)
        original.save(tmp_path / "m.keras")
        model = lenet_fast.load(tmp_path / "m.keras")
        wanted = keras_outputs(original, pixels.astype(np.float32))
        assert_agree(model, pixels, wanted)
        assert_agree(model, pixels.astype(np.float32), wanted)


@pytest.fixture(scope="session")
def tensorflow():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return pytest.importorskip("tensorflow", reason="tensorflow is not installed (pip install '.[tensorflow]')")


@pytest.mark.filterwarnings("ignore")
def test_tflite(tmp_path, tensorflow, variant):
    pytest.importorskip("tflite", reason="tflite is not installed (pip install '.[frameworks]')")
    if variant.norm:
        pytest.skip("the converter folds batch normalisation itself: nothing of it is left in the file")
    run = tensorflow_function(tensorflow, variant)
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions([run.get_concrete_function()])
    (tmp_path / "m.tflite").write_bytes(converter.convert())
    x = images_for(variant)
    wanted = np.concatenate([run(image).numpy() for image in x.transpose(0, 2, 3, 1)[:, None]])
    assert_agree(lenet_fast.load(tmp_path / "m.tflite"), x, wanted)


@pytest.mark.filterwarnings("ignore")
def test_tf2onnx(tmp_path, tensorflow, variant):
    tf2onnx = pytest.importorskip("tf2onnx", reason="tf2onnx is not installed (pip install '.[tensorflow]')")
    if variant.norm:
        pytest.skip("batch normalisation is in the ONNX files of the other exporters")
    run = tensorflow_function(tensorflow, variant)
    tf2onnx.convert.from_function(
        run, input_signature=run.input_signature, opset=15, output_path=str(tmp_path / "m.onnx")
    )
    x = images_for(variant)
    wanted = np.concatenate([run(image).numpy() for image in x.transpose(0, 2, 3, 1)[:, None]])
    assert_agree(lenet_fast.load(tmp_path / "m.onnx"), x, wanted)


def test_our_onnx_in_onnx_runtime(tmp_path, variant):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (pip install '.[bench]')")
    if variant.norm:
        pytest.skip("batch normalisation is folded before a model of ours exists")
    for preprocess in (None, lenet_fast.Preprocess(2.0, -1.0), lenet_fast.Preprocess(white=None)):
        model = lenet_fast.Model(variant.network, variant.weights, preprocess=preprocess, classes=[*"abcdefghij"])
        model.save(tmp_path / "ours.onnx")
        x = images_for(variant)
        session = runtime.InferenceSession(tmp_path / "ours.onnx")
        assert_agree(model, x, session.run(None, {"images": x})[0])
        again = lenet_fast.load(tmp_path / "ours.onnx")
        assert again.network == model.network
        assert again.preprocess == model.preprocess
        assert again.classes_.tolist() == [*"abcdefghij"]
        assert all(np.array_equal(again.weights[n], w) for n, w in model.weights.items())
