"""The same work for everyone, in one run: answers first, then interleaved rounds.

A round gives every contestant, one after the other, about the same time, so that a drift of the machine's speed meets
all of them; the machine's peak is measured in every round as well. A ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import machine
from ..model import Model
from ..tensors import Floats
from .peak import multiply_adds_per_second
from .peers import PEERS
from .subjects import scaled, some_images

BATCHES = (1, 2, 4, 8, 16, 64, 256, 1024, 4096)
IMAGES = 8192  # different ones, at least two batches
CHECKED = 1024  # images whose answers are compared
TOLERANCE = 1e-4  # of an image's largest score; peers differ from float64 by up to a tenth of this
SECONDS = 0.02  # for a contestant in a round, or one call where that takes longer
PAUSE = 0.005  # between contestants: the threads of some go on spinning for a while


@dataclass
class Contestant:
    """Someone who runs the model: `name` tells the setting; seconds per image, one figure per round."""

    title: str
    name: str
    run: Callable[[Any], Floats]
    batches: list[Any]
    seconds: list[float] = field(default_factory=list)
    error: float = 0.0  # of the answers, relative to an image's largest score
    other_labels: int = 0  # of the images whose answers were compared

    @property
    def median(self) -> float:
        """Seconds per image."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Row:
    """One batch size and thread count: who ran, and how we compare with the best peer."""

    threads: int
    batch: int
    ours: Contestant
    peers: list[Contestant]  # fastest first
    wrong: list[Contestant]  # whose answers differ, so that nothing was timed
    ratios: tuple[float, float, float] | None  # best peer's time over ours: median, lowest, highest round
    share_of_peak: float  # of `threads` cores, for the multiply-adds of convolutions, dense and RBF layers


def multiply_adds(model: Model) -> int:
    """Multiply-adds per image of convolutions, dense and RBF layers; subsampling and activations are not counted."""
    return sum(figures.multiply_adds for figures in model.network.figures)


def compete(
    model: Model, peers: Sequence[str], batches: Sequence[int], threads: Sequence[int], rounds: int
) -> Iterator[Row]:
    """Measure `model` against the named peers: one row for every thread count and batch size, as they are done.

    Every contestant delivers the same: raw scores, or probabilities where the head is a softmax. We start from uint8
    pixels, the peers from float32 ones that are already scaled, in their own layout.
    """
    images = some_images(model, IMAGES)
    floats = scaled(model, images)
    before = machine.info()["threads"]
    try:
        for count in threads:
            machine.set_num_threads(count)
            for batch in batches:
                yield _row(model, peers, batch, count, rounds, images, floats)
    finally:
        machine.set_num_threads(before)


def _row(model: Model, names: Sequence[str], batch: int, threads: int, rounds: int, images: Any, floats: Floats) -> Row:
    run = model.predict_proba if model.network.head == "softmax" else model.scores
    ours = Contestant("lenet_fast", "uint8", run, _cut(images, batch))
    peers = [
        Contestant(PEERS[name].title, way.name, way.run, _cut(way.prepare(floats), batch))
        for name in names
        for way in PEERS[name].ways(model, threads, batch)
    ]
    for peer in peers:
        _compare(model, ours, peer)
    right = [peer for peer in peers if peer.error <= TOLERANCE]
    peaks = _rounds([ours, *right], rounds)
    right.sort(key=lambda peer: peer.median)
    ratios = sorted(theirs / own for theirs, own in zip(right[0].seconds, ours.seconds, strict=True)) if right else None
    work = multiply_adds(model) / threads
    return Row(
        threads=threads,
        batch=batch,
        ours=ours,
        peers=right,
        wrong=[peer for peer in peers if peer not in right],
        ratios=(statistics.median(ratios), ratios[0], ratios[-1]) if ratios else None,
        share_of_peak=statistics.median(work / own / peak for own, peak in zip(ours.seconds, peaks, strict=True)),
    )


def _cut(data: Any, batch: int) -> list[Any]:
    """Whole batches, at most a thousand of them, cut before the clock runs."""
    return [data[i : i + batch] for i in range(0, min(len(data), 1024 * batch) - batch + 1, batch)]


def _compare(model: Model, ours: Contestant, peer: Contestant) -> None:
    count = -(-CHECKED // len(ours.batches[0]))
    wanted = np.concatenate([ours.run(batch) for batch in ours.batches[:count]])
    found = np.concatenate([np.array(peer.run(batch)) for batch in peer.batches[:count]])
    peer.error = float((np.abs(found - wanted).max(1) / np.abs(wanted).max(1)).max())
    best = np.argmin if model.network.head == "rbf" else np.argmax
    peer.other_labels = int((best(found, axis=1) != best(wanted, axis=1)).sum())


def _rounds(contestants: list[Contestant], rounds: int) -> list[float]:
    """Fill in everyone's seconds; return the machine's peak in every round."""
    calls = [max(1, round(SECONDS / _seconds(c, 0, 1))) for c in contestants]
    peaks = []
    for number in range(rounds + 1):
        peaks.append(multiply_adds_per_second(1, SECONDS / 4))
        for contestant, count in zip(contestants, calls, strict=True):
            time.sleep(PAUSE)
            taken = _seconds(contestant, number * count, count)
            contestant.seconds.append(taken / count / len(contestant.batches[0]))
    for contestant in contestants:
        del contestant.seconds[0]  # the first round warms up
    return peaks[1:]


def _seconds(contestant: Contestant, first: int, calls: int) -> float:
    """Time of `calls` calls, from batch `first` on, after one that wakes the caches and the threads."""
    batches = [contestant.batches[(first + i) % len(contestant.batches)] for i in range(calls + 1)]
    run = contestant.run
    run(batches.pop())
    start = time.perf_counter()
    for batch in batches:
        run(batch)
    return time.perf_counter() - start
