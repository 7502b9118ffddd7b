"""The machine's multiply-add peak and what it reads from its caches, on one core, per instruction set.

    python benchmarks/peak.py

Shares of the peak are shares of the first figure. The baseline's is that of its fused multiply-adds in software, not of
the machine. Working sets: half of a first-level cache of 32 KiB, and 256 KiB, which a second-level cache holds.
"""

from __future__ import annotations

import os

from lenet_fast import _core
from lenet_fast.bench.peak import bytes_per_second, multiply_adds_per_second


def main() -> None:
    print(f"{'':<9} {'multiply-adds':>14} {'first level':>12} {'second level':>13}")
    for isa in _core.available_isas():
        os.environ["LENET_FAST_ISA"] = isa
        first, second = bytes_per_second(16 << 10), bytes_per_second(256 << 10)
        print(
            f"{isa:<9} {multiply_adds_per_second() / 1e9:>10.1f} G/s {first / 1e9:>7.0f} GB/s {second / 1e9:>8.0f} GB/s"
        )


if __name__ == "__main__":
    main()
