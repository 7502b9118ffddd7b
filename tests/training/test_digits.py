"""digits.py: from the data to the model that is shipped, with its card."""

from __future__ import annotations

import hashlib

import lenet_fast
import mnist
import numpy as np


def test_digits_from_start_to_card(digits, files, tmp_path):
    data = tmp_path / "mnist"
    data.mkdir()
    for name, content in files.items():
        (data / name).write_bytes(content)
    recipes = [digits.DigitsRecipe(seed=seed, passes=1, lessons=1, batch=32) for seed in (1, 2)]
    models = {recipe.seed: digits.train_seed(recipe, data, tmp_path, 0, 1) for recipe in recipes}
    assert models[1].network == lenet_fast.networks()["lenet5-1998"]
    train, test = (mnist.load(split, data) for split in ("train", "t10k"))
    held = digits.Labelled(train.images[-100:], train.labels[-100:])
    pictures = np.zeros((20, 32, 32, 3), np.uint8)
    digits.release(models, recipes[0], held, digits.Labelled(*test), pictures, tmp_path / "out")
    released = lenet_fast.load(tmp_path / "out" / "digits.safetensors")
    page = (tmp_path / "out" / "digits.md").read_text()
    assert released.calibration.images == 100
    assert released.card["test accuracy"] in page
    assert released.calibration.distance is not None
    found = released.predict(test.images, reject=True)
    kept = found >= 0
    lines = [line for line in page.splitlines() if line.startswith("| as shipped |")]
    assert f"({(~kept).sum():,} of {len(kept):,};" in lines[0]
    assert f"({(found != test.labels)[kept].sum():,} of {kept.sum():,};" in lines[0]
    for heading in ("Per class", "Rejection and calibration", "Images that are no digits", "Beyond MNIST"):
        assert f"## {heading}" in page
    checksum = hashlib.sha256((tmp_path / "out" / "digits.safetensors").read_bytes()).hexdigest()
    assert (tmp_path / "out" / "checksums.txt").read_text() == f"{checksum}  digits.safetensors\n"
