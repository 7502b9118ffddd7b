"""rubbish.py: what is reported was not trained on."""

from __future__ import annotations

import re
from importlib.resources import files

import lenet_fast
import numpy as np
import pytest


def test_what_is_reported_is_not_trained_on():
    for name in ("matplotlib", "PIL"):
        pytest.importorskip(name, reason=f"{name} is not installed (pip install '.[training]')")
    import rubbish

    assert not set(rubbish.TRAINING_FACES) & set(rubbish.REPORTED_FACES)
    trained = {image.tobytes() for image in rubbish.for_training(lenet_fast.sample_digits(), 1)}
    for name, images in rubbish.for_reporting(np.zeros((1, 32, 32, 3), np.uint8)).items():
        if name not in ("blank, every grey", "empty sheets with grain, prepared", "photographs in grey"):
            # of even greys there are few, and both sets have some; a prepared sheet is one of them
            assert not trained & {image.tobytes() for image in images}, name


def test_the_card_says_how_much_of_which_noise_is_rejected():
    for name in ("matplotlib", "PIL"):
        pytest.importorskip(name, reason=f"{name} is not installed (pip install '.[training]')")
    import rubbish

    page = (files(lenet_fast) / "pretrained" / "digits.md").read_text()
    kinds = rubbish.noise(20_000, np.random.default_rng(28))
    assert len(kinds) == 6
    for name, images in kinds.items():
        rejected = 100 * (lenet_fast.predict(images, reject=True) < 0).mean()
        assert re.search(rf"^\| {name} \| 20,000 \|.*\| {rejected:.1f} % \|$", page, re.MULTILINE), (name, rejected)
