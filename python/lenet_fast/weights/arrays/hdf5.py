"""HDF5 files through h5py: arrays and attributes of one file, and never of another one that it links to."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...budget import charge, current
from ...errors import refuse, whole
from ...extras import needs
from .dtypes import MOST_AXES

_MOST_OBJECTS = 2000
_VISITS, _SEARCHED = 100, 4096  # for a call of h5py; bytes that are searched in the time of one visit
_DEEPEST = 12
_ADDRESS, _VARIABLE_LENGTH = 8, 9
_ELSEWHERE = "no file elsewhere is ever opened"


def _whole() -> AbstractContextManager[None]:
    return whole("a whole HDF5 file")


class Hdf5:
    """An open file; every method raises WeightsError for damage."""

    def __init__(self, data: bytes) -> None:
        self._h5py = needs("h5py", "h5py", "reading Keras and HDF5 files")
        self._data, self._left = data, current().unpacked_bytes(len(data))
        self._heaps = _heaps_of(data)
        with _whole():
            self.root = self._h5py.File(io.BytesIO(data), "r")
            if _size_of_addresses(data) != _ADDRESS:
                refuse("", "an HDF5 file with addresses of 8 bytes", "another", "write it with h5py")

    def attribute(self, name: str, group: Any = None) -> Any:
        """An attribute of a group as text, list of texts or number; None where there is none."""
        charge("visits", _VISITS)
        with _whole():
            attributes = (self.root if group is None else group).attrs
            if name in attributes:
                return _plain(self._stored(attributes, name))
            pieces: list[Any] = []
            while f"{name}{len(pieces)}" in attributes:  # long lists of names are stored in pieces: name0, name1, ...
                pieces.append(np.atleast_1d(self._stored(attributes, f"{name}{len(pieces)}")))
            return _plain(np.concatenate(pieces)) if pieces else None

    def _stored(self, attributes: Any, name: str) -> Any:
        """An attribute's value, once it is known to be a few texts or numbers: HDF5 may crash on others."""
        charge("visits", _VISITS)
        stored = attributes.get_id(name)
        count = math.prod(stored.shape or ())
        charge("visits", count)
        kinds = (self._h5py.h5t.STRING, self._h5py.h5t.INTEGER, self._h5py.h5t.FLOAT)
        if count > _MOST_OBJECTS or stored.get_type().get_class() not in kinds:
            refuse(name, "the names of a LeNet's layers", f"{count:,} other values")
        texts_lie_apart = (
            isinstance(stored.get_type(), self._h5py.h5t.TypeStringID) and stored.get_type().is_variable_str()
        )
        for place in _texts_of(self._data, name.encode()) if texts_lie_apart else ():
            length, heap, _ = struct.unpack_from("<IQI", self._data, place)
            if length > len(self._data) or (length and self._heaps.get(heap, {}) is None):
                refuse(name, "a whole HDF5 file", "a damaged one (its texts contradict their sizes)")
        return attributes[name]

    def arrays(self, group: Any = None) -> Iterator[tuple[str, NDArray[Any]]]:
        """Path and values of every dataset in a group, in the file's order."""
        with _whole():
            yield from self._walk(self.root if group is None else group, "", 0, [0])

    def group(self, path: str, parent: Any = None) -> Any:
        """A group by its path, or None; links to other files are refused."""
        here = self.root if parent is None else parent
        with _whole():
            for part in path.split("/"):
                here = self._child(here, part) if isinstance(here, self._h5py.Group) and part in here else None
        return here

    def values(self, dataset: Any) -> NDArray[Any]:
        """The values of a dataset, within what a model may take."""
        charge("visits", _VISITS)
        if not isinstance(dataset, self._h5py.Dataset):
            refuse("", "an array", type(dataset).__name__)
        with _whole():
            if dataset.is_virtual or dataset.external:
                refuse(dataset.name, "values in this file", "them in another one", _ELSEWHERE)
            if dataset.dtype.kind not in "fiub":
                return np.zeros(0)
            self._left -= dataset.size * dataset.dtype.itemsize
            piece = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize  # which HDF5 unpacks whole
            if self._left < 0 or piece > self._left + dataset.nbytes or len(dataset.shape) > MOST_AXES:
                refuse(dataset.name, "an array that the file's size bears out", f"shape {dataset.shape}")
            self._check_chunks(dataset)
            return np.asarray(dataset[()])

    def _check_chunks(self, dataset: Any) -> None:
        """Refuse pieces that would be larger than the file: HDF5 makes room for them before it reads any."""
        if dataset.chunks is None or not hasattr(dataset.id, "chunk_iter"):
            return
        charge("visits", dataset.id.get_num_chunks())
        sizes: list[int] = []
        dataset.id.chunk_iter(lambda chunk: sizes.append(chunk.size))
        if max(sizes, default=0) > len(self._data):
            refuse(dataset.name, f"pieces of a file of {len(self._data):,} bytes", f"one of {max(sizes):,}")

    def _walk(self, group: Any, path: str, depth: int, seen: list[int]) -> Iterator[tuple[str, NDArray[Any]]]:
        for key in group:
            seen[0] += 1
            if seen[0] > _MOST_OBJECTS or depth > _DEEPEST:
                refuse("", "the few arrays of a LeNet", "more", "it is another network")
            child = self._child(group, key)
            where = f"{path}/{key}" if path else key
            if isinstance(child, self._h5py.Group):
                yield from self._walk(child, where, depth + 1, seen)
            elif isinstance(child, self._h5py.Dataset):
                yield where, self.values(child)

    def _child(self, group: Any, key: str) -> Any:
        charge("visits", _VISITS)
        link = group.get(key, getlink=True)
        if not isinstance(link, self._h5py.HardLink):
            refuse(key, "values in this file", "a link", _ELSEWHERE)
        return group[key]


# --- texts, which lie apart from the attributes that they are of ---


def _size_of_addresses(data: bytes) -> int:
    """As the superblock says, of version 0 and 1 or of 2 and 3."""
    return data[13] if data[8] < 2 else data[9]


def _texts_of(data: bytes, name: bytes) -> Iterator[int]:
    """Where each text of every attribute of a name is referred to.

    HDF5 makes room for the lengths that stand there before it looks at them. In front of an attribute's name stand
    version, flags, the sizes of name, type and space (2 bytes each), from version 3 on the character set (1); a byte
    that ends the name, type, space and values come behind it, the first three each padded to 8 bytes in version 1.
    """
    charge("visits", len(data) // _SEARCHED)
    at = data.find(name)
    while at >= 0:
        charge("visits")
        for head, versions in ((8, (1, 2)), (9, (3,))):
            version, _, *sizes = struct.unpack_from("<BBHHH", data, at - head) if at >= head else (0, 0, 0, 0, 0)
            if version in versions and sizes[0] == len(name) + 1:
                padded = (size + (-size % 8 if version == 1 else 0) for size in sizes)
                kind, space, values = list(accumulate(padded, initial=at))[1:]
                if data[kind] & 15 == _VARIABLE_LENGTH:
                    count = _count_of(data, space)
                    charge("visits", count)
                    yield from range(values, values + 16 * count, 16)
        at = data.find(name, at + 1)


def _count_of(data: bytes, space: int) -> int:
    """How many values there are: version, number of axes, flags, in version 1 five bytes of nothing, and the sizes."""
    begin, axes = space + (8 if data[space] == 1 else 4), data[space + 1]
    return math.prod(struct.unpack_from(f"<{axes}Q", data, begin))


def _heaps_of(data: bytes) -> dict[int, dict[int, int] | None]:
    """Address -> objects of every global heap; None instead of them if they do not fill it.

    A heap is "GCOL", version (4 bytes), its size (8), then objects of number (2), references (6), size (8) and bytes,
    padded to 8. A text is found by its length (4), the heap's address (8) and its number there (4).
    """
    heaps: dict[int, dict[int, int] | None] = {}
    at = data.find(b"GCOL")
    while at >= 0:
        charge("visits")
        heaps[at] = _objects(data, at)
        at = data.find(b"GCOL", at + 1)
    return heaps


def _objects(data: bytes, heap: int) -> dict[int, int] | None:
    """Number -> size of a heap's objects; None if they do not fill it."""
    end = heap + int.from_bytes(data[heap + 8 : heap + 16], "little")
    sizes: dict[int, int] = {}
    at = heap + 16
    if not at < end <= len(data):
        return None
    while at + 16 <= end:
        charge("visits")
        number, size = struct.unpack_from("<H", data, at)[0], struct.unpack_from("<Q", data, at + 8)[0]
        if number == 0:  # free space, up to the end
            return sizes if size == end - at else None
        sizes[number] = size
        at += 16 + -(-size // 8) * 8
    return sizes if at <= end else None


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.ravel().tolist()]
    return value
