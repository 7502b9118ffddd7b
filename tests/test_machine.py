"""machine.py: what the package runs on, and how many threads it may use."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
from lenet_fast import _core


def test_info_says_what_runs(isa, threads):
    threads(3)
    found = lenet_fast.info()
    assert found == {
        "version": lenet_fast.__version__, "commit": _core.commit(), "compiler": _core.compiler(), "isa": isa,
        "available_isas": tuple(_core.available_isas()), "threads": 3,
    }  # fmt: skip
    assert all(found.values())


def test_info_refuses_a_set_that_is_not_there(monkeypatch):
    monkeypatch.setenv("LENET_FAST_ISA", "avx1024")
    with pytest.raises(ValueError, match="avx1024"):
        lenet_fast.info()


@pytest.mark.parametrize("count", [1, np.int64(5), 64])
def test_the_number_of_threads_is_what_was_set(threads, count):
    threads(count)
    assert lenet_fast.info()["threads"] == count


@pytest.mark.parametrize(
    ("count", "error"),
    [(0, ValueError), (-1, ValueError), (65_537, ValueError), (1 << 80, ValueError), (2.0, TypeError), ("2", TypeError), (None, TypeError)],
)  # fmt: skip
def test_a_number_that_is_none_leaves_the_old_one(threads, count, error):
    threads(2)
    with pytest.raises(error, match="threads: wanted a whole number"):
        threads(count)
    assert lenet_fast.info()["threads"] == 2
