"""HDF5 files through h5py: arrays and attributes of one file, and never of another one that it links to."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...budget import charge, current
from ...errors import refuse, whole
from ...extras import needs

_MOST_OBJECTS = 2000
_VISITS = 100  # for a call of h5py
_DEEPEST = 12
_MOST_AXES = 8
_LONGEST_TEXT = 1 << 22
_PIECE = 1 << 20
_ELSEWHERE = "no file elsewhere is ever opened"


def _whole() -> AbstractContextManager[None]:
    return whole("a whole HDF5 file")


class Hdf5:
    """An open file; every method raises WeightsError for damage."""

    def __init__(self, data: bytes) -> None:
        self._h5py = needs("h5py", "h5py", "reading Keras and HDF5 files")
        self._left = current().unpacked_bytes(len(data))
        _check_heaps(data)
        with _whole():
            self.root = self._h5py.File(io.BytesIO(data), "r")

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
            if self._left < 0 or piece > self._left + dataset.nbytes or len(dataset.shape) > _MOST_AXES:
                refuse(dataset.name, "an array that the file's size bears out", f"shape {dataset.shape}")
            return np.asarray(dataset[()])

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


def _check_heaps(data: bytes) -> None:
    """Refuse a file whose texts contradict their sizes: HDF5 makes room for what they claim before it looks, or hangs.

    Texts lie in global heaps: "GCOL", version (4 bytes), size of the heap (8), then objects of number (2), references
    (6), size (8) and bytes, padded to 8. They are found by length (4), the heap's address (8) and their number (4).
    """
    heaps: dict[int, dict[int, int] | None] = {}
    at = data.find(b"GCOL")
    while at >= 0:
        charge("visits")
        heaps[at] = _objects(data, at)
        at = data.find(b"GCOL", at + 1)
    for place in _references(data, heaps):
        length, heap, number = struct.unpack_from("<IQI", data, place)
        sizes = heaps[heap]
        if sizes is None or (length > _LONGEST_TEXT and number in sizes and length > sizes[number]):
            refuse("", "a whole HDF5 file", "a damaged one (its texts contradict their sizes)")


def _references(data: bytes, heaps: dict[int, Any]) -> Iterator[int]:
    """Where a length stands, and behind it the address of a heap; at any byte, for HDF5 aligns nothing."""
    for first in range(4, len(data) - 11 if heaps else 0, _PIECE):
        for shift in range(8):
            piece = data[first + shift : first + shift + _PIECE]
            addresses = np.frombuffer(piece, "<u8", len(piece) // 8)
            for n in np.flatnonzero((addresses >= min(heaps)) & (addresses <= max(heaps))).tolist():
                charge("visits")
                place = first + shift + 8 * n - 4
                if int(addresses[n]) in heaps and place + 16 <= len(data):
                    yield place


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
