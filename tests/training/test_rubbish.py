"""rubbish.py: what is reported was not trained on."""

from __future__ import annotations

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
