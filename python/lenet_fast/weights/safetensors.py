"""The safetensors format: 8 bytes of header length (little-endian), a JSON header, then the tensors' bytes.

The header maps each name to its dtype, shape and [begin, end) in the bytes that follow, and "__metadata__" to a map of
text to text. The tensors fill those bytes without a gap. All of this is checked against the file's size before a
tensor is read, so a hostile header cannot make the reader allocate more than the file holds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError, brief
from .files import File, replace_file
from .source import KERAS, TORCH, UNKNOWN, Source, Tensors

_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<V2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U8": "|u1",
    "BOOL": "?",
}
_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}
#: The format's own limit is 100 MB; ten tensors need 2 KB.
_LONGEST_HEADER = 1 << 20
_MOST_AXES = 8


def looks_like(head: bytes) -> bool:
    """Whether a file that begins with `head` can be safetensors: a length, then a JSON object."""
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") > 1


def read(file: File) -> Source:
    """Read a file's tensors and metadata; WeightsError if it is damaged."""
    tensors, metadata = parse(file.data, str(file))
    layout = TORCH if metadata.get("format") == "pt" else KERAS if metadata.get("format") in ("tf", "flax") else UNKNOWN
    return Source("safetensors", tensors, layout, metadata=metadata)


def parse(data: bytes, name: str) -> tuple[Tensors, dict[str, str]]:
    """Return the tensors and the metadata; WeightsError, beginning with `name`, if they are damaged."""
    size = len(data)
    length = int.from_bytes(data[:8], "little")
    if length > min(_LONGEST_HEADER, size - 8):
        raise WeightsError(
            f"{name}: wanted a header of at most {min(_LONGEST_HEADER, size - 8):,} bytes, found a length of {length:,}"
        )
    header = _parse(data[8 : 8 + length], name)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise WeightsError(f"{name}: wanted metadata that maps text to text, found something else")
    layout = sorted((_entry(tensor, entry, name) for tensor, entry in header.items()), key=lambda item: item[2])
    end = 0
    for tensor, _, (begin, until), _ in layout:
        if begin != end:
            raise WeightsError(f"{name}: tensor {tensor!r} wanted at byte {end}, found at byte {begin}")
        end = until
    if end != size - 8 - length:
        raise WeightsError(
            f"{name}: wanted {end:,} bytes of tensors, found {size - 8 - length:,}; the file is truncated or altered"
        )
    tensors = {}
    for tensor, dtype, (begin, until), shape in layout:
        tensors[tensor] = _decoded(data[8 + length + begin : 8 + length + until], dtype, shape)
    return tensors, metadata


def _decoded(data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if dtype.kind == "V":  # bfloat16: the upper half of a float32
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    return np.frombuffer(data, dtype).reshape(shape)


def _parse(text: bytes, name: str) -> dict[str, Any]:
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{name}: wanted a header in JSON, found a damaged one ({brief(error)})") from error
    if not isinstance(header, dict):
        raise WeightsError(f"{name}: wanted a header that is a JSON object, found {type(header).__name__}")
    return header


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("the same name twice")
    return result


def _entry(tensor: str, entry: Any, name: str) -> tuple[str, np.dtype[Any], tuple[int, int], tuple[int, ...]]:
    """Check one header entry: (name, dtype, (begin, end), shape)."""

    def sizes(value: Any, longest: int) -> bool:
        return (
            isinstance(value, list)
            and len(value) <= longest
            and all(type(v) is int and 0 <= v < 1 << 48 for v in value)
        )

    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise WeightsError(f"{name}: tensor {tensor!r} wanted dtype, shape and data_offsets, found something else")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise WeightsError(f"{name}: tensor {tensor!r} wanted a dtype of {', '.join(_DTYPES)}, found {dtype!r:.40}")
    if not sizes(shape, _MOST_AXES) or not sizes(offsets, 2) or len(offsets) != 2:
        raise WeightsError(f"{name}: tensor {tensor!r} wanted a shape and two data_offsets, found damaged ones")
    wanted = math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize
    if offsets[1] - offsets[0] != wanted:
        raise WeightsError(f"{name}: tensor {tensor!r} wanted {wanted:,} bytes, found {offsets[1] - offsets[0]:,}")
    return tensor, np.dtype(_DTYPES[dtype]), (offsets[0], offsets[1]), tuple(shape)


def write(path: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Write a file; see `replace_file`."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, array in tensors.items():
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [end, end + array.nbytes],
        }
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    data = [np.ascontiguousarray(array).tobytes() for array in tensors.values()]
    replace_file(path, b"".join([len(text).to_bytes(8, "little"), text, *data]))
