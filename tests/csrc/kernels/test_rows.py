"""rows-inl.hpp: values of every number, and batches of every size, leave as one row per image and not a value more."""

from __future__ import annotations

import numpy as np
import pytest
from lenet_fast import Dense, Model, Network


@pytest.mark.parametrize("values", [1, 3, 7, 8, 9, 15, 16, 17, 31, 33])
def test_rows_are_what_went_in(isa, random, values):
    """A unit per pixel shows each image as it is; around the rows nothing changes."""
    weights = {"F1.weight": np.eye(values), "F1.bias": np.zeros(values)}
    model = Model(Network((1, 1, values), (Dense(values),), "scores"), weights)
    for count in (1, 2, 7, 8, 9, 16, 17, 37):
        images = random.random((count, 1, 1, values)).astype(np.float32)
        around = np.full((count + 2, values), np.nan, np.float32)
        model.scores(images, out=around[1:-1])
        assert (around[1:-1] == images[:, 0, 0]).all()
        assert np.isnan(around[[0, -1]]).all()
