"""weights/arrays/hexadecimal.py: words of 16 bits, and no others, in two's complement."""

from __future__ import annotations

import pytest
from lenet_fast import WeightsError
from lenet_fast.weights.arrays import hexadecimal


def test_every_word_is_its_number_in_twos_complement():
    for number in (0, 1, 0x7FFF, -1, -0x8000, -198):
        for form in ("{:04x}", "{:04X}", "0x{:04x}", "0X{:x}"):
            assert hexadecimal.whole_numbers([form.format(number & 0xFFFF)]).tolist() == [number]


@pytest.mark.parametrize(
    "texts", [["FF3A"], ["ff3a", "0012"], ["0012", "0034"], ["0xff3a", "0x1"], ["0XFFFF", "0x0"], ["1e05"]]
)
def test_words_of_sixteen_bits(texts):
    assert hexadecimal.are_words(texts) and all(map(hexadecimal.is_word, texts))


@pytest.mark.parametrize(
    "texts",
    [["FF"], ["FFF"], ["FF3A", "12"], ["FF3A0"], ["0xff", "0x12"], ["0xff3a", "ff3a"], ["ff3a", "0xff3a"], ["0x"], ["-001"],
     ["FF3G"], ["1.25"], ["0x3f800000"], ["\u0661\u0661\u0661\u0661"], ["00_1"]],
)  # fmt: skip
def test_no_words_of_sixteen_bits(texts):
    """Of eight bits, 12, 32, of two writings, or numbers that int() would take."""
    assert not hexadecimal.are_words(texts)


def test_a_memory_says_its_radix():
    header = "; remark; 2\n\nmemory_initialization_radix = {};\nMemory_Initialization_Vector=\n0012, 0034;"
    assert hexadecimal.behind_memory_header(header.format(16)).split() == ["0012,", "0034;"]
    assert hexadecimal.behind_memory_header("0012 0034") is None
    for radix in (2, 10):
        with pytest.raises(WeightsError, match=f"wanted memory_initialization_radix=16, found {radix}"):
            hexadecimal.behind_memory_header(header.format(radix))
