"""robustness.py: the copies that are reported on are the same every time."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest


def test_altered_copies_are_the_same_every_time():
    for name in ("torch", "sklearn"):
        pytest.importorskip(name, reason=f"{name} is not installed (pip install '.[training]')")
    import robustness

    digits = lenet_fast.sample_digits()
    once, again = robustness.copies(digits), robustness.copies(digits)
    for name, images in once.items():
        assert images.shape == digits.shape
        assert images.dtype == np.uint8
        assert (images == again[name]).all()
        assert (images != digits).any()
    assert (once["inverted"] == 255 - digits).all()
