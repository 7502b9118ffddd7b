"""loop.py: every pass distorts afresh, a killed run ends with the same weights, and the log says what happened."""

from __future__ import annotations

import json

import mnist
import numpy as np
import pytest

for package in ("torch", "tqdm", "matplotlib"):
    pytest.importorskip(package, reason=f"{package} is not installed (pip install '.[training]')")
import loop  # noqa: E402
import torch  # noqa: E402


def test_a_killed_run_resumes_to_the_same_weights(digits, files, tmp_path, monkeypatch):
    recipe = digits.DigitsRecipe(passes=3, lessons=1, batch=32)
    images = np.frombuffer(files["train-images-idx3-ubyte"], np.uint8, offset=16).reshape(300, 28, 28)
    data = mnist.Digits(images, np.frombuffer(files["train-labels-idx1-ubyte"], np.uint8, offset=8))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    teacher = digits.train_teacher(recipe, data, tmp_path / "teacher")
    wanted = digits.train_network(recipe, data, teacher, whole, 0)

    def kill(path, parts, recipe, passes, save=loop._save):
        save(path, parts, recipe, passes)
        if passes == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_save", kill)
    with pytest.raises(KeyboardInterrupt):
        digits.train_network(recipe, data, teacher, killed, 0)
    found = digits.train_network(recipe, data, teacher, killed, 0)
    for name, tensor in wanted.state_dict().items():
        assert torch.equal(tensor, found.state_dict()[name]), name
    losses = [json.loads(line)["loss"] for line in (killed / "log.jsonl").read_text().splitlines()]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    assert (killed / "curve.png").stat().st_size > 5_000
    with pytest.raises(SystemExit, match="made by another recipe"):
        digits.train_network(digits.DigitsRecipe(passes=4, lessons=1, batch=32), data, teacher, killed, 0)


def task(**changes):
    """Eleven images, the numbers from 1 to 11, and a network that is one factor."""
    images = torch.arange(1.0, 12.0).reshape(11, 1, 1, 1)
    parts = {
        "network": torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1, 1, bias=False)),
        "images": images,
        "labels": torch.arange(1, 12),
        "held_images": images,
        "held_labels": torch.arange(1, 12),
        "distorted": lambda images, random: images,
        "criterion": lambda outputs, labels, images: (outputs**2).mean(),
        "answers": lambda outputs: outputs[:, 0].round().long(),
    }
    return loop.Task(**parts | changes)


def test_every_image_is_distorted_afresh_on_every_pass(tmp_path, monkeypatch):
    """What the network and the criterion see are the distorted images, and beside them the labels of the others."""
    given, seen, shares = [], [], []
    monkeypatch.setattr(loop, "rate", lambda recipe, share: shares.append(share) or 1e-3)

    def distorted(images, random):
        given.append(images.flatten().tolist())
        return images + 100 * (1 + torch.rand(images.shape, generator=random))

    def criterion(outputs, labels, images):
        seen.append(images.flatten().tolist())
        assert labels.tolist() == given[-1]
        assert torch.equal(outputs, network(images))
        assert network.training
        return (outputs**2).mean()

    network = task().network
    loop.train(
        task(network=network, distorted=distorted, criterion=criterion), loop.Recipe(passes=2, batch=3), tmp_path
    )
    first, second = np.reshape(given, (2, 9)).tolist()  # six batches of three
    assert len(set(first)) == len(set(second)) == 9
    assert first != second
    moves = np.subtract(seen, given).ravel()
    assert moves.min() >= 100
    assert len(set(moves.round(3))) == 18
    assert shares == [step / 6 for step in range(6)]


def test_accuracy_is_the_share_of_the_held_out_images_that_get_their_label():
    """In batches of 500, by the network as it is used: here one that forgets nearly everything while it is trained."""
    labels = torch.arange(700) % 7
    answers = torch.where(torch.arange(700) % 100 < 13, labels, labels + 1)
    network = torch.nn.Dropout(0.99)
    network.train()
    held = task(
        network=network,
        held_images=answers.float().reshape(700, 1, 1, 1),
        held_labels=labels,
        answers=lambda outputs: outputs.flatten().long(),
    )
    assert loop.accuracy(held, network) == 91 / 700


def test_the_rate_rises_in_a_line_and_falls_along_a_cosine():
    recipe = loop.Recipe(peak_rate=0.5, warm_up=0.2)
    found = [loop.rate(recipe, share) for share in (0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1)]
    root = 2**-0.5
    assert found == pytest.approx([0, 0.125, 0.25, 0.5, (1 + root) / 4, 0.25, (1 - root) / 4, 0])
