"""kernels.py: each layer on its own for NumPy arrays: its arguments, what it leaves alone, and what a model computes."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Model, Network, kernels
from lenet_fast.kernels import conv5x5, dense, leaky_relu, rbf_distances, relu, sigmoid, squash, subsample2x2, tanh

ONE_AXIS = {
    "squash": squash,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "relu": relu,
    "leaky_relu": lambda x: leaky_relu(x, 0.1),
}


def test_only_what_is_public_is_shown():
    assert dir(kernels) == sorted(kernels.__all__)
    assert all(getattr(kernels, name).__module__ == kernels.__name__ for name in kernels.__all__)


def test_a_kernel_has_the_bits_of_a_model(isa, random):
    network = Network((3, 9, 11), (Conv5x5(4, "leaky_relu", 1, slope=0.1),), "scores")
    weights, x = reference.random_weights(network, random), random.random((5, 3, 9, 11)).astype(np.float32)
    found = conv5x5(x, weights["C1.weight"], weights["C1.bias"], padding=1, activation="leaky_relu", slope=0.1)
    assert found.tobytes() == Model(network, weights).scores(x).tobytes()


@pytest.mark.parametrize("dtype", [np.float64, np.uint8, np.int16, bool, ">f4"])
def test_arrays_of_any_numbers_are_converted_and_never_written(dtype):
    x = np.arange(72).reshape(2, 1, 6, 6).astype(dtype)
    before, kernel = x.copy(), np.ones((1, 1, 5, 5), dtype)
    for found in (
        conv5x5(x, kernel),
        subsample2x2(x, "max"),
        dense(x[:, 0, 0], kernel[0, 0, :, :1].repeat(6, 1)),
        tanh(x),
    ):
        assert found.dtype == np.float32
        assert not np.may_share_memory(found, x)
    wanted = reference.conv5x5(x.astype(np.float64), kernel.astype(np.float64), np.zeros(1))
    assert np.allclose(conv5x5(x, kernel), wanted)
    assert (x == before).all()


def test_biases_are_zero_by_default(random):
    x, kernel, full = random.random((2, 1, 6, 6)), random.random((3, 1, 5, 5)), random.random((3, 4))
    assert (conv5x5(x, kernel) == conv5x5(x, kernel, np.zeros(3))).all()
    assert (dense(full, full) == dense(full, full, np.zeros(3))).all()
    assert (
        subsample2x2(x, "trainable", coefficient=[2]) == subsample2x2(x, "trainable", coefficient=[2], bias=[0])
    ).all()


@pytest.mark.parametrize("name", ONE_AXIS)
def test_curves_keep_any_shape(name):
    for shape in ((), (0,), (2, 0, 3), (2, 3, 4, 5)):
        assert ONE_AXIS[name](np.ones(shape)).shape == shape


@pytest.mark.parametrize(("slope", "error"), [(None, ValueError), (-0.1, ValueError), (1.5, ValueError), (float("nan"), ValueError), (True, TypeError), ("x", TypeError)])  # fmt: skip
def test_slopes_that_do_not_fit(slope, error):
    x, kernel, full = np.ones((1, 1, 6, 6)), np.ones((1, 1, 5, 5)), np.ones((1, 1))
    for work in (
        lambda: leaky_relu(x, slope),
        lambda: conv5x5(x, kernel, activation="leaky_relu", slope=slope),
        lambda: subsample2x2(x, activation="leaky_relu", slope=slope),
        lambda: dense(full, full, activation="leaky_relu", slope=slope),
    ):
        with pytest.raises(error, match="^slope: wanted a number") as caught:
            work()
        assert type(caught.value) is error
    with pytest.raises(ValueError, match="slope: wanted with 'leaky_relu' only, found 0.1 with 'relu'"):
        dense(full, full, activation="relu", slope=0.1)


def test_other_kernel_sizes_are_refused():
    with pytest.raises(ValueError, match=r"weight: wanted \(outputs, 1, 5, 5\), found \(2, 1, 3, 3\); only 5x5"):
        conv5x5(np.ones((1, 1, 8, 8)), np.ones((2, 1, 3, 3)))
    with pytest.raises(ValueError, match="C1: a 5x5 kernel wants at least 5x5 values, found maps of 4x9"):
        conv5x5(np.ones((1, 1, 4, 9)), np.ones((2, 1, 5, 5)))
    with pytest.raises(ValueError, match="maps: wanted 4 axes, found 2"):
        conv5x5(np.ones((8, 8)), np.ones((2, 1, 5, 5)))
    with pytest.raises(TypeError, match="maps: wanted real numbers, found complex128"):
        conv5x5(np.ones((1, 1, 8, 8), complex), np.ones((2, 1, 5, 5)))


def test_coefficients_go_with_trainable_pooling():
    x = np.ones((1, 2, 4, 4))
    with pytest.raises(ValueError, match="coefficient: wanted one value per map for trainable pooling, found none"):
        subsample2x2(x, "trainable")
    with pytest.raises(ValueError, match="wanted only with pooling='trainable', found them with 'max'"):
        subsample2x2(x, "max", bias=[1, 2])
    with pytest.raises(ValueError, match="pooling: wanted one of 'trainable', 'average', 'max', found 'min'"):
        subsample2x2(x, "min")
    with pytest.raises(ValueError, match=r"S1.coefficient: wanted shape \(2,\), found \(3,\)"):
        subsample2x2(x, "trainable", coefficient=[1, 2, 3])
    with pytest.raises(ValueError, match="a 2x2 window wants at least 2x2 values, found maps of 1x4"):
        subsample2x2(np.ones((1, 2, 1, 4)))


def test_shapes_that_do_not_fit_a_full_connection():
    with pytest.raises(ValueError, match=r"F1.weight: wanted shape \(3, 4\), found \(3, 5\)"):
        dense(np.ones((2, 4)), np.ones((3, 5)))
    with pytest.raises(ValueError, match=r"codes: wanted 2 axes, found 1, \(4,\)"):
        rbf_distances(np.ones((2, 4)), np.ones(4))


def test_words_are_no_numbers():
    with pytest.raises(TypeError, match="x: wanted real numbers, found <U1"):
        tanh(["a"])
