"""Threads, forks and time, for long: `python tests/soak.py {memory,forks,threads} [--seconds 600] [--times 1000]`.

`memory`: four threads predict with different models and batches; how much the process grew after the first minute, or
the first tenth of a shorter run. `forks`: a child is forked after a call, predicts and ends, so many times. `threads`:
eight threads call different models so many times each while the number of threads changes; every label is compared.
Each prints one line of JSON; `tests/test_processes.py` runs them in short form.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
import warnings
from pathlib import Path

import lenet_fast
import numpy as np

BATCHES = (1, 7, 64, 300, 2000)


class Work:
    """Calls of several models, with the labels that each must give."""

    def __init__(self) -> None:
        random = np.random.default_rng(1998)
        self.models = [lenet_fast.pretrained(name) for name in ("digits", "cifar10", "cifar10-relu")]
        self.images = [random.integers(0, 256, (max(BATCHES), *model.network.input), np.uint8) for model in self.models]
        self.wanted = [model.predict(images) for model, images in zip(self.models, self.images, strict=True)]

    def once(self, number: int) -> bool:
        """One call; whether its labels are right."""
        model, size = number % len(self.models), BATCHES[number % len(BATCHES)]
        labels = self.models[model].predict(self.images[model][:size])
        return bool(np.array_equal(labels, self.wanted[model][:size]))


def resident() -> float:
    """MiB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)


def in_threads(count: int, work: object) -> None:
    """Run `work(number of the thread)` in threads, and wait for all."""
    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def memory(seconds: float) -> dict[str, float]:
    """How much four threads make the process grow once it has warmed up."""
    work, is_over, calls, wrong = Work(), threading.Event(), [0] * 4, [0] * 4

    def predicting(thread: int) -> None:
        while not is_over.is_set():
            wrong[thread] += not work.once(calls[thread] * 4 + thread)
            calls[thread] += 1

    workers = [threading.Thread(target=predicting, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    warm = min(60.0, seconds / 2)
    early, late = _largest(warm), _largest(seconds - warm)
    is_over.set()
    for worker in workers:
        worker.join()
    return {"seconds": seconds, "calls": sum(calls), "wrong": sum(wrong), "grown": max(0.0, late - early)}


def _largest(seconds: float) -> float:
    """The most that this process has taken in so many seconds."""
    until, most = time.monotonic() + seconds, resident()
    while time.monotonic() < until:
        time.sleep(0.05)
        most = max(most, resident())
    return most


def forks(times: int) -> dict[str, float]:
    """Children, forked after a call, that predict too; how many ended wrongly."""
    work, wrong = Work(), 0
    lenet_fast.set_num_threads(3)
    for number in range(times):
        work.once(number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks of a process with threads: they are meant
            child = os.fork()
        if child == 0:
            os._exit(0 if work.once(number + 3) else 1)
        wrong += os.waitpid(child, 0)[1] != 0
    return {"forks": times, "wrong": wrong}


def threads(times: int) -> dict[str, float]:
    """Eight threads with different models, while the number of threads changes."""
    work, wrong, is_over = Work(), [0] * 8, threading.Event()

    def predicting(thread: int) -> None:
        for number in range(times):
            wrong[thread] += not work.once(number * 8 + thread)

    def changing() -> None:
        number = 0
        while not is_over.is_set():
            lenet_fast.set_num_threads(1 + number % 5)
            number += 1
            time.sleep(0.001)

    changer = threading.Thread(target=changing)
    changer.start()
    in_threads(8, predicting)
    is_over.set()
    changer.join()
    return {"threads": 8, "calls": 8 * times, "wrong": sum(wrong)}


def main() -> None:
    """Run one of them and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["memory", "forks", "threads"])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--times", type=int, default=1000)
    given = parser.parse_args()
    found = memory(given.seconds) if given.kind == "memory" else globals()[given.kind](given.times)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
