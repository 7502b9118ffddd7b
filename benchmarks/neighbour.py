"""What the package takes of a machine beside the time of its calls; minutes on one core.

    python benchmarks/neighbour.py

Two threads against one, for a large batch and for callers that are threads themselves; resident memory over a million
images in batches of random size; processor time in the five seconds after a call.
"""

from __future__ import annotations

import resource
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import lenet_fast
import numpy as np

IMAGES = np.random.default_rng(0).integers(0, 256, (4096, 28, 28), np.uint8)
ROUNDS = 15


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def several(calls: int = 4) -> None:
    for _ in range(calls):
        lenet_fast.predict(IMAGES)


def from_two_callers() -> None:
    callers = [threading.Thread(target=several) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()


def with_threads(count: int, work: Callable[[], object]) -> float:
    lenet_fast.set_num_threads(count)
    return seconds(work)


def scaling() -> None:
    """Ratios of rounds that lie side by side."""
    several()
    ratios = [with_threads(1, several) / with_threads(2, several) for _ in range(ROUNDS)]
    callers = [2 * with_threads(1, several) / with_threads(1, from_two_callers) for _ in range(ROUNDS)]
    for what, found in (("two threads", ratios), ("two callers of one thread each", callers)):
        median, low, high = statistics.median(found), min(found), max(found)
        print(f"{what}, batches of 4,096: {median:.2f} times one ({low:.2f} to {high:.2f})")


def memory() -> None:
    random = np.random.default_rng(1)
    images = calls = 0
    while images < 1_000_000:
        batch = int(random.integers(1, 4097))
        lenet_fast.predict(IMAGES[:batch])
        images, calls = images + batch, calls + 1
        if calls == 100:
            before = resident()
    print(f"resident memory after {images:,} images in {calls} calls: {resident() - before:+.3f} MiB since the 100th")


def resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def idle() -> None:
    lenet_fast.predict(IMAGES)
    before = time.process_time()
    time.sleep(5)
    print(f"processor time in the five seconds after a call: {(time.process_time() - before) / 5:.4%} of a core")


if __name__ == "__main__":
    scaling()
    memory()
    idle()
