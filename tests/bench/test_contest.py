"""bench/contest.py: answers first, then rounds in turn; what is told are medians, and ratios to the best peer."""

from __future__ import annotations

from types import SimpleNamespace

import lenet_fast
import numpy as np
import pytest
from lenet_fast.bench.contest import compete, multiply_adds
from lenet_fast.bench.peers import PEERS, Peer, Way
from lenet_fast.bench.subjects import reference_models


def test_multiply_adds_are_the_papers():
    assert [multiply_adds(model) for model in reference_models().values()] == [326_520, 651_720, 416_520]


def test_a_contest_alone(small, threads):
    threads(3)
    rows = list(compete(small, [], [1, 3], [1, 2], 2))
    assert [(row.threads, row.batch) for row in rows] == [(1, 1), (1, 3), (2, 1), (2, 3)]
    assert all(len(row.ours.seconds) == 2 and row.ratios is None and row.share_of_peak > 0 for row in rows)
    assert lenet_fast.info()["threads"] == 3


def test_a_liar_is_told_apart_and_not_timed(rivals):
    (row,) = compete(rivals, ["oracle", "liar"], [4096], [1], 1)
    assert [peer.title for peer in row.peers] == ["Oracle"]
    assert [(peer.title, peer.seconds) for peer in row.wrong] == [("Liar", [])]


@pytest.fixture
def peers(monkeypatch):
    """Put a peer with these ways into the list, by its name."""

    def put(name, *ways):
        class Made(Peer):
            def ways(self, model, threads, batch):
                return iter(ways)

        monkeypatch.setitem(PEERS, name, Made(name, name, ()))

    return put


@pytest.mark.parametrize(("share", "timed"), [(5e-5, True), (0.5, False)])
def test_one_image_of_a_thousand_decides_whether_answers_differ(small, peers, share, timed):
    """By its largest difference, as a share of that image's own largest score, whichever sign the two have."""
    model = small.replace(weights={**small.weights, "F2.bias": small.weights["F2.bias"] - 5})
    labels = []

    def prepare(floats):
        scores = model.scores(floats)
        best = scores[700].argmax()
        scores[700, best] -= share * np.abs(scores[700]).max()
        labels.extend((best, scores[700].argmax()))
        return scores

    peers("nearly", Way("by heart", lambda scores: scores, prepare))
    (row,) = compete(model, ["nearly"], [1000], [1], 1)
    assert (len(row.peers), len(row.wrong)) == (timed, not timed)
    (peer,) = row.peers + row.wrong
    assert peer.error == pytest.approx(share, rel=0.05)
    assert peer.other_labels == (labels[0] != labels[1])


def test_medians_of_the_counted_rounds_and_the_best_peer(small, peers, monkeypatch, threads):
    """On a clock of the test's own: what a round costs is known, and the first one is thrown away."""
    clock = SimpleNamespace(now=0.0, round=0)
    cost = {  # milliseconds per image: before the rounds, warming up, and three that count
        "ours": (1, 80, 4, 2, 2),
        "slow": (1, 1, 9, 9, 9),
        "fast": (1, 90, 6, 6, 600),  # by its mean the slowest
    }
    peaks = iter((1e9, 2e5, 3e5, 4e5))

    def spending(name, run):
        def call(batch):
            clock.now += cost[name][clock.round] * 1e-3 * len(batch)
            return run(batch)

        return call

    def peak(rounds, seconds):
        clock.round += 1
        return next(peaks)

    def sleep(seconds):
        clock.now += seconds

    monkeypatch.setattr("lenet_fast.bench.contest.time", SimpleNamespace(perf_counter=lambda: clock.now, sleep=sleep))
    monkeypatch.setattr("lenet_fast.bench.contest.multiply_adds_per_second", peak)
    for name in ("slow", "fast"):
        peers(name, Way("by heart", spending(name, lambda scores: scores), small.scores))
    ours = SimpleNamespace(network=small.network, preprocess=small.preprocess, scores=spending("ours", small.scores))
    (row,) = compete(ours, ["slow", "fast"], [4], [2], 3)
    assert row.ours.seconds == pytest.approx([4e-3, 2e-3, 2e-3])
    assert [peer.title for peer in row.peers] == ["fast", "slow"]
    assert row.peers[0].seconds == pytest.approx([6e-3, 6e-3, 0.6])
    assert row.ratios == pytest.approx((6 / 2, 6 / 4, 600 / 2))
    of_two_cores = [
        multiply_adds(small) / own / (2 * peak) for own, peak in zip((4e-3, 2e-3, 2e-3), (2e5, 3e5, 4e5), strict=True)
    ]
    assert row.share_of_peak == pytest.approx(np.median(of_two_cores))
