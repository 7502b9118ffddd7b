"""weights/cost.py: a network is counted before anything is made for it, the same on every machine."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import RBF, Budget, Conv5x5, Dense, Model, Network, OverBudgetError, Subsample2x2, _core, networks
from lenet_fast.budget import spending
from lenet_fast.weights.cost import afford

LARGE = Network((3, 96, 64), (Conv5x5(40, "relu"), Subsample2x2("max"), Dense(70), Dense(7)), "scores")
DEEP = Network(
    (1, 40, 60),
    (Conv5x5(5, "tanh", 2), Conv5x5(33, "relu", 4), Subsample2x2("average"), Conv5x5(3), Subsample2x2(), RBF(3)),
    "rbf",
)


def test_a_network_costs_what_its_table_says():
    network = networks()["lenet5-1998"]
    with spending() as spent:
        afford(network)
    assert spent.spent["parameters"] == 60_000 + 840 + 36 * 25  # trainable, codes, and the zeros of C3's table
    assert spent.spent["multiply_adds"] == sum(figures.multiply_adds for figures in network.figures)
    assert spent.spent["memory"] == network.core.memory()


@pytest.mark.parametrize("resource", ["parameters", "multiply_adds", "memory"])
def test_what_is_too_much_is_refused(resource):
    with spending() as spent:
        afford(LARGE)
    with spending(Budget(**{resource: spent.spent[resource]})):
        afford(LARGE)
    with spending(Budget(**{resource: spent.spent[resource] - 1})), pytest.raises(OverBudgetError) as caught:
        afford(LARGE)
    assert caught.value.resource == resource


@pytest.mark.parametrize("isa", _core.available_isas())
@pytest.mark.parametrize("network", [*networks().values(), LARGE, DEEP], ids=str)
def test_no_plan_takes_more_memory_than_is_counted(network, isa, monkeypatch):
    monkeypatch.setenv("LENET_FAST_ISA", isa)
    model = Model(network, reference.random_weights(network, np.random.default_rng(0)))
    weights = sum(4 * array.size for array in model.weights.values())
    assert model._plan.isa == isa
    assert model._plan.workspace + weights <= network.core.memory()
    lanes = {"avx512": 16, "avx2": 8, "neon": 4, "baseline": 1}[isa]
    assert network.core.memory() < 3 * (16 / lanes * model._plan.workspace + weights)


def test_the_largest_lenet_is_within_the_default_budget():
    maps, units = 64, 1024  # of an image of 160x60 pixels, as captchas have
    network = Network(
        (3, 60, 160),
        (
            Conv5x5(32, "relu"),
            Subsample2x2("max"),
            Conv5x5(maps, "relu"),
            Subsample2x2("max"),
            Dense(512),
            Dense(units),
        ),
        "scores",
    )
    with spending():
        afford(network)
