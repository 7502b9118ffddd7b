"""What a file is, by its content: a table of formats, each with the reader that knows it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import WeightsError
from . import (
    caffe,
    flax,
    hdf5,
    keras,
    matlab,
    mxnet,
    ncnn,
    numpy,
    onnx,
    openvino_ir,
    pickles,
    pytorch,
    safetensors,
    tensorflow,
    text,
    tflite,
)
from .files import Archive, File
from .source import Source


@dataclass(frozen=True)
class Format:
    """A format: its name, whether a file's first bytes may be of it, and its reader."""

    name: str
    looks_like: Callable[[bytes], bool]
    read: Callable[[File], Source]


def _read_zip(file: File) -> Source:
    archive = Archive(file)
    names = archive.names
    if pytorch.is_archive(names):
        return pytorch.read_archive(file, archive)
    if keras.is_archive(names):
        return keras.read_archive(file, archive)
    if numpy.is_archive(names):
        return numpy.read_archive(file, archive)
    raise WeightsError(
        f"{file}: wanted a model (PyTorch, Keras or .npz), found a zip archive of {', '.join(names[:3]) or 'nothing'}; "
        "unpack it and load what is inside"
    )


#: In this order: first what a few certain bytes tell, last what is told by its shape.
FORMATS = (
    Format("zip", lambda data: data.startswith(b"PK\x03\x04"), _read_zip),
    Format("HDF5", hdf5.looks_like, keras.read_hdf5),
    Format("npy", numpy.looks_like, numpy.read),
    Format("TFLite", tflite.looks_like, tflite.read),
    Format("MXNet", mxnet.looks_like, mxnet.read),
    Format("MATLAB", matlab.looks_like, matlab.read),
    Format("TensorFlow checkpoint", tensorflow.looks_like, tensorflow.read),
    Format("PyTorch", pytorch.is_legacy, pytorch.read_legacy),
    Format("OpenVINO", openvino_ir.looks_like, openvino_ir.read),
    Format("ncnn", ncnn.looks_like, ncnn.read),
    Format("safetensors", safetensors.looks_like, safetensors.read),
    Format("ONNX", onnx.looks_like, onnx.read),
    Format("Caffe", caffe.looks_like, caffe.read),
    Format("Flax", flax.looks_like, flax.read),
    Format("pickle", pickles.looks_like, pickles.read),  # behind PyTorch, whose older files are pickles too
    Format("text", text.looks_like, text.read),
)

#: Graphs in protobuf that begin as ONNX does, or nearly so: first bytes, what it is, and the way out.
_GRAPHS: tuple[tuple[bytes, str, str], ...] = (
    (rb"\x08[\x01-\x09]\x12.{1,2}\n", "a Core ML model", "convert the original to ONNX"),
    (rb"\x08\x01\x12.{2,4}[\n\x12]", "the graph of a TensorFlow SavedModel",
     "pass the folder for its weights with network=, or convert it with tf2onnx"),
    (rb"\n.{1,3}\n.{1,60}\x12\x0b?(Placeholder|Const)", "a frozen TensorFlow graph", "convert it with tf2onnx"),
)  # fmt: skip

#: What people hand over by mistake: the first bytes, what it is, and the way out.
_MISTAKES: tuple[tuple[bytes, str, str], ...] = (
    (rb"version https://git-lfs", "a Git LFS pointer", "fetch the file itself with 'git lfs pull'"),
    (rb"\s*<(!doctype html|html|head|\?xml[^>]*>\s*<!doctype html)", "a web page",
     "download the file itself ('raw'), not the page about it"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|BM", "a picture", "lenet_fast.predict reads pictures; load wants a model"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ", "a compressed file", "unpack it first"),
    (rb"Rar!|7z\xbc\xaf", "an archive", "unpack it first"),
    (rb"\x00\x00\x08[\x01-\x04]", "IDX images or labels", "that is a data set, not a model"),
    (rb"%PDF", "a PDF document", "that is no model"),
    (rb"\x7fELF|MZ", "a program", "that is no model"),
    (rb"\s*\{", "JSON", "a network without its weights cannot be loaded: save both"),
    (rb"(#|import |from |def |class )", "text, a program perhaps", "run it and save the trained model"),
)  # fmt: skip


def read(path: Path) -> Source:
    """Read a file of any supported format; WeightsError says what it is otherwise."""
    if path.is_dir():
        index = tensorflow.index_in(path)
        return text.read_folder(path) if index is None else tensorflow.read(File.open(index))
    file = File.open(path)
    if not file.data:
        raise WeightsError(f"{file}: wanted a model, found an empty file; the download or the saving was cut off")
    for pattern, found, way_out in _GRAPHS:
        if re.match(pattern, file.data[:256], re.DOTALL):
            raise WeightsError(f"{file}: wanted a model that is read here, found {found}; {way_out}")
    for form in FORMATS:
        if form.looks_like(file.data):
            return form.read(file)
    for pattern, found, way_out in _MISTAKES:
        if re.match(pattern, file.data[:256], re.IGNORECASE):
            raise WeightsError(f"{file}: wanted a model, found {found}; {way_out}")
    raise WeightsError(
        f"{file}: wanted a model, found none of the formats that are read here ({', '.join(SUPPORTED)}); "
        "export it to ONNX"
    )


#: For messages and the README.
SUPPORTED = (
    "safetensors", "npz", "PyTorch", "Keras", "ONNX", "TFLite", "Caffe", "OpenVINO", "ncnn", "TensorFlow", "MXNet",
    "MATLAB", "Flax", "Paddle",
)  # fmt: skip
