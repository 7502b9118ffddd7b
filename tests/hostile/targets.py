"""What is fuzzed: for each format, how bytes become files, which files to begin with, and words that help.

A file with companions, or an archive, is made of parts: four bytes of length, then as many bytes, and so on. So a
fuzzer changes what is inside an archive, or behind a checksum, and not only the archive.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import arrays, beside, described, opcodes, texts

Files = dict[str, bytes]
SMALL = {"network": "small", "flatten": "CHW"}
_MOST_PARTS = 16


def parts_of(data: bytes) -> list[bytes]:
    """The parts of an input; a length that is too large takes what is left."""
    found: list[bytes] = []
    while data and len(found) < _MOST_PARTS:
        size = int.from_bytes(data[:4], "little")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found or [b""]


def joined(parts: Sequence[bytes]) -> bytes:
    """An input of these parts."""
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


@dataclass(frozen=True)
class Target:
    """One format.

    Parameters
    ----------
    files
        From an input to files by name, of which the first is loaded; "" for the folder.
    seeds
        Names of the files to begin with, in tests/weights/test_hostile.py.
    begun
        From such a file to an input.
    reader
        The name of its format, where the file goes to that reader whatever its first bytes are.
    options
        Keyword arguments of `lenet_fast.load`; the network "small" is that of attack.py.
    tokens
        Words of the format, for the fuzzer's dictionary.
    """

    files: Callable[[bytes], Files]
    seeds: tuple[str, ...] = ()
    begun: Callable[[Path], bytes] = lambda path: path.read_bytes()
    reader: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    tokens: tuple[str | bytes, ...] = ()

    def made(self, folder: Path, data: bytes) -> Path:
        """Write the files of an input into a folder; returns the path to load."""
        files = self.files(data)
        for name, content in files.items():
            if name:
                (folder / name).write_bytes(content)
        first = next(iter(files))
        return folder / first if first else folder


# --- one file ---


def _plain(name: str) -> Callable[[bytes], Files]:
    return lambda data: {name: data}


def _two(name: str, other: str) -> Callable[[bytes], Files]:
    """A file and its companion."""

    def files(data: bytes) -> Files:
        first, *rest = parts_of(data)
        return {name: first, other: b"".join(rest[:1])}

    return files


def _with(ending: str) -> Callable[[Path], bytes]:
    return lambda path: joined([path.read_bytes(), path.with_suffix(ending).read_bytes()])


# --- archives ---


def _zipped(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def _unzipped(*names: str) -> Callable[[Path], bytes]:
    """An input of members, those whose names end so, or all."""

    def begun(path: Path) -> bytes:
        with zipfile.ZipFile(path) as archive:
            found = archive.namelist()
            chosen = [next((n for n in found if n.endswith(name)), "") for name in names] or found
            return joined([archive.read(name) if name else b"" for name in chosen])

    return begun


def _npz(data: bytes) -> Files:
    members = {f"a{n}.npy": part for n, part in enumerate(parts_of(data)[1:])}
    description = parts_of(data)[0]
    return {"m.npz": _zipped({**({"__lenet_fast__.npy": description} if description else {}), **members})}


def _torch(data: bytes) -> Files:
    names = ("m/data.pkl", *(f"m/data/{n}" for n in range(8)))
    return {"m.pt": _zipped(dict(zip(names, parts_of(data), strict=False)))}


def _keras(data: bytes) -> Files:
    config, *rest = parts_of(data)
    return {"m.keras": _zipped({"config.json": config, "model.weights.h5": b"".join(rest[:1])})}


def _torch_code(data: bytes) -> Files:
    return {"m.pt": beside.script_of(data)}


def _module(data: bytes) -> Files:
    """A pickle whose tensors all lie in one storage."""
    return {"m.pt": opcodes.torch_zip(data.removesuffix(b"."), bytes(400))}


def _layers(path: Path) -> bytes:
    """A Sequential of a convolution and what is behind it, and settings beside it."""
    return beside.checkpoint_of_layers()


# --- behind checksums ---


def _ours(data: bytes) -> Files:
    """A description as text, whose checksum is made right."""
    tensors, text = described.SMALL
    try:
        changed = json.loads(data)
        if isinstance(changed, dict) and "sha256" in changed:
            changed["sha256"] = json.loads(text)["sha256"]
        data = json.dumps(changed).encode()
    except (ValueError, RecursionError):
        pass
    return {"m.safetensors": described.as_safetensors(tensors, data.decode("utf-8", "replace"))}


def _tensorflow(data: bytes) -> Files:
    values, *blocks = parts_of(data)
    return {"m.index": arrays.index(blocks or [b""]), "m.data-00000-of-00001": values}


def _tensorflow_graph(data: bytes) -> Files:
    variable = {b"a": (1, (1,), 0, 4)}
    return {"m.index": arrays.checkpoint(variable), "m.data-00000-of-00001": bytes(4), "m.meta": data}


def _config(data: bytes) -> Files:
    return {"model.safetensors": beside.WEIGHT, "config.json": data}


def _variables(path: Path) -> bytes:
    """Two variables, as an input."""
    entries = {b"a": (1, (4,), 0, 16), b"b/.ATTRIBUTES/VARIABLE_VALUE": (14, (2, 2), 8, 8)}
    return joined([bytes(16), arrays.records(entries)])


def _folder(data: bytes) -> Files:
    names = ("a.txt", "b.csv", "c.npy", "d2.txt", "e.hex", "f")
    return {"": b"", **dict(zip(names, parts_of(data), strict=False))}


def _numbers(path: Path) -> bytes:
    npy = opcodes.npy(bytes(84), "'<f4'", "(7, 3)")
    return joined([b"# shape 2 2\n1 2.5e3, -.5; +4\n", b"1,2\n3,4\n", npy, b"# remark\n1\n2\n"])


def _words(path: Path) -> bytes:
    memory = b"memory_initialization_radix=16;\nmemory_initialization_vector=\n0012,FF3A;"
    return joined(
        [b"FF3A // remark\n0012\n", b"@0000\n0001 8000\n", opcodes.npy(bytes(8), "'<f4'", "(2,)"), b"", memory]
    )


def _wts(path: Path) -> bytes:
    return b"3\nC1.weight 2 3f800000 bf800000\nC1.bias 0 1 0\nF3.bias 1 2 3c00 b800\n"


_PICKLED = ("numpy.core.multiarray", "_reconstruct", "collections", "OrderedDict", "torch._utils", "_rebuild_tensor_v2")
_JSON = ('"shape"', '"dtype"', '"data_offsets"', "__metadata__", "F32", "BF16", "\\ud800", "1e999", "null", "[[[[")
_LAYERS = ("Sequential", "Functional", "class_name", "config", "layers", "Conv2D", "Dense", "Flatten", "inbound_nodes")
_OURS = ("Conv5x5", "Subsample2x2", "Dense", "RBF", "connections", "padding", "slope", "calibration", "preprocess")

TARGETS: dict[str, Target] = {
    "safetensors": Target(_plain("m.safetensors"), ("m.safetensors",), reader="safetensors", options=SMALL, tokens=_JSON),
    "ours": Target(_ours, ("m.safetensors",), described.text_of, tokens=(*_JSON, *_OURS)),
    "npz": Target(_npz, ("m.npz",), _unzipped(), options=SMALL, tokens=("descr", "fortran_order", "shape", "<f4", "|O")),
    "npy": Target(_plain("m.npy"), ("m.npy",), reader="npy", options=SMALL, tokens=_PICKLED),
    "pickle": Target(_plain("m.pkl"), ("m.pkl",), reader="pickle", options=SMALL, tokens=_PICKLED),
    "torch": Target(
        _torch, ("m.pth",), _unzipped("data.pkl", "data/0", "data/1"), options=SMALL,
        tokens=(*_PICKLED, "FloatStorage", "BFloat16Storage", "_rebuild_parameter", "storage", "cpu"),
    ),
    "torch_code": Target(
        _torch_code, (), lambda path: beside.CODE, options=SMALL,
        tokens=("torch.leaky_relu(", "torch.conv2d(", "torch.max_pool2d(", "__torch__.torch.nn.functional.", "[2, 2]", '"same"'),
    ),
    "torch_module": Target(
        _module, (), _layers, options=SMALL,
        tokens=(*_PICKLED, "torch.nn.modules.", "Sequential", "Conv2d", "_modules", "_parameters", "padding", "config", "activation"),
    ),
    "settings": Target(
        _config, (), lambda path: b'{"config": {"activation": "LeakyReLU(0.1)", "pooling": {"type": "max"}}, "slope": 0.1}',
        options=SMALL, tokens=("activation", "pooling", "slope", "hidden_act", "model", "leaky_relu", "avg", *_JSON),
    ),
    "torch_legacy": Target(_plain("m.pt"), ("old.pth", "whole.pth"), reader="PyTorch", options=SMALL, tokens=_PICKLED),
    "keras": Target(_keras, ("m.keras",), _unzipped("config.json", "model.weights.h5"), tokens=_LAYERS),
    "hdf5": Target(_plain("m.h5"), ("m.h5",), reader="HDF5", options=SMALL, tokens=("GCOL", "TREE", "SNOD", "HEAP")),
    "onnx": Target(_plain("m.onnx"), ("m.onnx",), reader="ONNX", tokens=("Conv", "MatMul", "Concat", "Reshape", "Constant")),
    "tflite": Target(_plain("m.tflite"), ("m.tflite",), reader="TFLite", tokens=("TFL3",)),
    "caffe": Target(_plain("m.caffemodel"), ("m.caffemodel",), reader="Caffe", tokens=("Convolution", "InnerProduct")),
    "prototxt": Target(
        _two("m.prototxt", "m.caffemodel"), ("m.caffemodel",), texts.prototxt_of,
        tokens=("layer {", "layers {", "input_dim:", "input_param", "convolution_param", "type:", "top:", "bottom:"),
    ),
    "openvino": Target(
        _two("m.xml", "m.bin"), ("m.xml",), _with(".bin"), reader="OpenVINO",
        tokens=("<layer", "<edge", "<port", "Parameter", "Const", "MatMul", "Result", "element_type=", "offset="),
    ),
    "ncnn": Target(
        _two("m.param", "m.bin"), ("m.param",), _with(".bin"), reader="ncnn",
        tokens=("7767517", "Convolution", "InnerProduct", "Pooling", "BinaryOp", "0=", "-23330="),
    ),
    "coreml": Target(
        _plain("m.mlmodel"), ("m.mlmodel",), reader="Core ML",
        tokens=(b"\xa2\x06", b"\xc2\x07", b"\x82\x08", b"\xe2\x08", b"\xfa\x0a", b"\xea\x12", b"\x92\x20", "input", "output"),
    ),
    "tensorflow": Target(_tensorflow, (), _variables, options=SMALL, tokens=("/.ATTRIBUTES/VARIABLE_VALUE", "_variables")),
    "tensorflow_graph": Target(
        _tensorflow_graph, (), lambda path: beside.GRAPH, options=SMALL,
        tokens=("Conv2D", "LeakyRelu", "MaxPool", "padding", "strides", "ksize", "alpha", "SAME", "VALID"),
    ),
    "mxnet": Target(_plain("m.params"), ("m.params",), reader="MXNet", options=SMALL, tokens=("arg:", "aux:")),
    "matlab": Target(_plain("m.mat"), ("m.mat",), reader="MATLAB", options=SMALL, tokens=("layers", "weights")),
    "mindspore": Target(_plain("m.ckpt"), ("m.ckpt",), reader="MindSpore", options=SMALL, tokens=("Float32", "BFloat16", "str", "crc_num", "moments.")),
    "flax": Target(_plain("m.msgpack"), ("m.msgpack",), reader="Flax", options=SMALL, tokens=("__msgpack_chunked_array__", "shape", "chunks", "float32", "params")),
    "folder": Target(_folder, (), _numbers, options=SMALL, tokens=("# shape", "\n", "e-5", "\\ufeff")),
    "words": Target(_folder, (), _words, options={**SMALL, "fraction_bits": 8}, tokens=("0x", "\n", ";", "memory_initialization_radix=16;")),
    "c_header": Target(
        _plain("m.h"), ("m.h",), reader="C", options=SMALL,
        tokens=("const float a[1]=", "{0};", "#define N ", "#ifdef N\n", "#ifndef N\n", "#endif\n", 'extern "C" {', "/*", "*/", "typedef float t;", "0x1p", "[N]"),
    ),
    "tensorrt": Target(_plain("m.wts"), (), _wts, reader="TensorRT", options=SMALL, tokens=("3f800000 ", "\n", " 1 ", " 0 ")),
    "sniff": Target(
        _plain("m"), ("m.npz", "m.pth", "m.keras"),
        tokens=(b"\x89HDF\r\n\x1a\n", b"\x93NUMPY", "TFL3", "PK\x03\x04", "layer {", "7767517", "<net version="),
    ),
}  # fmt: skip
