"""weights/signatures.py: what tells each format's files, and what does not."""

from __future__ import annotations

import io
import pickle
import random
import zipfile

import numpy as np
import pytest
from lenet_fast.weights import signatures as signs
from lenet_fast.weights import sniff


def npz():
    stream = io.BytesIO()
    np.savez(stream, w=np.ones(3))
    return stream.getvalue()


def npy():
    stream = io.BytesIO()
    np.save(stream, np.ones(3))
    return stream.getvalue()


def zipped():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("config.json", "{}")
    return stream.getvalue()


#: How files of each format begin, as their writers write them.
BEGINNINGS = {
    "npz": ("zip", npz()),
    "keras": ("zip", zipped()),
    "h5": ("HDF5", b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0" + bytes(80)),
    "npy": ("npy", npy()),
    "tflite": ("TFLite", b"\x1c\0\0\0TFL3\x14\0\x20\0" + bytes(64)),
    "matlab": ("MATLAB", b"MATLAB 5.0 MAT-file, by anybody".ljust(124) + b"\x00\x01IM" + bytes(64)),
    "tensorflow": ("TensorFlow checkpoint", bytes(48) + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"),
    "mxnet": ("MXNet", b"\x12\x01" + bytes(14) + b"\x02" + bytes(60)),
    "legacy PyTorch": ("PyTorch", pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)),
    "openvino": ("OpenVINO", b'<?xml version="1.0"?>\n<net name="Model0" version="11">\n\t<layers>\n'),
    "ncnn": ("ncnn", b"7767517\n3 2\nInput input 0 1 data\n"),
    "safetensors": ("safetensors", b'\x40\0\0\0\0\0\0\0{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' + bytes(40)),
    "onnx of PyTorch": ("ONNX", b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:\xd0\x01\n"),
    "onnx of tf2onnx": ("ONNX", b"\x08\x07\x12\x07tf2onnx\x1a\x061.16.1:\xa0\x02\n"),
    "onnx of nobody": ("ONNX", b"\x08\x03:\xa0\x02\n\x20\n\x01x\x12\x01y\x22\x04Relu"),
    "onnx, opset first": ("ONNX", b"\x08\x08B\x02\x10\x11:\xa0\x02\n\x20\n\x01x"),
    "core ml": ("Core ML", b"\x08\x04\x12\x8c\x02\n\x11\n\x01x\x1a\x0c*\n\n\x04\x01\x01\x1c\x1c\x10\xa0\x80\x04R\x10\n\x06" + bytes(20)),
    "core ml of 2017": ("Core ML", b"\x08\x01\x12&\n\x14\n\x05image\x1a\x0b*\t\n\x03\x01  \x10\xc0\x80\x04R\x0e\n\x01y" + bytes(20)),
    "mindspore": ("MindSpore", b"\n\xfd\x04\n\x0cconv1.weight\x12\xec\x04\x08\x06\x08\x01\x08\x05\x08\x05\x12\x07Float32\x1a\xd8\x04" + bytes(20)),
    "mindspore, a number": ("MindSpore", b"\n\x1e\n\x0bglobal_step\x12\x0f\x08\0\x12\x05Int32\x1a\x04" + bytes(4)),
    "caffemodel": ("Caffe", b"\n\x05LeNet\xa2\x06\x10\n\x04data\x12\x05Input\x22\x01x" + bytes(20)),
    "prototxt": ("Caffe", b'name: "LeNet"\nlayer {\n  name: "data"\n}\n'),
    "flax": ("Flax", b"\x81\xa6params\x81\xa5Dense\x81\xa6kernel\xc7\x20\x01\x93\x92\x01\x01\xa7float32\xc4\x04" + bytes(20)),
    "pickle": ("pickle", pickle.dumps({"w": np.ones(3)})),
    "tensorrtx": ("TensorRT", b"10\nconv1.weight 150 3e0f4a21 bd8c3f10 "),
    "samples of TensorRT": ("TensorRT", b"2\nconv1bias 0 20 bdf4a3c1 0 3f800000\n"),
    "C header": ("C", b"/* by a script */\n#ifndef W_H\n#define W_H\nconst float conv1_w[6][25] = {\n  {0.1f, -0.2f"),
    "C without a size": ("C", b"static const weight_t b[] PROGMEM={-.5, 1};"),
    "C without values": ("C", b"#pragma once\nextern const float conv1_w[6][25];\n"),
    "text": ("text", b"0.5 0.25\n-1 2e-3\n"),
    "hexadecimal text": ("text", b"FF3A\n0012\n"),
}  # fmt: skip
FORMATS = [form.name for form in sniff.FORMATS]


def test_every_format_has_a_beginning_here():
    assert {wanted for wanted, _ in BEGINNINGS.values()} == set(FORMATS)


def claims(data):
    """The formats that take this for theirs, in the order in which they are asked."""
    return [form.name for form in sniff.FORMATS if form.looks_like(data)]


@pytest.mark.parametrize("name", BEGINNINGS)
def test_one_format_claims_a_file(name):
    """The first that claims it reads it, so where two would, the surer one is asked first."""
    wanted, data = BEGINNINGS[name]
    # five pickles in a row; a field of an empty layer; a version, then a text or a message
    others = {"PyTorch": ["pickle"], "MXNet": ["Caffe"], "Core ML": ["ONNX"]}
    assert claims(data) == [wanted, *others.get(wanted, [])]


@pytest.mark.parametrize("name", BEGINNINGS)
def test_no_beginning_passes_for_a_format_that_is_asked_before(name):
    """The first that claims a file reads it: any before would read it wrongly, or refuse it."""
    wanted, data = BEGINNINGS[name]
    asked = sniff.FORMATS[: FORMATS.index(wanted) + 1]
    assert [form.name for form in asked if form.looks_like(data)] == [wanted]


@pytest.mark.parametrize("form", sniff.FORMATS, ids=FORMATS)
def test_any_bytes_may_be_asked(form):
    """Files shorter than the signature, and cut or altered ones: an answer, never an error."""
    numbers = random.Random(4)
    for _, golden in BEGINNINGS.values():
        for end in range(min(len(golden), 40)):
            form.looks_like(golden[:end])
        for _ in range(20):
            altered = bytearray(golden)
            altered[numbers.randrange(len(altered))] = numbers.randrange(256)
            form.looks_like(bytes(altered))
    assert not form.looks_like(b"")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("content", [{"w": np.ones(2)}, [np.ones(2)], np.ones(2)], ids=["dictionary", "list", "array"])
def test_pickles_of_every_protocol_are_told(protocol, content):
    data = pickle.dumps(content, protocol)
    assert sniff.format_of(data).name == "pickle"


@pytest.mark.parametrize("text", [b"1", b"-1.5e-3, 2\n", b"# weights\n0.5;1", b"\xef\xbb\xbf.5 1", b"7 7"])
def test_numbers_are_text(text):
    assert sniff.format_of(text).name == "text"


@pytest.mark.parametrize("text", [b"", b"# only a comment\n", b"one 2", b"1 two", b"nan", b"{1}", b"e5"])
def test_words_are_no_numbers(text):
    assert not signs.is_text(text)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (b'name: "LeNet"\nlayer {\n}', True),
        (b"# a comment\n# another\nlayers { }", True),
        (b'input: "data"\ninput_dim: 1\nlayer{ name: "conv" }', True),
        (b'name: "LeNet"', False),  # no layer
        (b"name = 'LeNet'\nlayer {", False),
        (b'net: "lenet.prototxt"\nbase_lr: 0.01\n', False),  # a solver
        (b"layer_names: 3", False),
    ],
)
def test_a_network_in_text_has_layers(text, is_one):
    assert signs.is_caffe_text(text) == is_one == signs.is_caffe(text)


@pytest.mark.parametrize(
    ("names", "holds"),
    [
        (["archive/data.pkl", "archive/data/0"], "torch"),
        (["data.pkl"], "torch"),
        (["metadata.json", "config.json", "model.weights.h5"], "keras"),
        (["w.npy", "b.npy"], "numpy"),
        (["w.npy", "readme.txt"], None),
        (["config.json"], None),
        (["mydata.pkl"], None),
        ([], None),
    ],
)
def test_an_archive_is_told_by_its_members(names, holds):
    found = [kind for kind in ("torch", "keras", "numpy") if getattr(signs, f"holds_{kind}")(names)]
    assert found == ([holds] if holds else [])


def test_numpys_own_archives_are_told():
    stream = io.BytesIO()
    np.savez_compressed(stream, w=np.ones(2), b=np.ones(3))
    assert signs.starts_with(signs.ZIP)(stream.getvalue())
    assert signs.holds_numpy(zipfile.ZipFile(stream).namelist())


@pytest.mark.parametrize("version", [0, 64, 128, 255])
def test_a_protobuf_that_begins_with_no_version_of_onnx_is_none(version):
    """Caffe's and TensorFlow's begin alike."""
    whole = BEGINNINGS["onnx of PyTorch"][1]
    assert signs.is_onnx(whole) and not signs.is_onnx(whole[:1] + bytes([version]) + whole[2:])
