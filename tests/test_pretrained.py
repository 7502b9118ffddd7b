"""pretrained/: the bundled model through `lenet_fast.predict`, on real digits."""

from __future__ import annotations

import hashlib
import sys

import lenet_fast
import numpy as np
import pytest
from lenet_fast import _core

#: The module, which the function of this name hides.
pretrained = sys.modules["lenet_fast.pretrained"]


def test_names():
    assert lenet_fast.pretrained() == ("digits",)
    assert lenet_fast.pretrained("digits") is lenet_fast.pretrained("digits")
    with pytest.raises(ValueError, match="pretrained: wanted one of digits, found 'faces'"):
        lenet_fast.pretrained("faces")


def test_the_card_says_what_is_needed():
    card = lenet_fast.pretrained("digits").card
    assert {"data", "data licence", "recipe", "test accuracy", "commit"} <= set(card)


def test_accuracy_on_mnist(mnist):
    """At least 99.0 % on the 10,000 test digits, and the figure that the card states."""
    images, labels = mnist
    right = int((lenet_fast.predict(images) == labels).sum())
    assert right >= 9_900
    assert f"{right:,} of 10,000" in lenet_fast.pretrained("digits").card["test accuracy"]


def test_same_bytes_on_mnist_at_every_batch_size_and_instruction_set(mnist, monkeypatch):
    images, _ = mnist
    bundled = lenet_fast.pretrained("digits")
    digests = set()
    for isa in _core.available_isas():
        monkeypatch.setenv("LENET_FAST_ISA", isa)
        model = lenet_fast.Model(bundled.network, bundled.weights, preprocess=bundled.preprocess)
        for size in (1, 7, 16, 64, 10_000):
            scores = np.concatenate([model.scores(images[i : i + size]) for i in range(0, len(images), size)])
            digests.add(hashlib.sha256(scores.tobytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data[:500] + b"?" + data[501:], lambda data: b""]
)
def test_a_truncated_or_altered_file_is_refused(tmp_path, monkeypatch, damage):
    for path in pretrained._FOLDER.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(pretrained, "_FOLDER", tmp_path)
    for name in lenet_fast.pretrained():
        path = tmp_path / f"{name}.safetensors"
        assert pretrained._load.__wrapped__(name).network
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(lenet_fast.WeightsError, match="wanted the file that was shipped, found another; install"):
            pretrained._load.__wrapped__(name)
