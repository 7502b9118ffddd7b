"""Damaged and hostile files: a model or WeightsError, soon and within 64 MiB, and no code executed.

The suite tries one of 16 prefixes and bit flips; LENET_FAST_ATTACK=1 tries every one (an hour). Crafted files are those
of tests/hostile, each loaded in a process of its own under limits, with warnings as errors; what fuzzing found once is
loaded again there.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reference
from attack import SMALL
from hostile.crafted import CASES
from hostile.fuzz import FINDS, IMAGES
from hostile.limited import Outcome
from hostile.targets import TARGETS
from lenet_fast import Model
from trainers import Variant, keras_model, tensorflow_function, torch_module

EVERY = int(os.environ.get("LENET_FAST_ATTACK", "16"))
SECONDS = 10  # of processor time for one file, which is to take less than one
LONGEST = 2000  # characters of a sentence


@pytest.fixture(scope="session")
def small():
    return Variant(SMALL, weights=reference.random_weights(SMALL, np.random.default_rng(1)))


def torch_file(variant, path, old=False, whole=False):
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")
    module = torch_module(variant)
    torch.save(module if whole else module.state_dict(), path, _use_new_zipfile_serialization=not old)


def keras_file(variant, path):
    pytest.importorskip("keras", reason="keras is not installed (pip install '.[frameworks]')")
    keras_model(variant).save(path)


def tflite_file(variant, path):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed (pip install '.[tensorflow]')")
    run = tensorflow_function(tf, variant)
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([run.get_concrete_function()]).convert())


def onnx_file(variant, path):
    pytest.importorskip("onnx", reason="onnx is not installed (pip install '.[frameworks]')")
    Model(variant.network, variant.weights).save(path)


def pickled_npy(variant, path):
    np.save(path, np.array(variant.weights, dtype=object), allow_pickle=True)


def plain_module(variant):
    """The same network without layers that do nothing, which other formats do not have."""
    from torch import nn

    return nn.Sequential(*(m for m in torch_module(variant) if not isinstance(m, nn.Identity))).eval()


def caffe_file(variant, path):
    test_caffe = pytest.importorskip("test_caffe", reason="protobuf is not installed (pip install '.[frameworks]')")
    net = test_caffe.caffe_schema.message_class("NetParameter")(name="small")
    layer = test_caffe.add_layer(net, False, "data", "Input", [], ["data"])
    layer.input_param.shape.add().dim.extend((1, *variant.network.input))
    test_caffe.add_layers(net, plain_module(variant))
    path.write_bytes(net.SerializeToString())


def ncnn_file(variant, path):
    test_ncnn = pytest.importorskip("test_ncnn", reason="ncnn is not installed (pip install '.[bench]')")
    test_ncnn.written(path, *test_ncnn.lines_of(plain_module(variant)), "0=8 1=8 2=1")


def openvino_file(variant, path):
    test_openvino_ir = pytest.importorskip(
        "test_openvino_ir", reason="openvino is not installed (pip install '.[bench]')"
    )
    test_openvino_ir.saved(plain_module(variant), variant.network.input, path)


def coreml_file(variant, path):
    test_coreml = pytest.importorskip("test_coreml", reason="torch is not installed (pip install '.[frameworks]')")
    given = test_coreml.array(variant.network.input)
    path.write_bytes(test_coreml.model(test_coreml.layers_of(plain_module(variant)), given))


def tensorflow_file(variant, path):
    import test_tensorflow

    test_tensorflow.write(path, variant.weights)


def flax_file(variant, path):
    test_flax = pytest.importorskip("test_flax", reason="msgpack is not installed (pip install '.[frameworks]')")
    tree = {name: array.T if array.ndim == 2 else array for name, array in variant.weights.items()}
    tree["C1.weight"] = tree["C1.weight"].transpose(2, 3, 1, 0)
    path.write_bytes(test_flax.packed({"params": tree}))


def mxnet_file(variant, path):
    import test_mxnet

    path.write_bytes(test_mxnet.file_bytes(variant.weights))


def mindspore_file(variant, path):
    import test_mindspore

    path.write_bytes(test_mindspore.file_bytes(variant.weights))


def matlab_file(variant, path):
    scipy_io = pytest.importorskip("scipy.io", reason="scipy is not installed (pip install '.[frameworks]')")
    scipy_io.savemat(path, {name.replace(".", "_"): array for name, array in variant.weights.items()})


def c_file(variant, path):
    import test_c_header

    path.write_text(test_c_header.header(variant.weights))


FILES = {
    "m.safetensors": lambda v, p: Model(v.network, v.weights).save(p),
    "m.npz": lambda v, p: Model(v.network, v.weights).save(p),
    "m.onnx": onnx_file,
    "m.pth": torch_file,
    "old.pth": lambda v, p: torch_file(v, p, old=True),
    "whole.pth": lambda v, p: torch_file(v, p, whole=True),
    "m.keras": keras_file,
    "m.h5": keras_file,
    "m.tflite": tflite_file,
    "m.npy": pickled_npy,
    "m.pkl": lambda v, p: p.write_bytes(pickle.dumps(dict(v.weights))),
    "m.caffemodel": caffe_file,
    "m.param": ncnn_file,
    "m.xml": openvino_file,
    "m.mlmodel": coreml_file,
    "m.index": tensorflow_file,
    "m.msgpack": flax_file,
    "m.params": mxnet_file,
    "m.mat": matlab_file,
    "m.ckpt": mindspore_file,
    "m.h": c_file,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
def test_every_prefix_and_every_flipped_bit(tmp_path, small, name):
    path = tmp_path / name
    FILES[name](small, path)
    says_all = name.endswith(
        (".safetensors", ".npz", ".onnx", ".keras", ".h5", ".tflite", ".caffemodel", ".param", ".xml", ".mlmodel")
    )
    options = {} if says_all else {"network": "small", "flatten": "CHW"}
    script = Path(__file__).parents[1] / "attack.py"
    done = subprocess.run(
        [sys.executable, script, path, json.dumps(options), str(EVERY)], capture_output=True, text=True
    )
    assert done.returncode == 0, f"{path} is what it ended at: {done.stderr[-2000:]}"
    found = json.loads(done.stdout.splitlines()[-1])
    print(name, found)
    assert found["wrong"] == []
    assert found["grown"] < 64
    assert found["loads"] > 100


# --- crafted files ---


@pytest.fixture(scope="session")
def limited():
    """A process that loads what it is asked to, each file in a fork of its own."""
    script = Path(__file__).parents[1] / "hostile" / "limited.py"
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def ask(**question):
            process.stdin.write(json.dumps({"options": {}, "seconds": SECONDS, **question}) + "\n")
            process.stdin.flush()
            return Outcome(**json.loads(process.stdout.readline()))

        yield ask
        process.stdin.close()


@pytest.fixture(scope="session")
def outcome_of(limited, tmp_path_factory):
    """How loading a crafted file ends, and its path; done once."""
    known = {}

    def load(name):
        case = CASES[name]
        for package in case.missing():
            pytest.skip(f"{package} is not installed (pip install '.[readers]')")
        if name not in known:
            path = case.made(tmp_path_factory.mktemp("crafted"))
            known[name] = limited(path=str(path), options=dict(case.options)), path
        return known[name]

    return load


def complaint(outcome, path):
    """What is wrong with the way in which a load ended; "" for a model, or one sentence about the file."""
    if outcome.ended == "model":
        return ""
    said = outcome.said.encode("ascii", "backslashreplace").decode()[:200]
    if outcome.ended != "refused":
        return f"{outcome.ended}: {outcome.kind}: {said}"
    if not outcome.said.startswith((str(path), str(path.parent))):  # of the file, or of one that belongs to it
        return f"the sentence does not begin with the path: {said}"
    if len(outcome.said) > LONGEST:
        return f"a sentence of {len(outcome.said):,} characters: {said}"
    return "" if outcome.said.isprintable() else f"a sentence that cannot be printed: {said}"


@pytest.mark.parametrize("name", CASES)
def test_a_crafted_file_ends_as_a_model_or_one_sentence(outcome_of, name):
    outcome, path = outcome_of(name)
    assert complaint(outcome, path) == ""
    assert outcome.ended == (CASES[name].ends or outcome.ended)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.resource])
def test_what_a_file_would_take_too_much_of_is_named(outcome_of, name):
    outcome, _ = outcome_of(name)
    assert (outcome.ended, outcome.resource) == ("refused", CASES[name].resource), outcome


def found():
    """What fuzzing found: target and input."""
    return [(path.parent.name, path) for path in sorted(FINDS.glob("*/*")) if path.parent.name in {*TARGETS, IMAGES}]


@pytest.mark.parametrize("target", [*TARGETS, IMAGES])
def test_what_fuzzing_found_is_mended(limited, tmp_path, target):
    wrong = {}
    for number, find in enumerate(path for name, path in found() if name == target):
        if target == IMAGES:
            path, how = find, {"images": True}
        else:
            (folder := tmp_path / str(number)).mkdir()
            path = TARGETS[target].made(folder, find.read_bytes())
            how = {"options": dict(TARGETS[target].options)}
        outcome = limited(path=str(path), **how)
        if outcome.kind == "ImportError" and "pip install" in outcome.said:
            pytest.skip(f"reading it wants a package: {outcome.said}")
        wrong[find.name] = complaint(outcome, path)
    assert {name: what for name, what in wrong.items() if what} == {}
