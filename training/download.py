"""Files from mirrors, one after the other, until one gives the right content; nothing else is ever written."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path


def cache(name: str) -> Path:
    """Where a data set lies: `$LENET_FAST_DATA/name` where that variable is set, else a folder in the user's cache."""
    if root := os.environ.get("LENET_FAST_DATA"):
        return Path(root) / name
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lenet_fast" / name


def download(path: Path, urls: Sequence[str], is_right: Callable[[bytes], bool], largest: int, name: str) -> bytes:
    """Write what the first good mirror sends to `path`, and return it.

    `is_right` says whether these bytes are the file (it may raise ValueError to say why not); no more than `largest`
    bytes are read. OSError names what every mirror answered.
    """
    if path.parent.exists() and not path.parent.is_dir():
        raise NotADirectoryError(f"{path.parent}: wanted a folder, found a file")
    failures = []
    for url in urls:
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                data = response.read(largest)
            if is_right(data):
                _write_whole(path, data)
                return data
        except (OSError, ValueError) as error:
            failures.append(f"{url}: {error}")
            continue
        failures.append(f"{url}: wrong checksum")
    raise OSError(
        f"{name} could not be downloaded ({'; '.join(failures)}); fetch it elsewhere and pass --data with its folder"
    )


def _write_whole(path: Path, data: bytes) -> None:
    """Write beside and rename, so that an interrupted run leaves no half file behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    partial.write_bytes(data)
    partial.replace(path)
