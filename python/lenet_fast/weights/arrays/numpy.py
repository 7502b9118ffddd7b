"""NumPy files: .npz archives of arrays, single .npy arrays, and pickled dictionaries of arrays in either."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...errors import refuse, whole
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
    with whole("a whole .npy array", what=what):
        return _parsed(data)


def _parsed(data: bytes) -> Tensors:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"format version {version}")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = read_header(stream)
    except MemoryError as error:  # of Python's parser, whose depth is limited; the machine's is not meant
        raise ValueError("a header that cannot be parsed") from error
    rest = memoryview(data)[stream.tell() :]
    if dtype.hasobject:
        return pickled_arrays.named(_unwrapped(pickled.parse(io.BytesIO(rest))), _pickled_array)
    charge("visits", 50)
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
    return pickled_arrays.of_lists(value) if array is None else array
