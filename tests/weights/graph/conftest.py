"""Fixtures of the tests of the graph core."""

from __future__ import annotations

import canonical
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def seeded():
    """The same numbers in whatever order the tests run."""
    canonical.RANDOM.bit_generator.state = np.random.default_rng(12).bit_generator.state
