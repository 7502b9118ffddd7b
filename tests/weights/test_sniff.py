"""weights/sniff.py: a file is what its content says, whatever its name, and only one format claims it."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest
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
