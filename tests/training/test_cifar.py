"""cifar.py: both forms of the pictures are read, and told apart."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest


def test_the_original_archive(pictures, tmp_path):
    import cifar

    (tmp_path / cifar.ARCHIVE).write_bytes(pictures)
    train, test = cifar.load("train", tmp_path, ()), cifar.load("test", tmp_path, ())
    assert (train.images.shape, test.images.shape, train.source) == ((200, 32, 32, 3), (30, 32, 32, 3), "CIFAR-10")
    with tarfile.open(fileobj=io.BytesIO(pictures), mode="r:gz") as tar:
        first = tar.extractfile("cifar-10-batches-bin/data_batch_1.bin").read()[:3073]
    assert train.labels[0] == first[0]
    assert train.images[0].transpose(2, 0, 1).tobytes() == first[1:]
    (tmp_path / cifar.ARCHIVE).write_bytes(pictures[:-1])
    with pytest.raises(ValueError, match="its content is not the original archive; remove it"):
        cifar.load("train", tmp_path, ())
    with pytest.raises(OSError, match="CIFAR-10 could not be downloaded"):
        cifar.load("train", tmp_path / "empty", ("http://127.0.0.1:9/nothing",))


def test_the_jpeg_copy(tmp_path):
    cifar = pytest.importorskip("cifar", reason="reading CIFAR-10 needs pillow (pip install '.[training]')")
    from PIL import Image

    grey = np.arange(0, 250, 25, dtype=np.uint8)
    files = []
    for level in grey:
        stream = io.BytesIO()
        Image.new("RGB", (32, 32), (int(level),) * 3).save(stream, "JPEG")
        files.append(stream.getvalue())
    arrays = {"jpeg": np.frombuffer(b"".join(files), np.uint8), "labels": np.arange(10, dtype=np.uint8)}
    np.savez(tmp_path / "test.npz", offsets=np.cumsum([0, *map(len, files)]), **arrays)
    found = cifar.load("test", tmp_path, ())
    assert found.images.shape == (10, 32, 32, 3)
    assert np.abs(found.images.mean((1, 2, 3)) - grey).max() < 2
    assert found.source == "a JPEG re-encoding of CIFAR-10"
