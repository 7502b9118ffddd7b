"""MNIST for the recipes: found where `--data` or LENET_FAST_DATA says, otherwise downloaded and verified.

Whatever the source, the content behind the gzip wrapping must have the SHA-256 below before a byte of it is used:
mirrors compress the same four files differently, so the wrapped bytes say nothing.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from download import cache, download
from lenet_fast.idx import decompressed, parse_idx
from numpy.typing import NDArray

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
#: The largest of the four wrapped files is under 10 MiB; a mirror that sends more is not sending MNIST.
_MAX_DOWNLOAD = 16 << 20


class Digits(NamedTuple):
    """Images (n, 28, 28) uint8, ink 255 on background 0, and labels (n,) uint8."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def load(split: str, directory: Path | None = None, mirrors: tuple[str, ...] = MIRRORS) -> Digits:
    """Return the `train` (60,000) or `t10k` (10,000) split, downloading what `directory` lacks.

    Raises ValueError if a file that is already there has another content, OSError if no mirror gives the right one.
    """
    directory = directory or cache("mnist")
    images, labels = (
        parse_idx(_content(directory, f"{split}-{kind}-ubyte", mirrors), kind)
        for kind in ("images-idx3", "labels-idx1")
    )
    return Digits(images, labels)


def _content(directory: Path, name: str, mirrors: tuple[str, ...]) -> bytes:
    """The verified IDX bytes of one file, plain or gzip on disk."""
    for path in (directory / name, directory / f"{name}.gz"):
        if path.exists():
            content = decompressed(path.read_bytes(), str(path))
            if not _is(name, content):
                raise ValueError(f"{path}: its content is not MNIST's {name}; remove it, and it is downloaded again")
            return content
    return _download(directory, name, mirrors)


def _download(directory: Path, name: str, mirrors: tuple[str, ...]) -> bytes:
    urls = [f"{mirror}{name}.gz" for mirror in mirrors]

    def is_right(wrapped: bytes) -> bool:
        return _is(name, decompressed(wrapped, "the file"))

    wrapped = download(directory / f"{name}.gz", urls, is_right, _MAX_DOWNLOAD, f"MNIST's {name}")
    return decompressed(wrapped, name)


def _is(name: str, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == SHA256[name]
