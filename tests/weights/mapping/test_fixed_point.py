"""weights/mapping/fixed_point.py: words become fractions when the user says which, and never otherwise."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
from lenet_fast import WeightsError
from lenet_fast.errors import OpenQuestionError
from lenet_fast.weights.mapping.fixed_point import as_fractions
from lenet_fast.weights.source import Source

WORDS = np.array([-32768, -1, 0, 3, 32767], np.int16)


def source(**arrays):
    """Words, and an array of floats beside them."""
    return Source("folder", {**arrays, "float": np.array([3.0])}, fixed_point=frozenset(arrays))


@pytest.mark.parametrize("bits", range(16))
def test_every_word_is_its_number_of_fractions(bits):
    found = as_fractions(source(a=WORDS), bits)
    assert found.tensors["a"].tolist() == [word / 2**bits for word in WORDS.tolist()]
    assert found.tensors["float"].tolist() == [3.0]
    assert found.fixed_point == frozenset()


def test_the_number_of_fraction_bits_is_asked_for_and_never_guessed():
    with pytest.raises(OpenQuestionError) as caught:
        as_fractions(source(a=WORDS), None)
    assert caught.value.keyword == "fraction_bits"
    assert [as_fractions(source(a=WORDS), choice).tensors["a"][3] for choice in caught.value.choices][8] == 3 / 256


def test_where_nothing_is_fixed_point_the_keyword_is_refused():
    plain = Source("folder", {"a": WORDS})
    assert as_fractions(plain, None) is plain
    with pytest.raises(WeightsError, match="found none .folder.; leave fraction_bits out"):
        as_fractions(plain, 8)


def test_words_of_other_sizes_or_without_a_sign_are_refused():
    with pytest.raises(WeightsError, match="b: wanted whole numbers of 16 bits .*, found 65,530; divide"):
        as_fractions(source(a=WORDS, b=np.array([65530.0])), 8)
    with pytest.raises(WeightsError, match="found none that is negative: words of fewer bits"):
        as_fractions(source(a=np.array([0x3FFF, 0x0012], np.int16)), 8)


def test_a_file_that_says_everything_leaves_no_bits_open(tmp_path):
    lenet_fast.pretrained("digits").save(tmp_path / "m.npz")
    with pytest.raises(WeightsError, match="found a file that says everything; leave fraction_bits out"):
        lenet_fast.load(tmp_path / "m.npz", fraction_bits=8)
