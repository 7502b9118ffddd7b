"""operations.py: a model as elementary operations computes what the model computes."""

from __future__ import annotations

import numpy as np
import reference
from lenet_fast.operations import plain


def test_the_elementary_operations_are_the_network(any_model, random):
    images = random.random((3, *any_model.network.input))
    wanted = reference.answers(any_model, images)
    found = reference.run_operations(plain(any_model), images)
    assert np.abs(found - wanted).max() < 1e-12 * max(1, np.abs(wanted).max())
