"""activation-inl.hpp: squashing functions against float64, over the whole line, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from conftest import poisoned
from lenet_fast import kernels

FUNCTIONS = {"scaled_tanh": kernels.squash, "tanh": kernels.tanh, "sigmoid": kernels.sigmoid, "relu": kernels.relu,
             "leaky_relu": lambda x: kernels.leaky_relu(x, 0.25)}  # fmt: skip


def line():
    """Every 4,099th float32, of both signs, from the smallest to the largest: half a million of them."""
    bits = np.arange(0, 0x7F800000, 4099, dtype=np.uint32)
    return np.concatenate([bits, bits | np.uint32(0x80000000)]).view(np.float32)


@pytest.mark.parametrize("name", ["scaled_tanh", "tanh"])
def test_tanh_is_exact_to_a_few_units_in_the_last_place(isa, name):
    x = line()
    x = x[np.abs(x) > 1e-30]
    wanted = reference.activate(name, x)
    assert (np.abs(FUNCTIONS[name](x) - wanted) <= reference.ACTIVATION_ERROR * np.abs(wanted)).all()


@pytest.mark.parametrize(("name", "limit"), [("scaled_tanh", np.float32(1.7159)), ("tanh", 1)])
def test_tanh_stays_within_its_limits(isa, name, limit):
    found = FUNCTIONS[name](line())
    assert np.abs(found).max() == limit
    saturated = FUNCTIONS[name]([1e30, -1e30])
    assert np.abs(saturated - [limit, -limit]).max() <= reference.ACTIVATION_ERROR * limit
    assert FUNCTIONS[name]([0.0]) == 0
    assert (FUNCTIONS[name](-line()) == -found).all()


def test_squash_meets_the_papers_fixed_points(isa):
    assert np.abs(kernels.squash([1.0, -1.0]) - [1, -1]).max() < 1e-5  # f(1) = 1.00000 (appendix A)


def test_sigmoid(isa):
    x = line()
    x = x[np.abs(x) < 87]  # from there on its values are subnormal
    wanted = reference.activate("sigmoid", x)
    assert (np.abs(kernels.sigmoid(x) - wanted) <= reference.ACTIVATION_ERROR * wanted).all()
    assert kernels.sigmoid([0.0, 1e30]).tolist() == [0.5, 1]
    assert 0 < kernels.sigmoid(-1e30) < 1e-37


def test_sigmoid_falls_to_a_last_value_above_zero(isa):
    """Where exp ends at 88 the sigmoid is subnormal, but still what it should be."""
    x = np.linspace(-88, -87, 1000, dtype=np.float32)
    found, half_a_unit = kernels.sigmoid(x), 2.0**-150
    wanted = reference.activate("sigmoid", x)
    assert (np.abs(found - wanted) <= reference.ACTIVATION_ERROR * wanted + half_a_unit).all()
    assert (kernels.sigmoid([-88.5, -89, -100, -1e5, -3e38, -np.inf]) == found[0]).all()


def test_exp_is_a_polynomial_of_degree_7(isa):
    """Below -20 the sigmoid is 1 / exp(-x). Rounding cancels out over many x, the error of the polynomial stays."""
    x = np.linspace(-80, -20, 200_001, dtype=np.float32)
    error = kernels.sigmoid(x) / reference.activate("sigmoid", x) - 1
    remainder = x - np.round(x / np.log(2)) * np.log(2)  # within ln 2 / 2, where the error is largest
    for part in np.array_split(error[np.argsort(remainder)], 20):
        assert abs(part.mean()) < 8e-9


def test_relu_is_exact(isa):
    x = line()
    assert (kernels.relu(x) == np.maximum(x, 0)).all()


SLOPES = [0, 0.01, 0.3, 1]


@pytest.mark.parametrize("slope", SLOPES)
def test_leaky_relu_is_exact(isa, slope):
    x = line()
    wanted = np.where(x > 0, x, np.float32(slope) * x)
    assert kernels.leaky_relu(x, slope).tobytes() == wanted.tobytes()  # -0.0 too
    assert (kernels.leaky_relu(x, slope) == reference.activate("leaky_relu", x, slope).astype(np.float32)).all()


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("count", [1, 7, 8, 9, 17, 33])
def test_leaky_relu_of_what_is_no_usual_number(isa, monkeypatch, slope, count):
    """The same bits on every instruction set, wherever in a vector the value lies; NaN stays NaN."""
    x = np.resize(np.array([0, -0.0, np.inf, -np.inf, np.nan, -1e-45, 3.4e38, -3.4e38], np.float32), count)
    found = kernels.leaky_relu(x, slope)
    numbers = np.isfinite(x)
    assert (found[numbers] == reference.activate("leaky_relu", x[numbers], slope).astype(np.float32)).all()
    assert (np.isnan(found) == np.isnan(x)).all()
    assert (found[x == np.inf] == np.inf).all()
    assert slope == 0 or (found[x == -np.inf] == -np.inf).all()
    monkeypatch.setenv("LENET_FAST_ISA", "baseline")
    assert kernels.leaky_relu(x, slope).tobytes() == found.tobytes()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_stays_nan_and_harms_no_neighbour(isa, name):
    x = np.linspace(-2, 2, 37, dtype=np.float32)
    clean = FUNCTIONS[name](x)
    x[17] = np.nan
    found = FUNCTIONS[name](x)
    assert np.isnan(found[17])
    assert (np.delete(found, 17) == np.delete(clean, 17)).all()


@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (8,), (9,), (17,), (3, 5, 2)])
def test_any_shape(isa, random, shape):
    x = random.normal(size=shape)
    found = kernels.squash(poisoned(x) if x.ndim else x)
    assert found.shape == shape
    assert found.dtype == np.float32
    assert np.allclose(found, reference.activate("scaled_tanh", x), atol=1e-6)
