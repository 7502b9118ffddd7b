"""What the machine can do at most, measured: the denominators of every speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from .._core import loads, multiply_adds


def _per_second(work: Callable[[int], int], rounds: int, seconds: float) -> float:
    """Units of work per second: the median of `rounds` runs that take about `seconds` each."""
    repeats = 1
    while _timed(work, repeats)[1] < seconds / 2:
        repeats *= 2
    return statistics.median(done / taken for done, taken in (_timed(work, repeats) for _ in range(rounds)))


def _timed(work: Callable[[int], int], repeats: int) -> tuple[int, float]:
    start = time.perf_counter()
    return work(repeats), time.perf_counter() - start


def multiply_adds_per_second(rounds: int = 9, seconds: float = 0.01) -> float:
    """One core's peak in the chosen instruction set; software's own, not the machine's, in the baseline."""
    return _per_second(multiply_adds, rounds, seconds)


def bytes_per_second(working_set: int, rounds: int = 9, seconds: float = 0.01) -> float:
    """What one core reads over and over from `working_set` bytes, in vectors of the chosen instruction set."""
    return _per_second(lambda repeats: loads(working_set, repeats), rounds, seconds)
