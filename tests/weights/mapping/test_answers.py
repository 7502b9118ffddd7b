"""weights/mapping/answers.py: what the user says is one of the words that there are, or an error that lists them."""

from __future__ import annotations

import re

import lenet_fast
import numpy as np
import pytest
from lenet_fast.weights.mapping.answers import COEFFICIENTS, COMPACT, FLATTEN, Answers

WORDS = {"flatten": FLATTEN, "coefficients": COEFFICIENTS, "compact": COMPACT}


@pytest.mark.parametrize("keyword", WORDS)
def test_an_answer_is_one_of_its_words_or_open(keyword):
    """And of no other keyword's."""
    for word in (None, *WORDS[keyword]):
        assert getattr(Answers(**{keyword: word}), keyword) == word
    others = [word for key, words in WORDS.items() if key != keyword for word in words]
    for word in (*others, "", "chw", 0, WORDS[keyword], np.zeros(2)):
        first, second = WORDS[keyword]
        wanted = f"{keyword}: wanted {first} or {second}, found {word!r}"
        with pytest.raises(ValueError, match=re.escape(wanted)):
            Answers(**{keyword: word})


def test_nothing_is_said_unless_it_is():
    assert Answers() == Answers(None, None, None)


def test_a_wrong_word_is_an_argument_of_the_callers_and_no_damage_of_the_file(relu_max):
    with pytest.raises(ValueError, match="flatten: wanted CHW or HWC, found 'HCW'") as caught:
        lenet_fast.from_state_dict(relu_max[1], "lenet5-relu-max", flatten="HCW")
    assert not isinstance(caught.value, lenet_fast.WeightsError)
