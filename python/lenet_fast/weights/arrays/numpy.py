"""NumPy files: .npz archives of arrays, single .npy arrays, and pickled dictionaries of arrays in either."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import WeightsError, brief, refuse
from ..files import Archive, File, replace_file
from ..source import UNKNOWN, Source, Tensors
from . import pickled, pickled_arrays

KEY = "lenet_fast"
_METADATA = f"__{KEY}__"


def read_archive(file: File, archive: Archive) -> Source:
    """Read an .npz file; a pickled dictionary in it becomes its arrays."""
    tensors: Tensors = {}
    metadata: dict[str, str] = {}
    for member in archive.names:
        name = member.removesuffix(".npy")
        if name == _METADATA:
            metadata = {KEY: str(parse(archive.read(member), name)[""])}
            continue
        for inner, array in parse(archive.read(member), name).items():
            tensors[f"{name}.{inner}" if inner else name] = array
    return Source("npz", tensors, UNKNOWN, metadata=metadata)


def write(path: Path, tensors: Tensors, metadata: Mapping[str, str]) -> None:
    """Write an .npz file; our description is one more array, of text."""
    stream = io.BytesIO()
    np.savez(stream, **{_METADATA: np.array(metadata[KEY])}, **tensors)  # type: ignore[arg-type]
    replace_file(path, stream.getvalue())


def read(file: File) -> Source:
    """Read a .npy file, which must hold a pickled dictionary or list: one array alone is no model."""
    found = parse(file.data)
    if list(found) == [""]:
        is_data = found[""].dtype.kind in "ui"
        instead = f"{'images or labels' if is_data else 'one array'} of shape {found[''].shape}"
        refuse("", "the arrays of a network", instead, "save all arrays with np.savez")
    return Source("npy", found, UNKNOWN)


def parse(data: bytes, what: str = "") -> Tensors:
    """Name -> array of a .npy file, a plain array under an empty name; errors are about `what`."""
    try:
        return _parsed(data)
    except Exception as error:  # DAMAGE, and what NumPy's parser of the header raises
        raise WeightsError(what, "a whole .npy array", f"a damaged one ({brief(error)})") from error


def _parsed(data: bytes) -> Tensors:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"format version {version}")
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = header(stream)
    rest = data[stream.tell() :]
    if dtype.hasobject:
        return pickled_arrays.named(_unwrapped(pickled.parse(io.BytesIO(rest))), _pickled_array)
    if math.prod(shape) * dtype.itemsize != len(rest):
        raise ValueError(f"{len(rest):,} bytes for shape {shape}")
    return {"": np.frombuffer(rest, dtype).reshape(shape, order="F" if fortran else "C")}


def _unwrapped(tree: Any) -> Any:
    """The objects of a pickled object array, instead of the array: one object, or all of them."""
    if isinstance(tree, pickled.Call) and tree.path.endswith("._reconstruct") and isinstance(tree.state, tuple):
        inside = tree.state[-1]
        return inside[0] if isinstance(inside, list) and len(inside) == 1 else inside
    return tree


def _pickled_array(value: Any) -> NDArray[Any] | None:
    """An array, or nested lists of numbers."""
    array = pickled_arrays.numpy_array(value)
    if array is None and isinstance(value, list) and value and _is_numeric(value, 0):
        array = np.asarray(value, np.float64)
    return array


def _is_numeric(value: Any, depth: int) -> bool:
    if isinstance(value, list):
        return depth < 5 and bool(value) and all(_is_numeric(v, depth + 1) for v in value)
    return isinstance(value, (int, float)) and not isinstance(value, bool)
