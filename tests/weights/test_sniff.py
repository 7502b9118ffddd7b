"""weights/sniff.py: a file is what its content says, whatever its name, and only one format claims it."""

from __future__ import annotations

import io
import pickle
import zipfile

import lenet_fast
import numpy as np
import pytest
from lenet_fast import WeightsError
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
    "caffemodel": ("Caffe", b"\n\x05LeNet\xa2\x06\x10\n\x04data\x12\x05Input\x22\x01x" + bytes(20)),
    "prototxt": ("Caffe", b'name: "LeNet"\nlayer {\n  name: "data"\n}\n'),
    "flax": ("Flax", b"\x81\xa6params\x81\xa5Dense\x81\xa6kernel\xc7\x20\x01\x93\x92\x01\x01\xa7float32\xc4\x04" + bytes(20)),
    "pickle": ("pickle", pickle.dumps({"w": np.ones(3)})),
    "text": ("text", b"0.5 0.25\n-1 2e-3\n"),
}  # fmt: skip


def claims(data):
    """The formats that take this for theirs, in the order in which they are asked."""
    return [form.name for form in sniff.FORMATS if form.looks_like(data)]


@pytest.mark.parametrize("name", BEGINNINGS)
def test_one_format_claims_a_file(name):
    """The first that claims it reads it, so where two would, the surer one is asked first."""
    wanted, data = BEGINNINGS[name]
    others = {"PyTorch": ["pickle"], "MXNet": ["Caffe"]}  # five pickles in a row; a field of an empty layer
    assert claims(data) == [wanted, *others.get(wanted, [])]


# --- what people hand over by mistake ---


def refused(path, data):
    path.write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        lenet_fast.load(path)
    assert str(caught.value).startswith(f"{path}: wanted a model")
    return str(caught.value)


MISTAKES = {
    "nothing": (b"", "an empty file", "cut off"),
    "a word": (b"hello", "none of the formats that are read here", "export it to ONNX"),
    "a PNG": (b"\x89PNG\r\n\x1a\n" + bytes(64), "a picture", "lenet_fast.predict"),
    "a JPEG": (b"\xff\xd8\xff\xe0" + bytes(64), "a picture", "lenet_fast.predict"),
    "a GIF": (b"GIF89a" + bytes(64), "a picture", "lenet_fast.predict"),
    "a bitmap": (b"BM\x36\0" + bytes(64), "a picture", "lenet_fast.predict"),
    "a web page": (b"<!DOCTYPE html><html>", "a web page", "'raw'"),
    "a web page in capitals": (b"\n <HTML><body>", "a web page", "'raw'"),
    "a web page in XML": (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC>', "a web page", "'raw'"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "a Git LFS pointer", "git lfs pull"),
    "gzip": (b"\x1f\x8b\x08" + bytes(64), "a compressed file", "unpack it first"),
    "bzip2": (b"BZh91AY&SY" + bytes(64), "a compressed file", "unpack it first"),
    "xz": (b"\xfd7zXZ\0" + bytes(64), "a compressed file", "unpack it first"),
    "RAR": (b"Rar!\x1a\x07" + bytes(64), "an archive", "unpack it first"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(64), "an archive", "unpack it first"),
    "IDX images": (b"\0\0\x08\x03" + bytes(64), "IDX images or labels", "a data set"),
    "IDX labels": (b"\0\0\x08\x01" + bytes(64), "IDX images or labels", "a data set"),
    "a PDF": (b"%PDF-1.7" + bytes(64), "a PDF document", "no model"),
    "a program": (b"\x7fELF\x02" + bytes(64), "a program", "no model"),
    "a program of Windows": (b"MZ\x90\0" + bytes(64), "a program", "no model"),
    "JSON": (b'{"layers": []}', "JSON", "save both"),
    "a Python program": (b"import torch\n", "text, a program perhaps", "save the trained model"),
    "a function": (b"def train():\n", "text, a program perhaps", "save the trained model"),
    "Core ML": (b"\x08\x04\x12\x20\n\x05image" + bytes(64), "a Core ML model", "ONNX"),
    "the graph of a SavedModel": (b"\x08\x01\x12\x80\x80\x01\n" + bytes(64), "the graph of a TensorFlow SavedModel", "folder"),
    "a frozen graph": (b"\n\x30\n\x01x\x12\x0bPlaceholder" + bytes(64), "a frozen TensorFlow graph", "tf2onnx"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_no_model_is_said_with_a_way_out(tmp_path, name):
    data, found, way_out = MISTAKES[name]
    sentence = refused(tmp_path / "m.onnx", data)
    assert f"found {found}" in sentence and way_out in sentence.partition(f"found {found}")[2]


def test_a_zip_archive_of_something_else_says_of_what(tmp_path):
    for members in ((), ("lenet.pth",), ("a", "b", "c", "d")):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name in members:
                archive.writestr(name, b"")
        data = stream.getvalue()
        if members:
            assert f"a zip archive of {', '.join(members[:3])};" in refused(tmp_path / "m.zip", data)
        else:
            refused(tmp_path / "m.zip", data)


def test_a_folder_is_one_of_texts_or_of_a_checkpoint(tmp_path):
    with pytest.raises(WeightsError, match="wanted"):
        lenet_fast.load(tmp_path)
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "variables.index").write_bytes(BEGINNINGS["tensorflow"][1])
    with pytest.raises(WeightsError, match="TensorFlow checkpoint"):
        lenet_fast.load(tmp_path)
