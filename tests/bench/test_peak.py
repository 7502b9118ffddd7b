"""bench/peak.py: what is measured as the machine's most is what a machine can do."""

from __future__ import annotations

from lenet_fast.bench.peak import bytes_per_second, multiply_adds_per_second


def test_peaks_are_those_of_a_machine(isa):
    assert 1e8 < multiply_adds_per_second(1, 0.001) < 1e13
    assert 1e8 < bytes_per_second(16 << 10, 1, 0.001) < 1e13
