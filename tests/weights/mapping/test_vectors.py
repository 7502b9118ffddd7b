"""weights/mapping/vectors.py: biases by their layers' names, and the pairs of trainable subsampling."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network, Subsample2x2, WeightsError

POOLED = Network((1, 12, 12), (Conv5x5(3, "tanh"), Subsample2x2("trainable", "tanh"), Dense(4)), "scores")


def tensors(coefficient="pool.weight", bias="pool.bias"):
    """A trainer's names, none of which are ours."""
    found = reference.random_weights(POOLED, np.random.default_rng(9))
    names = ("conv.weight", "conv.bias", coefficient, bias, "full.weight", "full.bias")
    return dict(zip(names, found.values(), strict=True))


@pytest.mark.parametrize("coefficients", ["sum", "mean"])
def test_what_coefficients_are_multiplied_with(coefficients):
    """A coefficient of the mean is four times one of the sum, which is the paper's and ours."""
    given = tensors()
    model = lenet_fast.from_state_dict(given, POOLED, coefficients=coefficients, flatten="CHW")
    x = np.random.default_rng(1).random((5, 1, 12, 12), np.float32)
    conv = reference.activate("tanh", reference.conv5x5(x, given["conv.weight"], given["conv.bias"]))
    pooled = conv.reshape(5, 3, 4, 2, 4, 2)
    pooled = pooled.sum((3, 5)) if coefficients == "sum" else pooled.mean((3, 5))
    pooled = np.tanh(pooled * given["pool.weight"][:, None, None] + given["pool.bias"][:, None, None])
    wanted = reference.dense(pooled.reshape(5, -1), given["full.weight"], given["full.bias"])
    np.testing.assert_allclose(model.scores(x), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_coefficients_of_sum_or_mean_are_asked_for():
    with pytest.raises(WeightsError, match="coefficients='sum'"):
        lenet_fast.from_state_dict(tensors(), POOLED, flatten="CHW")
