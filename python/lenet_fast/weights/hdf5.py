"""HDF5 files through h5py: arrays and attributes of one file, and never of another one that it links to."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError, brief
from .files import LARGEST_UNPACKED, needs

_MAGIC = b"\x89HDF\r\n\x1a\n"
_MOST_OBJECTS = 2000
_DEEPEST = 12
_LONGEST_TEXT = 1 << 22


def looks_like(data: bytes) -> bool:
    """Whether this is an HDF5 file."""
    return data.startswith(_MAGIC)


class Hdf5:
    """An open file; every method raises WeightsError, beginning with `name`, for damage."""

    def __init__(self, data: bytes, name: str) -> None:
        self._h5py = needs("h5py", "h5py", "reading Keras and HDF5 files")
        self.name = name
        self._left = LARGEST_UNPACKED
        _check_lengths(data, name)
        try:
            self.root = self._h5py.File(io.BytesIO(data), "r")
        except Exception as error:  # HDF5 has no error of its own kind
            raise self.damaged(error) from error

    def damaged(self, error: Exception) -> WeightsError:
        """The error for whatever h5py raises."""
        return WeightsError(f"{self.name}: wanted a whole HDF5 file, found a damaged one ({brief(error)})")

    def attribute(self, name: str, group: Any = None) -> Any:
        """An attribute of a group as text, list of texts or number; None where there is none."""
        try:
            attributes = (self.root if group is None else group).attrs
            if name in attributes:
                return _plain(self._stored(attributes, name))
            pieces = []
            while f"{name}{len(pieces)}" in attributes:  # long lists of names are stored in pieces: name0, name1, ...
                pieces.append(np.atleast_1d(self._stored(attributes, f"{name}{len(pieces)}")))
            return _plain(np.concatenate(pieces)) if pieces else None
        except WeightsError:
            raise
        except Exception as error:
            raise self.damaged(error) from error

    def _stored(self, attributes: Any, name: str) -> Any:
        """An attribute's value, once its claimed size is known to be a list of names at most."""
        count = math.prod(attributes.get_id(name).shape or ())
        if count > _MOST_OBJECTS:
            raise WeightsError(f"{self.name}: {name}: wanted the names of a LeNet's layers, found {count:,} values")
        return attributes[name]

    def arrays(self, group: Any = None) -> Iterator[tuple[str, NDArray[Any]]]:
        """Path and values of every dataset in a group, in the file's order."""
        try:
            yield from self._walk(self.root if group is None else group, "", 0, [0])
        except WeightsError:
            raise
        except Exception as error:
            raise self.damaged(error) from error

    def group(self, path: str, parent: Any = None) -> Any:
        """A group by its path, or None; links to other files are refused."""
        here = self.root if parent is None else parent
        try:
            for part in path.split("/"):
                here = self._child(here, part) if isinstance(here, self._h5py.Group) and part in here else None
        except WeightsError:
            raise
        except Exception as error:
            raise self.damaged(error) from error
        return here

    def values(self, dataset: Any) -> NDArray[Any]:
        """The values of a dataset, within what a model may take."""
        if not isinstance(dataset, self._h5py.Dataset):
            raise WeightsError(f"{self.name}: wanted an array, found {type(dataset).__name__}")
        if dataset.is_virtual or dataset.external:
            raise WeightsError(
                f"{self.name}: {dataset.name}: wanted values in this file, found them in another one; "
                "no file elsewhere is ever opened"
            )
        if dataset.dtype.kind not in "fiub":
            return np.zeros(0)
        self._left -= dataset.size * dataset.dtype.itemsize
        if self._left < 0 or len(dataset.shape) > 8:
            raise WeightsError(f"{self.name}: {dataset.name}: wanted a few megabytes, found shape {dataset.shape}")
        return np.asarray(dataset[()])

    def _walk(self, group: Any, path: str, depth: int, seen: list[int]) -> Iterator[tuple[str, NDArray[Any]]]:
        for key in group:
            seen[0] += 1
            if seen[0] > _MOST_OBJECTS or depth > _DEEPEST:
                raise WeightsError(f"{self.name}: wanted the few arrays of a LeNet, found more; it is another network")
            child = self._child(group, key)
            where = f"{path}/{key}" if path else key
            if isinstance(child, self._h5py.Group):
                yield from self._walk(child, where, depth + 1, seen)
            elif isinstance(child, self._h5py.Dataset):
                yield where, self.values(child)

    def _child(self, group: Any, key: str) -> Any:
        link = group.get(key, getlink=True)
        if not isinstance(link, self._h5py.HardLink):
            raise WeightsError(
                f"{self.name}: {key}: wanted values in this file, found a link; no file elsewhere is ever opened"
            )
        return group[key]


def _check_lengths(data: bytes, name: str) -> None:
    """Refuse texts that claim to be longer than the file: HDF5 makes room for what they claim before it looks.

    A text lies in a global heap ("GCOL"), and refers to it by its length (4 bytes), the heap's address (8) and a number (4).
    """
    heap = data.find(b"GCOL")
    while heap >= 0:
        address = struct.pack("<Q", heap)
        at = data.find(address, 4)
        while at >= 0:
            length, number = struct.unpack_from("<I", data, at - 4)[0], data[at + 8 : at + 12]
            if length > max(len(data), _LONGEST_TEXT) and 0 < int.from_bytes(number, "little") < 1 << 16:
                raise WeightsError(
                    f"{name}: wanted texts inside the file, found one of {length:,} bytes; the file is damaged"
                )
            at = data.find(address, at + 1)
        heap = data.find(b"GCOL", heap + 1)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.ravel().tolist()]
    return value
