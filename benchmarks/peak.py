"""The machine's multiply-add peak on one core, per instruction set: what shares of the peak are shares of.

    python benchmarks/peak.py

The baseline's figure is that of its fused multiply-adds in software, not of the machine.
"""

from __future__ import annotations

import os
import statistics
import time

from lenet_fast import _core


def peak(isa: str, rounds: int = 9) -> float:
    """Multiply-adds per second, the median of some rounds of about 20 milliseconds."""
    os.environ["LENET_FAST_ISA"] = isa
    count, speeds = 1_000, []
    while True:
        start = time.perf_counter()
        done = _core.multiply_adds(count)
        taken = time.perf_counter() - start
        if taken < 0.01:
            count *= 2
        elif len(speeds) < rounds:
            speeds.append(done / taken)
        else:
            return statistics.median(speeds)


if __name__ == "__main__":
    for name in _core.available_isas():
        print(f"{name:<9} {peak(name) / 1e9:7.1f} billion multiply-adds per second")
