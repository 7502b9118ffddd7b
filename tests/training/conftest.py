"""What the tests of the recipes share: the recipes' folder on the path, and small data in the place of MNIST and CIFAR-10."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))
import mnist


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@pytest.fixture
def files(monkeypatch):
    """Four small files in MNIST's place, their checksums with them."""
    random = np.random.default_rng(0)
    contents = {}
    for split, n in (("train", 300), ("t10k", 50)):
        contents[f"{split}-images-idx3-ubyte"] = idx(random.integers(0, 256, (n, 28, 28), np.uint8))
        contents[f"{split}-labels-idx1-ubyte"] = idx(random.integers(0, 10, n, np.uint8))
    monkeypatch.setattr(mnist, "SHA256", {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()})
    return contents


@pytest.fixture
def pictures(monkeypatch):
    """An archive in CIFAR-10's place: five batches of 40 pictures and a test batch of 30."""
    cifar = pytest.importorskip("cifar", reason="reading CIFAR-10 needs pillow (pip install '.[training]')")
    random = np.random.default_rng(0)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in [*cifar.BATCHES["train"], *cifar.BATCHES["test"]]:
            n = 30 if name.startswith("test") else 40
            records = random.integers(0, 256, (n, 3073), np.uint8)
            records[:, 0] %= 10
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = records.nbytes
            tar.addfile(member, io.BytesIO(records.tobytes()))
    monkeypatch.setattr(cifar, "SHA256", hashlib.sha256(packed.getvalue()).hexdigest())
    return packed.getvalue()


@pytest.fixture
def one_thread():
    """PyTorch on one thread: networks this small gain nothing by a second, and lose much where others work too."""
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[training]')")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def digits(monkeypatch, one_thread):
    """The recipe for digits, with little to validate on and little rubbish."""
    for name in ("torch", "tqdm", "matplotlib", "PIL", "sklearn"):
        pytest.importorskip(name, reason=f"{name} is not installed (pip install '.[training]')")
    import digits
    import rubbish

    monkeypatch.setattr(digits, "VALIDATION", 100)
    whole = rubbish.for_training
    monkeypatch.setattr(rubbish, "for_training", lambda images, seed: whole(images, seed)[::100])
    return digits
