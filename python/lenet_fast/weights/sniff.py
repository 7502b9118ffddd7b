"""What a file is, by its content: a table of formats, each with the reader that knows it.

A reader is loaded when a file of its kind comes. What goes wrong inside one gets the file's name here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

from ..errors import inside, refuse
from . import signatures as signs
from .files import Archive, File
from .partners import refuse_part
from .source import Source


@dataclass(frozen=True)
class Format:
    """A format: its name, whether a file's bytes may be of it, and the module and function that read it."""

    name: str
    looks_like: Callable[[bytes], bool]
    module: str
    function: str = "read"

    def read(self, file: File) -> Source:
        """What the reader makes of a file."""
        reader = getattr(import_module(f".{self.module}", __package__), self.function)
        return cast("Callable[[File], Source]", reader)(file)


@dataclass(frozen=True)
class Packed:
    """A format inside a zip archive: whether it may be, by the names of its members, and what reads it."""

    holds: Callable[[list[str]], bool]
    module: str

    def read(self, file: File, archive: Archive) -> Source:
        """What the reader makes of the archive."""
        reader = import_module(f".{self.module}", __package__).read_archive
        return cast("Callable[[File, Archive], Source]", reader)(file, archive)


#: In this order: first what a few certain bytes tell, last what is told by its shape.
FORMATS = (
    Format("zip", signs.starts_with(signs.ZIP), "sniff", "read_zip"),
    Format("HDF5", signs.starts_with(signs.HDF5), "graphs.keras", "read_hdf5"),
    Format("npy", signs.starts_with(signs.NUMPY), "arrays.numpy"),
    Format("TFLite", signs.is_tflite, "graphs.tflite"),
    Format("MXNet", signs.starts_with(signs.MXNET), "arrays.mxnet"),
    Format("MATLAB", signs.is_matlab, "arrays.matlab"),
    Format("TensorFlow checkpoint", signs.is_tensorflow, "arrays.tensorflow"),
    Format("PyTorch", signs.is_old_torch, "graphs.torch_file", "read_legacy"),
    Format("OpenVINO", signs.is_openvino, "graphs.openvino_ir"),
    Format("ncnn", signs.is_ncnn, "graphs.ncnn"),
    Format("safetensors", signs.is_safetensors, "arrays.safetensors"),
    Format("Core ML", signs.is_mlmodel, "graphs.coreml"),
    Format("ONNX", signs.is_onnx, "graphs.onnx"),
    Format("Caffe", signs.is_caffe, "graphs.caffe"),
    Format("MindSpore", signs.is_mindspore, "arrays.mindspore"),
    Format("Flax", signs.is_flax, "arrays.flax"),
    Format("pickle", signs.is_pickle, "arrays.pickles"),  # behind PyTorch, whose older files are pickles too
    Format("TensorRT", signs.is_tensorrt, "arrays.tensorrt"),
    Format("C", signs.is_c_header, "arrays.c_header"),
    Format("text", signs.is_text, "arrays.text"),
)

_PACKED = (
    Packed(signs.holds_torch, "graphs.torch_file"),
    Packed(signs.holds_keras, "graphs.keras"),
    Packed(signs.holds_numpy, "arrays.numpy"),
)

#: For messages.
SUPPORTED = (
    "safetensors", "npz", "PyTorch", "Keras", "ONNX", "TFLite", "Caffe", "OpenVINO", "ncnn", "TensorFlow", "MXNet",
    "MATLAB", "Flax", "Paddle", "Core ML", "MindSpore", "TensorRT .wts", "C headers",
)  # fmt: skip

#: Graphs in protobuf that begin as ONNX does, or nearly so: first bytes, what it is, and the way out.
_GRAPHS: tuple[tuple[bytes, str, str], ...] = (
    (rb"\x08\x01\x12.{2,4}[\n\x12]", "the graph of a TensorFlow SavedModel",
     "pass the folder for its weights with network=, or convert it with tf2onnx"),
    (rb"\n.{1,3}\n.{1,60}\x12\x0b?(Placeholder|Const)", "a frozen TensorFlow graph", "convert it with tf2onnx"),
)  # fmt: skip

#: What people hand over by mistake: the first bytes, what it is, and the way out.
_MISTAKES: tuple[tuple[bytes, str, str], ...] = (
    (rb"version https://git-lfs", "a Git LFS pointer", "fetch the file itself with 'git lfs pull'"),
    (rb"\s*<(!doctype html|html|head|\?xml[^>]*>\s*<!doctype html)", "a web page",
     "download the file itself ('raw'), not the page about it"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|BM", "a picture", "the command lenet-fast predict reads pictures"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ", "a compressed file", "unpack it first"),
    (rb"Rar!|7z\xbc\xaf", "an archive", "unpack it first"),
    (rb"[\xd8-\xda]\x5e\x3a\x7f", "an encrypted MindSpore checkpoint", "save it without enc_key"),
    (rb"\x00\x00\x08[\x01-\x04]", "IDX images or labels", "that is a data set, not a model"),
    (rb"%PDF", "a PDF document", "that is no model"),
    (rb"\x7fELF|MZ", "a program", "that is no model"),
    (rb"\s*\{", "JSON", "a network without its weights cannot be loaded: save both"),
    (rb"(#|import |from |def |class )", "text, a program perhaps", "run it and save the trained model"),
)  # fmt: skip


def read(path: Path) -> Source:
    """Read a file or folder of any supported format; WeightsError, with its name, says what it is otherwise.

    What goes out beside that: OSError where the path itself cannot be opened, ImportError where a package is missing,
    MemoryError where the machine has no more.
    """
    if path.is_dir():
        os.scandir(path).close()  # OSError if it cannot be opened
        with inside(str(path)):
            return _read_folder(path)
    file = File.open(path)
    with inside(str(path)):
        return _read_file(file)


def _read_folder(path: Path) -> Source:
    from .arrays import tensorflow, text

    if (path / "Data" / "com.apple.CoreML").exists():
        found, way_out = "a Core ML package", "load a .mlmodel, as convert_to='neuralnetwork' makes it"
        refuse("", "a folder of weights", found, way_out)
    index = tensorflow.index_in(path)
    return text.read_folder(path) if index is None else tensorflow.read(File.in_folder(index))


def format_of(data: bytes) -> Format | None:
    """The format that a file's bytes are of."""
    return next((form for form in FORMATS if form.looks_like(data)), None)


def _read_file(file: File) -> Source:
    if not file.data:
        refuse("", "a model", "an empty file", "the download or the saving was cut off")
    for pattern, found, way_out in _GRAPHS:
        if re.match(pattern, file.data[:256], re.DOTALL) and not signs.is_mlmodel(file.data):  # which may begin alike
            refuse("", "a model that is read here", found, way_out)
    form = format_of(file.data)
    if form is not None:
        return form.read(file)
    refuse_part(file.path.name)
    for pattern, found, way_out in _MISTAKES:
        if re.match(pattern, file.data[:256], re.IGNORECASE):
            refuse("", "a model", found, way_out)
    formats = ", ".join(SUPPORTED)
    return refuse("", "a model", f"none of the formats that are read here ({formats})", "export it to ONNX")


def read_zip(file: File) -> Source:
    """Read a zip archive by what is in it."""
    archive = Archive(file)
    for packed in _PACKED:
        if packed.holds(archive.names):
            return packed.read(file, archive)
    found = f"a zip archive of {', '.join(archive.names[:3]) or 'nothing'}"
    return refuse("", "a model (PyTorch, Keras or .npz)", found, "unpack it and load what is inside")
