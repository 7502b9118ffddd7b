"""weights/mapping/foreign.py: what is no LeNet is told for what it is."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
from lenet_fast import Conv5x5, Dense, Network, WeightsError
from lenet_fast.weights.mapping.foreign import refuse_foreign


def arrays(*shapes):
    return {f"a{i}": np.ones(shape, np.float32) for i, shape in enumerate(shapes)}


@pytest.mark.parametrize(
    "shapes",
    [
        [(512, 784), (512,), (10, 512), (10,)], [(784, 512), (512,), (512, 10), (10,)], [(1000, 3072), (10, 1000)],
        [(300, 784), (100, 300), (10, 100)], [(1024, 512), (512, 512), (512, 10)], [(800, 784), (800, 800), (10, 800)],
    ],
)  # fmt: skip
def test_a_perceptron_is_no_data_set(shapes):
    with pytest.raises(WeightsError) as caught:
        refuse_foreign(arrays(*shapes))
    assert caught.value.what == "a0" and caught.value.wanted == "a LeNet, which begins with 5x5 convolutions"
    assert caught.value.found.startswith("full connections alone, of ")


@pytest.mark.parametrize(
    "shapes",
    [
        [(600, 28, 28), (600,)], [(500, 784), (500, 10)], [(60_000, 784), (10_000, 784)], [(600, 3072)],
        [(500, 32, 32, 3), (500, 1)],
    ],
)  # fmt: skip
def test_a_data_set_is_no_perceptron(shapes):
    """Labels may have an axis for the classes, and be as many as the images."""
    with pytest.raises(WeightsError, match="a0: wanted weights, found .*, images of a data set; this is no model"):
        refuse_foreign(arrays(*shapes))


@pytest.mark.parametrize(
    "shapes",
    [
        [(6, 1, 5, 5), (16, 6, 5, 5), (512, 784), (10, 512)], [(32, 25), (64, 800), (512, 1024), (10, 512)],
        [(120, 400), (84, 120), (10, 84)], [(500, 800), (10, 500)],
    ],
)  # fmt: skip
def test_what_has_kernels_or_other_inputs_passes(shapes):
    """Kernels may be stored flat."""
    refuse_foreign(arrays(*shapes))


def test_the_bias_of_a_kernel_may_be_called_as_the_kernel_is():
    """A convolution that batch normalisation was folded into keeps its name."""
    network = Network((1, 8, 8), (Conv5x5(2, "tanh"), Dense(3)), "scores")
    given = arrays((2, 1, 5, 5), (2,), (3, 32), (3,))
    names = ["conv_bn.weight", "conv_bn.bias", "fc.weight", "fc.bias"]
    model = lenet_fast.from_state_dict(dict(zip(names, given.values(), strict=True)), network, flatten="CHW")
    assert (model.weights["C1.bias"] == 1).all()
