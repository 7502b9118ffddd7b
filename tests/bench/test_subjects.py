"""bench/subjects.py: images are all different, and peers get them scaled as the model's first layer sees them."""

from __future__ import annotations

import lenet_fast
import numpy as np
from lenet_fast.bench.subjects import scaled, some_images


def test_some_images_are_different_and_scaled_as_the_model_says():
    model = lenet_fast.pretrained("digits")
    images = some_images(model, 1024)
    assert len(np.unique(images.reshape(1024, -1), axis=0)) == 1024
    assert np.abs(scaled(model, images) - (images / 255 * 1.275 - 0.1)).max() < 2e-7
