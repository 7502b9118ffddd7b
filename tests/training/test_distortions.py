"""distortions.py: images are moved and spoilt within their limits, and otherwise kept."""

from __future__ import annotations

import pytest


def test_distortions_keep_what_they_should():
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[training]')")
    from distortions import affine_and_elastic, flip_and_shift, noisy

    random = torch.Generator().manual_seed(0)
    images = torch.rand(8, 1, 32, 32, generator=random)
    none = dict.fromkeys(("rotation", "scaling", "shear", "shift", "elastic"), 0.0)
    same = affine_and_elastic(images, random, background=-0.1, **none)
    assert torch.allclose(same, images, atol=1e-5)
    far = affine_and_elastic(images, random, background=-0.1, **none | {"shift": 200.0})
    assert (far == -0.1).any()
    turned = affine_and_elastic(images, random, background=-0.1, **none | {"rotation": 30.0})
    assert not torch.allclose(turned, images, atol=0.1)
    spoilt = noisy(images, random, share=0.5, deviation=0.3, lowest=-0.1, highest=1.175)
    touched = (spoilt != images).flatten(1).any(1)
    assert 0 < touched.sum() < 8
    assert -0.1 <= spoilt.min() <= spoilt.max() <= 1.175
    moved = flip_and_shift(images, random, shift=4)
    assert moved.shape == images.shape
    column = torch.arange(32.0).expand(64, 1, 32, 32)
    middles = flip_and_shift(column, random, shift=4)[:, 0, 16, 16]
    assert 11 <= middles.min() <= middles.max() <= 20
    assert len(middles.unique()) > 5
