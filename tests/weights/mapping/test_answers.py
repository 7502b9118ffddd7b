"""weights/mapping/answers.py: what the user says is one of the words that there are, or an error that lists them."""

from __future__ import annotations

import re

import lenet_fast
import numpy as np
import pytest
from lenet_fast.errors import shown
from lenet_fast.weights.mapping.answers import (
    COEFFICIENTS,
    COMPACT,
    DENSE,
    FLATTEN,
    FRACTION_BITS,
    KERNELS,
    Answers,
)

WORDS = {"flatten": FLATTEN, "coefficients": COEFFICIENTS, "compact": COMPACT, "kernels": KERNELS, "dense": DENSE}


@pytest.mark.parametrize("keyword", WORDS)
def test_an_answer_is_one_of_its_words_or_open(keyword):
    """And of no other keyword's."""
    for word in (None, *WORDS[keyword]):
        assert getattr(Answers(**{keyword: word}), keyword) == word
    others = [word for key, words in WORDS.items() if key != keyword for word in words]
    for word in (*others, "", "chw", 0, WORDS[keyword], np.zeros(2)):
        wanted = f"{keyword}: wanted {' or '.join(WORDS[keyword])}, found {shown(word)}"
        with pytest.raises(ValueError, match=re.escape(wanted)):
            Answers(**{keyword: word})


@pytest.mark.parametrize("bits", [-1, 16, True, 8.0, "8", [8]])
def test_fraction_bits_are_a_whole_number_from_0_to_15(bits):
    with pytest.raises(
        ValueError, match=re.escape(f"fraction_bits: wanted a whole number from 0 to 15, found {bits!r}")
    ):
        Answers(fraction_bits=bits)
    assert [Answers(fraction_bits=choice).fraction_bits for choice in FRACTION_BITS] == list(range(16))


def test_nothing_is_said_unless_it_is():
    assert Answers() == Answers(None, None, None, None, None, None)


def test_a_wrong_word_is_an_argument_of_the_callers_and_no_damage_of_the_file(relu_max):
    with pytest.raises(ValueError, match="flatten: wanted CHW or HWC, found 'HCW'") as caught:
        lenet_fast.from_state_dict(relu_max[1], "lenet5-relu-max", flatten="HCW")
    assert not isinstance(caught.value, lenet_fast.WeightsError)
