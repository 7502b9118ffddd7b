"""weights/names.py: names go in the order in which people count."""

from __future__ import annotations

import random

import pytest
from lenet_fast.weights.names import natural


@pytest.mark.parametrize(
    "names",
    [
        ["w2", "w10"],
        ["w", "w0", "w1", "w9", "w10", "w100"],
        ["1", "2", "10"],
        ["conv1.9", "conv1.10", "conv2.1", "conv10.1"],
        ["a1", "a1b", "a1b2", "a1b10", "b0"],
        ["block2/layer10", "block10/layer2"],
        ["", "0", "a"],
    ],
)
def test_numbers_go_by_what_they_are(names):
    for seed in range(5):
        shuffled = random.Random(seed).sample(names, len(names))
        assert sorted(shuffled, key=natural) == names


def test_zeros_before_a_number_do_not_count():
    assert sorted(["w10", "w02", "w003"], key=natural) == ["w02", "w003", "w10"]
    assert natural("w007") == natural("w7")


def test_numbers_of_thousands_of_digits_are_numbers_too():
    """Which Python would refuse to convert."""
    small, large = "w" + "9" * 9999, "w1" + "0" * 9999
    assert sorted([large, small, "w5"], key=natural) == ["w5", small, large]


def test_digits_of_other_alphabets_are_letters():
    """int("²") is an error, and a name is anybody's."""
    assert natural("w²") != natural("w2") and sorted(["w²", "w٣", "w1"], key=natural)[0] == "w1"
