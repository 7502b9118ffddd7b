"""bindings/machine.cpp: what the machine is and can do, and arguments that are none."""

from __future__ import annotations

import pytest
from lenet_fast import _core


def test_words_about_the_build():
    assert _core.compiler()
    assert _core.commit()
    assert len(set(_core.available_isas())) == len(_core.available_isas())


def test_the_chosen_set_is_the_forced_one(isa):
    assert _core.chosen_isa() == isa


def test_processors_are_at_least_one():
    assert _core.usable_processors() >= 1


def test_threads_are_set_and_read(threads):
    _core.set_num_threads(3)
    assert _core.num_threads() == 3


@pytest.mark.parametrize("call", [lambda: _core.set_num_threads("2"), lambda: _core.multiply_adds(0.5), lambda: _core.loads(-1, 1)])  # fmt: skip
def test_what_is_no_number_is_a_type_error(call):
    with pytest.raises(TypeError):
        call()
