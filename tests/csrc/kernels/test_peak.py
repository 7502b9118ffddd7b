"""peak-inl.hpp: it does as much as it says that it does, on every instruction set."""

from __future__ import annotations

from lenet_fast import _core


def test_the_count_grows_with_the_rounds(isa):
    """In whole chains of whole vectors: three quarters of the registers."""
    once = _core.multiply_adds(1)
    lanes = {"avx512": 16, "avx2": 8}.get(isa)
    assert once > 0
    assert _core.multiply_adds(1000) == 1000 * once
    assert _core.multiply_adds(0) == 0
    if lanes:
        assert once == lanes * {"avx512": 24, "avx2": 12}[isa]


def test_loads_count_whole_steps_of_what_they_are_given(isa):
    step = 4 * _core.multiply_adds(1)  # bytes: a vector in each chain
    for size, steps in ((step, 1), (2 * step - 4, 1), (2 * step, 2), (step - 4, 0), (0, 0)):
        assert _core.loads(size, 3) == 3 * steps * step
