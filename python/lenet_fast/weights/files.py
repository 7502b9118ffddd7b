"""A file as its reader gets it: all of its bytes, and no other file but those that lie beside it.

A LeNet takes a few megabytes, so what is larger than the budget of a load allows is refused before it is read, and what
a file only claims to hold (a compressed member, a count in a header) is never believed further than its bytes bear out.
"""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from ..budget import current
from ..errors import OverBudgetError, WeightsError, brief, refuse, whole

_MOST_MEMBERS = 1 << 12  # of an archive
_LONGEST_NAME = 255  # bytes, on the file systems of Linux
_WAY_OUT = "if it is a model and you trust it, pass budget=lenet_fast.Budget(parameters=...) with more"


@dataclass(frozen=True)
class File:
    """Bytes and their path."""

    path: Path
    data: bytes

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def open(cls, path: Path) -> File:
        """Read the file that the caller names; OSError if that fails, WeightsError, which names it, for no model's."""
        return cls._read(path, 0)

    @classmethod
    def in_folder(cls, path: Path) -> File:
        """Read a file that lies in the folder of another one, or in the one that the caller names; never a link."""
        try:
            return cls._read(path, os.O_NOFOLLOW)
        except WeightsError:
            raise
        except FileNotFoundError as error:
            raise WeightsError("", "a file", "none", "keep the files together", str(path)) from error
        except (OSError, ValueError) as error:  # a link, no permission, a name that no file can have
            found = "a link" if path.is_symlink() else f"one that cannot be opened ({brief(error)})"
            raise WeightsError("", "a regular file", found, "copy the file itself here", str(path)) from error

    @classmethod
    def _read(cls, path: Path, flags: int) -> File:
        """Opening never waits, as it would for a pipe that nobody writes to; what is no regular file is not read."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
        try:
            status, most = os.fstat(descriptor), current().file_bytes
            if not stat.S_ISREG(status.st_mode):
                raise WeightsError("", "a regular file", "something else", "copy what is in it to a file", str(path))
            if status.st_size > most:
                wanted, size = f"a model of the LeNet family, at most {most:,} bytes", status.st_size
                raise OverBudgetError("", wanted, f"{size:,}", _WAY_OUT, str(path), "parameters", size)
            with os.fdopen(descriptor, "rb", closefd=False) as stream:
                return cls(path, stream.read(status.st_size))
        finally:
            os.close(descriptor)

    def companion(self, name: str) -> File:
        """Read a file that this one names; it must lie in the same folder."""
        beside = self.path.parent / name
        plain = name and name == Path(name).name and name not in (".", "..") and "\\" not in name and "\0" not in name
        if not plain or len(name) > _LONGEST_NAME or beside.is_symlink():
            wanted, found = "a second file in the same folder", f"a reference to {name[:80]!r}"
            raise WeightsError("", wanted, found, "no file elsewhere is ever opened", str(self))
        if not beside.exists():
            raise WeightsError("", f"{name!r} beside it", "no such file", "keep the two together", str(self))
        return File.in_folder(beside)

    def beside(self, name: str) -> File | None:
        """Read a file that often lies beside such a one, if it does; nothing that is a link, which is not opened."""
        path = self.path.parent / name
        return self.companion(name) if os.path.lexists(path) and not path.is_symlink() else None


class Archive:
    """A zip archive, of which no more is ever unpacked than its size and the budget allow."""

    def __init__(self, file: File) -> None:
        import zipfile  # which few files need

        self._size = len(file.data)
        self._left = current().unpacked_bytes(self._size)
        self._kinds = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if file.data.count(b"PK\x01\x02") > _MOST_MEMBERS:  # as every entry of its directory begins
            refuse("", "an archive of the few arrays of a LeNet", "thousands of members", "it is another network")
        with whole("a whole zip archive"):
            self._zip = zipfile.ZipFile(io.BytesIO(file.data))
        self.names = self._zip.namelist()
        if len(set(self.names)) < len(self.names):
            refuse("", "an archive with one member of each name", "two of the same", "write it anew")

    def read(self, name: str) -> bytes:
        """One member, whole."""
        with whole(f"{name!r} whole inside it"):
            info = self._zip.getinfo(name)
            if info.compress_type not in self._kinds:
                refuse("", "members that are stored or deflated", f"{name!r} otherwise", "write it with numpy or zip")
            with self._zip.open(info) as stream:
                data = stream.read(min(self._left, info.file_size) + 1)
        if len(data) > self._left:
            wanted = f"at most {self._left:,} more bytes out of an archive of {self._size:,}"
            found, way_out = f"{name!r} of {info.file_size:,}", "save the model without compressing it"
            raise OverBudgetError("", wanted, found, way_out, resource="parameters", count=info.file_size)
        self._left -= len(data)
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
