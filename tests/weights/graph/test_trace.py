"""weights/graph/trace.py: every value of a graph is followed to where it goes; what is no LeNet is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from lenet_fast import WeightsError
from lenet_fast.weights.recognise import recognise
from lenet_fast.weights.trace import Trace, same_padding

RANDOM = np.random.default_rng(12)


@pytest.fixture(autouse=True)
def seeded():
    """The same numbers in whatever order the tests run."""
    RANDOM.bit_generator.state = np.random.default_rng(12).bit_generator.state


def normal(*shape):
    return RANDOM.normal(size=shape)


# --- "same" padding ---


@pytest.mark.parametrize(
    ("size", "window", "strides", "total"),
    [
        ((28, 28), (5, 5), (1, 1), (4, 4)),
        ((27, 28), (2, 2), (2, 2), (1, 0)),
        ((28, 27), (2, 2), (2, 2), (0, 1)),
        ((27, 27), (5, 5), (2, 2), (4, 4)),
        ((28, 28), (5, 5), (2, 2), (3, 3)),
        ((28, 28), (4, 2), (1, 1), (3, 1)),
        ((28, 28), (1, 1), (3, 3), (0, 0)),
        ((3, 9), (2, 2), (3, 3), (0, 0)),
    ],
)
def test_an_odd_row_of_same_padding_lies_behind_unless_it_is_to_lie_before(size, window, strides, total):
    """TensorFlow, and SAME_UPPER of ONNX, pad below and right first; SAME_LOWER above and left."""
    behind = same_padding(size, window, strides)
    before = same_padding(size, window, strides, before=True)
    assert behind == (total[0] // 2, total[1] // 2, -(-total[0] // 2), -(-total[1] // 2))
    assert before == (*behind[2:], *behind[:2])


# --- a convolution that is subsampling ---


def subsampled(weight, bias=None, **options):
    """A convolution to three maps of 4x4, and 2x2 kernels over each with stride 2."""
    trace = Trace()
    flow = trace.conv(trace.image((1, 1, 8, 8)), normal(3, 1, 5, 5), normal(3), "conv")
    last = options.get("channels_last", False)
    flow = flow.rearranged(np.moveaxis(flow.index, 1, -1)) if last else flow
    flow = trace.conv(flow, weight, bias, "pool", strides=(2, 2), groups=3, **options)
    trace.dense(trace.reshape(flow, (1, -1), "flatten"), normal(4, 12), None, "full")
    return trace


@pytest.mark.parametrize("channels_last", [False, True])
def test_four_equal_weights_per_map_are_trainable_subsampling(channels_last):
    coefficients, bias = normal(3), normal(3)
    trace = subsampled(np.ones((3, 1, 2, 2)) * coefficients[:, None, None, None], bias, channels_last=channels_last)
    found = recognise(trace)
    assert found.network.layers[1].pooling == "trainable"
    np.testing.assert_allclose(found.weights["S2.coefficient"], coefficients, rtol=1e-6)
    np.testing.assert_allclose(found.weights["S2.bias"], bias, rtol=1e-6)


@pytest.mark.parametrize("place", [(0, 1), (1, 0), (1, 1), (0, 0)])
@pytest.mark.parametrize("map_", range(3))
def test_four_weights_of_which_one_differs_are_refused(map_, place):
    weight = np.ones((3, 1, 2, 2))
    weight[map_, 0][place] = 1.001
    with pytest.raises(WeightsError, match="four different weights"):
        subsampled(weight)


@pytest.mark.parametrize("pads", [(1, 1, 1, 1), (0, 0, 1, 1), (0, 0, 0, 2)])
def test_subsampling_of_padded_maps_is_refused(pads):
    with pytest.raises(WeightsError, match="pool: "):
        subsampled(np.ones((3, 1, 2, 2)), pads=pads)
