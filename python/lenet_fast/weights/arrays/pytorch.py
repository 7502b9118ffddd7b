"""PyTorch files: zip archives since 1.6, the older layout of five pickles in a row, and TorchScript archives.

A tensor is a call of torch._utils._rebuild_tensor_v2 (storage, offset, size, stride, ...) whose storage lies outside
the pickle, in a member of the archive or behind the pickles. Neither torch nor any class of the file is needed for
that.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...errors import refuse
from ..files import Archive, File
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
_ORDERS: dict[bytes, dtypes.Order] = {b"little": "<", b"big": ">"}
_REBUILDS = ("_rebuild_tensor_v2", "_rebuild_tensor", "_rebuild_tensor_v3")
_QUANTISED = ("_rebuild_qtensor", "_rebuild_sparse_tensor", "_rebuild_sparse_csr_tensor")

Storages = Callable[[str], "bytes | memoryview"]


@dataclass(frozen=True)
class Saved:
    """What a file of PyTorch's holds: the object as a tree, and how to get the bytes of a storage and their order."""

    tree: Any
    storage: Storages
    order: dtypes.Order

    def tensor(self, value: Any) -> NDArray[Any] | None:
        """The array of what stands for a tensor in the tree; None for anything else."""
        return _tensor(value, self.storage, self.order)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Every array by the path to it."""
        return pickled_arrays.named(self.tree, self.tensor)


def opened(archive: Archive) -> Saved:
    """Open a zip archive: a state dict, a checkpoint, a whole module or TorchScript."""
    member, *others = [name for name in archive.names if name.rpartition("/")[2] == "data.pkl"]
    if others:
        refuse("", "one pickle of PyTorch's", f"{member!r} and {others[0]!r}", "write the file anew")
    root = member[: -len("data.pkl")]
    order = archive.read(root + "byteorder") if root + "byteorder" in archive.names else b"little"
    if order not in _ORDERS:
        refuse("", "an order of bytes, little or big", f"{order[:20]!r}", "write the file anew")
    tree = pickled.parse(io.BytesIO(archive.read(member)))
    return Saved(tree, cache(lambda key: archive.read(f"{root}data/{key}")), _ORDERS[order])


def opened_legacy(file: File) -> Saved:
    """Open the older layout: magic number, version, machine, object, storage keys; then the storages."""
    stream = io.BytesIO(file.data)
    for _ in range(3):
        pickled.parse(stream)
    references: list[Persistent] = []
    tree = pickled.parse(stream, references)
    keys = pickled.parse(stream)
    return Saved(tree, _storage_places(stream, keys, _sizes(references), file.data).__getitem__, "<")


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
