"""bench/peak.py: work per second, the median of rounds that are long enough; the work is counted by the core."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from lenet_fast import _core
from lenet_fast.bench.peak import bytes_per_second, multiply_adds_per_second


def test_work_per_second_is_the_median_of_rounds_that_are_long_enough(monkeypatch):
    """On a clock of the test's own: 100 units a repeat, 1 ms each, and rounds in which the machine did something else."""
    clock = SimpleNamespace(now=0.0, calls=[])

    def work(repeats):
        delay = {5: 9.0, 7: 3.0}.get(len(clock.calls), 0.0)
        clock.calls.append(repeats)
        clock.now += repeats * 1e-3 + delay
        return 100 * repeats

    monkeypatch.setattr("lenet_fast.bench.peak.time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr("lenet_fast.bench.peak.multiply_adds", work)
    assert multiply_adds_per_second(rounds=5, seconds=0.013) == pytest.approx(1e5)
    assert clock.calls == [1, 2, 4, 8] + [8] * 5  # doubled until half the time is reached


def test_the_core_counts_its_work(isa):
    """As many times as it is told to; bytes are whole blocks of the working set."""
    assert _core.multiply_adds(5) == 5 * _core.multiply_adds(1) > 0
    assert _core.loads(16 << 10, 5) == 5 * _core.loads(16 << 10, 1)
    assert 8 << 10 < _core.loads(16 << 10, 1) <= 16 << 10
    assert 0 < multiply_adds_per_second(1, 0.001) < 1e13
    assert 0 < bytes_per_second(16 << 10, 1, 0.001) < 1e13
