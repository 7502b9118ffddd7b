"""pretrained/: the bundled models on real images, and what their cards say."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import _core
from sklearn.datasets import load_digits

#: The module, which the function of this name hides.
pretrained = sys.modules["lenet_fast.pretrained"]


def test_names():
    assert lenet_fast.pretrained() == ("cifar10", "cifar10-relu", "digits")
    assert lenet_fast.pretrained("digits") is lenet_fast.pretrained("digits")
    with pytest.raises(ValueError, match="pretrained: wanted one of cifar10, cifar10-relu, digits, found 'faces'"):
        lenet_fast.pretrained("faces")


@pytest.mark.parametrize("name", lenet_fast.pretrained())
def test_the_card_says_what_is_needed(name):
    model = lenet_fast.pretrained(name)
    assert {"data", "data licence", "recipe", "validation accuracy", "test accuracy", "commit"} <= set(model.card)
    assert not model.card["commit"].endswith("-dirty")
    page = (Path(pretrained._FOLDER) / f"{name}.md").read_text()
    for fact, text in model.card.items():
        assert f"| {fact} | {text} |" in page
    assert str(model.calibration) in page
    for heading in ("Per class", "Rejection and calibration", "Known weaknesses"):
        assert f"## {heading}" in page


def test_the_networks_are_those_of_the_family():
    sizes = {
        name: sum(f.trainable for f in lenet_fast.pretrained(name).network.figures) for name in lenet_fast.pretrained()
    }
    assert sizes == {"cifar10": 62_006, "cifar10-relu": 62_006, "digits": 60_000}
    assert lenet_fast.pretrained("digits").network == lenet_fast.networks()["lenet5-1998"]
    assert lenet_fast.pretrained("cifar10").network == lenet_fast.networks()["lenet5-tanh-average"]
    assert lenet_fast.pretrained("cifar10-relu").network.layers == lenet_fast.networks()["lenet5-relu-max"].layers
    assert lenet_fast.pretrained("cifar10").classes_[3] == "cat"


def test_accuracy_on_mnist(mnist):
    """At least 99.45 % on the 10,000 test digits, and the figure that the card states."""
    images, labels = mnist
    right = int((lenet_fast.predict(images) == labels).sum())
    assert right >= 9_945
    assert f"{right:,} of 10,000" in lenet_fast.pretrained("digits").card["test accuracy"]


@pytest.mark.parametrize(("name", "wanted"), [("cifar10", 6_800), ("cifar10-relu", 7_300)])
def test_accuracy_on_cifar10(cifar10, name, wanted):
    images, labels = cifar10
    model = lenet_fast.pretrained(name)
    right = int((model.predict(images) == labels).sum())
    assert right >= wanted
    assert f"{right:,} of 10,000" in model.card["test accuracy"]


def reference_scores(model, images):
    """Scores in float64 of (n, channels, height, width) uint8 images."""
    scale, shift = (np.float64(values)[:, None, None] for values in model.preprocess.per_channel(images.shape[1]))
    parts = (images[i : i + 500] / 255 * scale + shift for i in range(0, len(images), 500))
    return np.concatenate([list(reference.run(model.network, model.weights, x).values())[-1] for x in parts])


def test_no_label_differs_on_ten_thousand_digits(mnist):
    """Scores within 1e-5 of an image's largest."""
    images, _ = mnist
    model = lenet_fast.pretrained("digits")
    wanted = reference_scores(model, np.pad(images, ((0, 0), (2, 2), (2, 2)))[:, None])
    assert (np.abs(model.scores(images) - wanted).max(1) <= 1e-5 * wanted.max(1)).all()
    assert (model.predict(images) == wanted.argmin(1)).all()


@pytest.mark.parametrize("name", ["cifar10", "cifar10-relu"])
def test_no_label_differs_on_two_thousand_pictures(cifar10, name):
    """Scores within 1e-5 of the largest; of an image's own largest the worst of 10,000 is off by 1.3e-5."""
    images, _ = cifar10
    model = lenet_fast.pretrained(name)
    wanted = reference_scores(model, images[:2000].transpose(0, 3, 1, 2))
    assert np.abs(model.scores(images[:2000]) - wanted).max() <= 1e-5 * np.abs(wanted).max()
    assert (model.predict(images[:2000]) == wanted.argmax(1)).all()


def test_accuracy_on_scikit_learns_digits():
    """At least 92 % on 1,797 digits of other writers, none of which were trained on."""
    digits = load_digits()
    right = lenet_fast.predict(lenet_fast.prepare_digits(digits.images)) == digits.target
    assert right.mean() >= 0.92
    assert f"{right.sum():,} of 1,797" in (Path(pretrained._FOLDER) / "digits.md").read_text()


def test_rejection_on_mnist(mnist):
    """What is left after rejection is wrong less often than the whole, and the card says how often."""
    images, labels = mnist
    found = lenet_fast.predict(images, reject=True)
    rejected, errors = int((found == -1).sum()), int(((found >= 0) & (found != labels)).sum())
    assert 0 < rejected < 200
    assert errors < (lenet_fast.predict(images) != labels).sum() / 3
    page = (Path(pretrained._FOLDER) / "digits.md").read_text()
    assert f"({rejected:,} of 10,000;" in page
    assert f"({errors:,} of {10_000 - rejected:,};" in page


def test_rubbish_is_rejected():
    """Noise, blank images and empty sheets, at the thresholds that the model is shipped with."""
    random = np.random.default_rng(4)
    noise = random.integers(0, 256, (500, 28, 28), np.uint8)
    assert (lenet_fast.predict(noise, reject=True) == -1).mean() > 0.99
    blank = np.repeat(np.arange(256, dtype=np.uint8), 28 * 28).reshape(-1, 28, 28)
    assert (lenet_fast.predict(blank, reject=True) == -1).all()
    sheets = lenet_fast.prepare_digits(random.normal(245, 4, (5, 120, 120)))
    assert (lenet_fast.predict(sheets, reject=True) == -1).all()


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
    for path in Path(pretrained._FOLDER).glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(pretrained, "_FOLDER", tmp_path)
    for name in lenet_fast.pretrained():
        path = tmp_path / f"{name}.safetensors"
        assert pretrained._load.__wrapped__(name).network
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(
            lenet_fast.WeightsError, match="wanted the file that was shipped, found (another|none); install"
        ):
            pretrained._load.__wrapped__(name)
