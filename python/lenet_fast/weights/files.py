"""A file as its reader gets it: all of its bytes, and no other file but those that lie beside it.

A LeNet takes a few megabytes, so what is much larger is refused before it is read, and what a file only claims to hold
(a compressed member, a count in a header) is never believed further than `LARGEST`.
"""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from ..errors import WeightsError, brief, refuse, whole

LARGEST = 1 << 28  # bytes of a file
LARGEST_UNPACKED = 1 << 25  # bytes out of compressed members


@dataclass(frozen=True)
class File:
    """Bytes and their path."""

    path: Path
    data: bytes

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def open(cls, path: Path) -> File:
        """Read a regular file; OSError if that fails, WeightsError, which names it, if it is too large."""
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise WeightsError("", "a regular file", "something else", file=str(path))
            if status.st_size > LARGEST:
                wanted, found = "a model of the LeNet family, a few megabytes", f"{status.st_size:,} bytes"
                raise WeightsError("", wanted, found, "it is a data set or another network", str(path))
            return cls(path, stream.read(LARGEST + 1))

    def companion(self, name: str) -> File:
        """Read a file that this one names; it must lie in the same folder."""
        beside = self.path.parent / name
        plain = name and name == Path(name).name and name not in (".", "..") and "\\" not in name and "\0" not in name
        if not plain or beside.is_symlink():
            wanted, found = "a second file in the same folder", f"a reference to {name!r}"
            raise WeightsError("", wanted, found, "no file elsewhere is ever opened", str(self))
        if not beside.is_file():
            raise WeightsError("", f"{name!r} beside it", "no such file", "keep the two together", str(self))
        return File.open(beside)


class Archive:
    """A zip archive, of which no more than `LARGEST_UNPACKED` bytes are ever unpacked."""

    def __init__(self, file: File) -> None:
        import zipfile  # which few files need

        self._size = len(file.data)
        self._left = LARGEST_UNPACKED
        self._stored = zipfile.ZIP_STORED
        with whole("a whole zip archive", "", zipfile.BadZipFile, OSError, NotImplementedError):
            self._zip = zipfile.ZipFile(io.BytesIO(file.data))
        self.names = self._zip.namelist()

    def read(self, name: str) -> bytes:
        """One member, whole."""
        try:
            return self._read(name)
        except WeightsError:
            raise
        except Exception as error:  # whatever a damaged archive makes zipfile and its decompressors raise
            raise WeightsError("", f"{name!r} inside it", f"damage ({brief(error)})") from error

    def _read(self, name: str) -> bytes:
        info = self._zip.getinfo(name)
        is_stored = info.compress_type == self._stored
        limit = self._size if is_stored else self._left
        with self._zip.open(info) as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            refuse("", "a model of a few megabytes", f"{name!r} of {info.file_size:,} bytes")
        self._left -= 0 if is_stored else len(data)
        return data


def replace_file(path: Path, data: bytes) -> None:
    """Write a file beside `path` and rename it, so that no half file is ever there.

    A symbolic link stays one, an existing file keeps its permissions, and what is no file (a device, a folder) is
    refused with OSError.
    """
    path = path.resolve()
    mode = path.stat().st_mode if path.exists() else None
    if mode is not None and not stat.S_ISREG(mode):
        raise OSError(f"{path}: wanted a regular file or a new name, found something that cannot be replaced by a file")
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(data)
        if mode is not None:
            partial.chmod(stat.S_IMODE(mode))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
