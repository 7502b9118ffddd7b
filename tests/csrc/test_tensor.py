"""tensor.hpp: memory for the kernels is aligned to a cache line, and images may lie at any stride and alignment."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

CSRC = Path(__file__).parents[2] / "csrc"


def test_vectors_are_never_wider_than_the_alignment():
    """A load of a vector that straddles its alignment would be a fault, or slow."""
    table = (CSRC / "kernels" / "table.hpp").read_text()
    alignment = int(re.search(r"kAlignment = (\d+);", table).group(1))
    for path in (CSRC / "kernels" / "simd").glob("*.hpp"):
        lanes = int(re.search(r"kLanes = (\d+)", path.read_text()).group(1))
        assert alignment % (4 * lanes) == 0, path.name


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shift", [0, 1, 2, 3])
def test_images_at_any_alignment_and_stride(isa, random, digits, dtype, shift):
    images = random.integers(0, 256, (3, 28, 28), np.uint8)
    images = images if dtype == np.uint8 else (images / 255).astype(dtype)
    wanted = digits.scores(images).tobytes()
    memory = np.zeros(images.nbytes + shift, np.uint8)
    moved = memory[shift:].view(dtype).reshape(images.shape)
    moved[...] = images
    backwards = np.ascontiguousarray(images[::-1, ::-1, ::-1])[::-1, ::-1, ::-1]
    for view in (moved, backwards, np.repeat(images, 3, axis=2)[:, :, ::3]):
        assert digits.scores(view).tobytes() == wanted
