"""CIFAR-10 for the recipes: found where `--data` or LENET_FAST_DATA says, otherwise downloaded and verified.

Two forms are read: the original binary archive, and a copy whose pictures were compressed again as JPEG, `train.npz`
and `test.npz` with the arrays jpeg (all files, one behind the other), offsets and labels. Accuracies on the copy are
accuracies on the copy: the card says which one was used.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from download import cache, download
from numpy.typing import NDArray
from PIL import Image

URLS = ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",)
ARCHIVE, SHA256 = "cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
BATCHES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_MAX_DOWNLOAD = 256 << 20


class Pictures(NamedTuple):
    """Images (n, 32, 32, 3) uint8, labels (n,) uint8, and what they are a copy of."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    source: str


def load(split: str, directory: Path | None = None, urls: tuple[str, ...] = URLS) -> Pictures:
    """Return the `train` (50,000) or `test` (10,000) split, downloading the archive if `directory` has neither form.

    Raises ValueError if a file that is already there has another content, OSError if the archive cannot be had.
    """
    directory = directory or cache("cifar10")
    if (copy := directory / f"{split}.npz").exists():
        return _decoded(copy)
    records = np.frombuffer(_members(_archive(directory, urls), BATCHES[split]), np.uint8).reshape(-1, 3073)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return Pictures(np.ascontiguousarray(images), records[:, 0], "CIFAR-10")


def _decoded(path: Path) -> Pictures:
    with np.load(path, allow_pickle=False) as arrays:
        data, offsets, labels = arrays["jpeg"].tobytes(), arrays["offsets"], arrays["labels"]
    images = [np.asarray(Image.open(io.BytesIO(data[a:b]))) for a, b in pairwise(offsets)]
    return Pictures(np.stack(images), labels, "a JPEG re-encoding of CIFAR-10")


def _archive(directory: Path, urls: tuple[str, ...]) -> bytes:
    path = directory / ARCHIVE
    if not path.exists():
        return download(path, urls, _is_original, _MAX_DOWNLOAD, "CIFAR-10")
    data = path.read_bytes()
    if not _is_original(data):
        raise ValueError(f"{path}: its content is not the original archive; remove it, and it is downloaded again")
    return data


def _is_original(data: bytes) -> bool:
    return hashlib.sha256(data).hexdigest() == SHA256


def _members(archive: bytes, names: list[str]) -> bytes:
    """The content of files inside the archive, read in memory: nothing is unpacked to disk."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        found = {Path(member.name).name: tar.extractfile(member) for member in tar.getmembers() if member.isfile()}
        return b"".join(stream.read() for name in names if (stream := found[name]))
