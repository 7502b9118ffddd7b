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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...errors import refuse
from .. import json_text, settings
from ..description import KEY
from ..files import File, replace_file
from ..source import KERAS, TORCH, UNKNOWN, Source, Tensors
from . import dtypes

_DTYPES = {
    "F64": "f8", "F32": "f4", "F16": "f2", "BF16": dtypes.BFLOAT16, "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
    "U8": "u1", "BOOL": "?",
}  # fmt: skip
_NAMES = {np.dtype(kind): name for name, kind in _DTYPES.items() if kind != dtypes.BFLOAT16}
_LAYOUTS = {"pt": TORCH, "tf": KERAS, "flax": KERAS}
#: The format's own limit is 100 MB; ten tensors need 2 KB.
_LONGEST_HEADER = 1 << 20


def read(file: File) -> Source:
    """Read a file's tensors and metadata; WeightsError if it is damaged."""
    tensors, metadata = parse(file.data)
    said = [] if KEY in metadata else [settings.said_in(metadata, "in its metadata"), *settings.beside(file)]
    layout = _LAYOUTS.get(metadata.get("format", ""), UNKNOWN)
    return Source("safetensors", tensors, layout, metadata=metadata, said=said)


_ALTERED = "the file is truncated or altered: get it again"
_REWRITE = "write the file anew with the safetensors package"


def parse(data: bytes) -> tuple[Tensors, dict[str, str]]:
    """Return the tensors and the metadata; WeightsError if they are damaged."""
    length = int.from_bytes(data[:8], "little")
    most = min(_LONGEST_HEADER, len(data) - 8)
    if length > most:
        refuse("", f"a header of at most {most:,} bytes", f"one of {length:,}", _ALTERED)
    header = json_text.parsed(data[8 : 8 + length], "a header in JSON")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        refuse("", "metadata that maps text to text", "something else", _REWRITE)
    entries = sorted(
        (_entry(name, entry) for name, entry in header.items()), key=lambda entry: (entry.begin, entry.end)
    )
    _check_without_gaps(entries, len(data) - 8 - length)
    bytes_of_tensors = memoryview(data)[8 + length :]
    return {entry.name: entry.array(bytes_of_tensors) for entry in entries}, metadata


class _Entry(NamedTuple):
    """What the header says of a tensor."""

    name: str
    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int

    def array(self, data: memoryview) -> NDArray[Any]:
        """Its values, out of the bytes of all tensors."""
        return dtypes.values(data[self.begin : self.end], self.kind).reshape(self.shape)


def _entry(name: str, entry: Any) -> _Entry:
    """Check one entry of the header."""
    charge("visits", 5)
    what = f"tensor {name!r}"
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        refuse(what, "dtype, shape and data_offsets in the header", "something else", _REWRITE)
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        refuse(what, f"a dtype of {', '.join(_DTYPES)}", f"{dtype!r:.40}", "save the model in float32")
    if not _is_sizes(shape, dtypes.MOST_AXES) or not _is_sizes(offsets, 2) or len(offsets) != 2:
        refuse(what, "a shape and two data_offsets", "damaged ones", _REWRITE)
    begin, end = offsets
    wanted = math.prod(shape) * dtypes.itemsize(_DTYPES[dtype])
    if end - begin != wanted:
        refuse(what, f"{wanted:,} bytes", f"{end - begin:,}", _ALTERED)
    return _Entry(name, _DTYPES[dtype], tuple(shape), begin, end)


def _is_sizes(value: Any, longest: int) -> bool:
    is_list = isinstance(value, list) and len(value) <= longest
    return is_list and all(type(v) is int and 0 <= v < 1 << 48 for v in value)


def _check_without_gaps(entries: list[_Entry], size: int) -> None:
    """Refuse tensors that do not fill `size` bytes one behind the other."""
    at = 0
    for entry in entries:
        if entry.begin != at:
            refuse(f"tensor {entry.name!r}", f"its values at byte {at}", f"{entry.begin}", _ALTERED)
        at = entry.end
    if at != size:
        refuse("", f"{at:,} bytes of tensors", f"{size:,}", _ALTERED)


def write(path: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Write a file; see `replace_file`."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, array in tensors.items():
        offsets = [end, end + array.nbytes]
        header[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": offsets}
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    data = [np.ascontiguousarray(array).tobytes() for array in tensors.values()]
    replace_file(path, b"".join([len(text).to_bytes(8, "little"), text, *data]))
