"""budget.py: what a load spends is counted, resource by resource, and refused beyond the budget before it is done."""

from __future__ import annotations

import threading
from dataclasses import fields

import lenet_fast
import pytest
from lenet_fast import Budget, OverBudgetError, WeightsError
from lenet_fast.budget import charge, current, need, spending

RESOURCES = [field.name for field in fields(Budget)]


def test_what_is_charged_adds_up_and_what_is_needed_at_once_does_not():
    with spending(Budget()) as spent:
        for count in (3, 4):
            charge("visits", count)
            need("parameters", count)
        need("parameters", 2)
    assert spent.spent == dict.fromkeys(RESOURCES, 0) | {"visits": 7, "parameters": 4}


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize("count_it", [charge, need])
def test_the_budget_may_be_spent_and_no_more(resource, count_it):
    with spending(Budget(**{resource: 1000})):
        count_it(resource, 1000)
        with pytest.raises(OverBudgetError) as caught:
            count_it(resource, 1001)
    assert caught.value.resource == resource
    assert caught.value.count == (2001 if count_it is charge else 1001)
    assert isinstance(caught.value, WeightsError)
    assert "at most 1,000 " in str(caught.value) and f"lenet_fast.Budget({resource}=...)" in str(caught.value)


def test_counts_beyond_all_measure_are_one_sentence_too():
    with pytest.raises(OverBudgetError, match="found more than can be counted"):
        charge("values", 10**6000)


def test_where_no_budget_stands_around_every_count_is_compared_with_the_default():
    for _ in range(3):
        charge("visits", Budget().visits)
    with pytest.raises(OverBudgetError):
        charge("visits", Budget().visits + 1)
    assert current() == Budget()


def test_a_budget_inside_another_begins_anew_and_leaves_the_other_as_it_was():
    mine = Budget(visits=10)
    with spending(mine) as outer:
        charge("visits", 9)
        with spending() as inner:
            assert current() is mine
            charge("visits", 9)
        with spending(Budget(visits=99)):
            charge("visits", 99)
        assert (outer.spent["visits"], inner.spent["visits"]) == (9, 9)
        with pytest.raises(OverBudgetError):
            charge("visits", 2)


def test_threads_do_not_spend_each_others_budgets():
    found = []
    with spending(Budget(visits=1)):
        thread = threading.Thread(target=lambda: found.append(current()))
        thread.start()
        thread.join()
    assert found == [Budget()]


def test_a_file_may_be_as_large_as_its_parameters_want_and_unpack_to_little_more_than_it_is():
    budget = Budget(parameters=1000)
    assert budget.file_bytes == 16_000
    assert budget.unpacked_bytes(100) == 8000
    assert Budget().unpacked_bytes(100) == 100 + (1 << 24)
    assert Budget().unpacked_bytes(1 << 40) == 8 << 24


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_budget_is_whole_numbers(resource):
    with pytest.raises(ValueError, match=f"{resource}: wanted a whole number from 0, found -1"):
        Budget(**{resource: -1})
    for value in (1.5, "many", None):
        with pytest.raises(TypeError, match=f"{resource}: wanted a whole number, found"):
            Budget(**{resource: value})


def test_load_takes_a_budget(tmp_path):
    path = tmp_path / "m.safetensors"
    lenet_fast.pretrained("digits").save(path)
    assert lenet_fast.load(path, budget=Budget()).classes_.size == 10
    with pytest.raises(TypeError, match="budget: wanted a lenet_fast.Budget, found 3"):
        lenet_fast.load(path, budget=3)
    for resource, enough in (("parameters", 61_740), ("multiply_adds", 400_000), ("check_images", 4)):
        lenet_fast.load(path, budget=Budget(**{resource: enough}))
        with pytest.raises(OverBudgetError, match=f"^{path}: ") as caught:
            lenet_fast.load(path, budget=Budget(**{resource: enough * 3 // 4}))
        assert caught.value.resource == resource


def test_live_objects_have_a_budget_too():
    digits = lenet_fast.pretrained("digits")
    mapping = dict(digits.weights)
    assert lenet_fast.from_state_dict(mapping, "lenet5-1998", budget=Budget(parameters=61_740))
    with pytest.raises(OverBudgetError, match="^state dict: wanted at most 1,000 parameters, found 61,740"):
        lenet_fast.from_state_dict(mapping, "lenet5-1998", budget=Budget(parameters=1000))
