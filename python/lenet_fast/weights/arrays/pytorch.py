"""PyTorch files: zip archives since 1.6, the older layout of five pickles in a row, and TorchScript archives.

A tensor is a call of torch._utils._rebuild_tensor_v2 (storage, offset, size, stride, ...) whose storage lies outside
the pickle, in a member of the archive or behind the pickles. Neither torch nor any class of the file is needed for
that.
"""

from __future__ import annotations

import io
import math
import reprlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...errors import refuse, whole
from ...operations import ACTIVATIONS
from ..files import Archive, File
from ..source import TORCH, Modules, Source
from . import dtypes, pickled, pickled_arrays
from .pickled import Call, Name, Persistent

_TYPES = {
    "FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "BFloat16Storage": dtypes.BFLOAT16,
    "LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?", "UntypedStorage": "u1",
}  # fmt: skip
#: What an untyped storage holds, as the tensor says.
_UNTYPED = {
    "torch.float32": "f4", "torch.float64": "f8", "torch.float16": "f2", "torch.bfloat16": dtypes.BFLOAT16,
    "torch.int64": "i8", "torch.int32": "i4", "torch.int16": "i2", "torch.int8": "i1", "torch.uint64": "u8",
    "torch.uint32": "u4", "torch.uint16": "u2", "torch.uint8": "u1", "torch.bool": "?",
}  # fmt: skip
#: A setting in a sentence; parts of a tuple may be shared, so that all of it would have no end.
_SHALLOW = reprlib.Repr()
_SHALLOW.maxlevel = 1
_ORDERS: dict[bytes, dtypes.Order] = {b"little": "<", b"big": ">"}
_REBUILDS = ("_rebuild_tensor_v2", "_rebuild_tensor", "_rebuild_tensor_v3")
_QUANTISED = ("_rebuild_qtensor", "_rebuild_sparse_tensor", "_rebuild_sparse_csr_tensor")

Storages = Callable[[str], "bytes | memoryview"]


def read_archive(file: File, archive: Archive) -> Source:
    """Read a zip archive: a state dict, a checkpoint, a whole module or TorchScript."""
    member, *others = [name for name in archive.names if name.rpartition("/")[2] == "data.pkl"]
    if others:
        refuse("", "one pickle of PyTorch's", f"{member!r} and {others[0]!r}", "write the file anew")
    root = member[: -len("data.pkl")]
    order = archive.read(root + "byteorder") if root + "byteorder" in archive.names else b"little"
    if order not in _ORDERS:
        refuse("", "an order of bytes, little or big", f"{order[:20]!r}", "write the file anew")
    with whole("a PyTorch archive"):
        tree = pickled.parse(io.BytesIO(archive.read(member)))
        storage = cache(lambda key: archive.read(f"{root}data/{key}"))
        tensors = _tensors(tree, storage, _ORDERS[order])
        modules = _modules(tree)
    is_script = any("/code/" in name for name in archive.names)
    return Source("TorchScript" if is_script else "PyTorch", tensors, TORCH, modules=modules)


def read_legacy(file: File) -> Source:
    """Read the older layout: magic number, version, machine, object, storage keys; then the storages."""
    stream = io.BytesIO(file.data)
    with whole("a PyTorch file"):
        for _ in range(3):
            pickled.parse(stream)
        references: list[Persistent] = []
        tree = pickled.parse(stream, references)
        keys = pickled.parse(stream)
        places = _storage_places(stream, keys, _sizes(references), file.data)
        tensors = _tensors(tree, places.__getitem__, "<")
        modules = _modules(tree)
    return Source("PyTorch", tensors, TORCH, modules=modules)


def _sizes(references: list[Persistent]) -> dict[str, int]:
    """Key of a storage -> bytes of one of its values."""
    storages = [r for r in references if isinstance(r.key, tuple) and len(r.key) > 4 and r.key[0] == "storage"]
    return {_key(storage): dtypes.itemsize(_kind(storage)) for storage in storages}


def _key(reference: Persistent) -> str:
    """What a storage is called."""
    key = reference.key[2]
    if not isinstance(key, (str, int)):
        raise ValueError("a storage without a name")
    return str(key)


def _storage_places(stream: io.BytesIO, keys: Any, sizes: dict[str, int], data: bytes) -> dict[str, memoryview]:
    """Key -> bytes: each storage is a count of values, and the values."""
    places: dict[str, memoryview] = {}
    for key in keys if isinstance(keys, list) else ():
        charge("visits")
        count = int.from_bytes(stream.read(8), "little", signed=True)
        if not isinstance(key, (str, int)):
            raise ValueError("a storage without a name")
        begin, length = stream.tell(), count * sizes.get(str(key), 4)
        if count < 0 or begin + length > len(data):
            raise ValueError(f"storage {key!r} of {count:,} values in {len(data) - begin:,} bytes")
        places[str(key)] = memoryview(data)[begin : begin + length]
        stream.seek(begin + length)
    return places


def _kind(reference: Persistent) -> str:
    name = reference.key[1]
    path = name.path if isinstance(name, Name) else name if isinstance(name, str) else ""
    kind = path.rpartition(".")[2]
    if kind not in _TYPES:
        raise ValueError(f"a storage of {path[:100] or 'no type'}")
    return _TYPES[kind]


def _tensors(tree: Any, storage: Storages, order: dtypes.Order) -> dict[str, NDArray[Any]]:
    return pickled_arrays.named(tree, lambda value: _tensor(value, storage, order))


def _tensor(value: Any, storage: Storages, order: dtypes.Order) -> NDArray[Any] | None:
    """What stands for a tensor, wrapped or not, or for an array of NumPy's."""
    charge("visits")
    if not isinstance(value, Call):
        return pickled_arrays.numpy_array(value)
    function = value.path.rpartition(".")[2]
    if function in _REBUILDS:
        return _rebuilt(value.arguments, storage, order)
    if function in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
        return _tensor(value.arguments[0], storage, order)
    if function == "_rebuild_from_type_v2":
        return _tensor(Call(value.arguments[0], value.arguments[2]), storage, order)
    if function in _QUANTISED:
        refuse("", "plain tensors", f"{function} (quantised or sparse)", "save the float model instead")
    if value.path == "torch.nn.parameter.Parameter" and isinstance(value.arguments, tuple) and value.arguments:
        return _tensor(value.arguments[0], storage, order)
    return pickled_arrays.numpy_array(value)


def _rebuilt(arguments: Any, storage: Storages, order: dtypes.Order) -> NDArray[Any]:
    """The tensor that a call of torch._utils._rebuild_tensor_v2 makes: a view of a storage, checked to lie inside."""
    reference, offset, size, stride = arguments[:4]
    if not isinstance(reference, Persistent):
        raise ValueError("a tensor without a storage")
    kind, data = _kind(reference), storage(_key(reference))
    for beyond in arguments[6:]:
        if isinstance(beyond, Name):  # v3: an untyped storage and a dtype
            kind = _untyped(beyond)
        elif beyond:
            found = "one that is negated or conjugated when it is read"
            refuse("", "plain tensors", found, "save tensor.resolve_neg().resolve_conj().clone()")
    flat = dtypes.values(data, kind, order)
    sizes, strides = dtypes.whole_numbers(size), dtypes.whole_numbers(stride)
    (begin,) = dtypes.whole_numbers((offset,))
    if len(sizes) != len(strides) or min((*sizes, *strides, begin), default=0) < 0:
        raise ValueError(f"a tensor of size {sizes} with strides {strides}")
    if math.prod(sizes) == 0:
        return np.zeros(sizes, flat.dtype)
    last = begin + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
    if last >= len(flat) or math.prod(sizes) > len(flat):
        raise ValueError(f"a tensor of size {sizes} in a storage of {len(flat):,} values")
    return np.lib.stride_tricks.as_strided(flat[begin:], sizes, [s * flat.itemsize for s in strides], writeable=False)


def _untyped(dtype: Name) -> str:
    if dtype.path not in _UNTYPED:
        refuse("", f"tensors of {', '.join(_UNTYPED)}", f"one of {dtype.path}", "save the model in float32")
    return _UNTYPED[dtype.path]


#: Layers of torch.nn as a network of ours would have them; what is not here says nothing.
_ACTIVATIONS = {"ReLU": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid"}
_OTHER_ACTIVATIONS = ("ELU", "SELU", "GELU", "SiLU", "ReLU6", "Softplus", "Hardswish")
_POOLINGS = {"MaxPool2d": "max", "AvgPool2d": "average"}
_WANTED: dict[str, tuple[tuple[str, tuple[Any, ...]], ...]] = {
    "Conv2d": (("stride", (1, (1, 1))), ("dilation", (1, (1, 1))), ("groups", (1,))),
    "MaxPool2d": (("kernel_size", (2, (2, 2))), ("stride", (2, (2, 2), None)), ("padding", (0, (0, 0)))),
    "AvgPool2d": (("kernel_size", (2, (2, 2))), ("stride", (2, (2, 2), None)), ("padding", (0, (0, 0)))),
}


def _modules(tree: Any) -> Modules | None:
    """What the layers of a pickled module say of themselves; refuses those that we do not have."""
    found = Modules()

    def look(value: Any) -> NDArray[Any] | None:
        if isinstance(value, Call) and value.path.startswith("torch.nn.modules.") and isinstance(value.state, dict):
            _note(found, value.path.rpartition(".")[2], value.state)
        return None

    pickled_arrays.named(tree, look)
    return found if found != Modules() else None


def _note(found: Modules, kind: str, state: dict[Any, Any]) -> None:
    for key, wanted in _WANTED.get(kind, ()):
        value = tuple(state[key]) if isinstance(state.get(key), list) else state.get(key, wanted[0])
        if value not in wanted:
            way_out = "only 5x5 convolutions with stride 1 and 2x2 pooling with stride 2 are supported"
            refuse(kind, f"{key} {wanted[0]}", _SHALLOW.repr(value), way_out)
    if kind == "Conv2d":
        padding = state.get("padding")
        if isinstance(padding, tuple) and len(padding) == 2 and padding[0] == padding[1] and type(padding[0]) is int:
            found.paddings.append(padding[0])
    elif kind in ("LeakyReLU", "PReLU"):
        way_out = "pass the live module to lenet_fast.from_torch, or export it to ONNX"
        refuse(kind, "activations without a slope in a pickled module", kind, way_out)
    elif kind in _OTHER_ACTIVATIONS:
        refuse(kind, ACTIVATIONS, kind, "it is not supported")
    found.activations |= {_ACTIVATIONS[kind]} if kind in _ACTIVATIONS else set()
    found.poolings |= {_POOLINGS[kind]} if kind in _POOLINGS else set()
