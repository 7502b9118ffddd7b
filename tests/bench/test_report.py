"""bench/report.py: a row says how fast, who is faster, and whose answers differ; who is missing is named."""

from __future__ import annotations

import pytest
from lenet_fast.bench.contest import Contestant, Row
from lenet_fast.bench.report import heading, line, missing


def row(ratios=None, wrong=(), threads=1):
    """256 images in 2 us each; a peer took that times the ratio."""
    ours = Contestant("lenet_fast", "uint8", None, [], [2e-6])
    peers = [Contestant("PyTorch", "eager", None, [], [2e-6 * ratios[0]])] if ratios else []
    return Row(threads, 256, ours, peers, list(wrong), ratios, 0.5)


def test_a_row_alone():
    assert line(row()) == "   256    500,000      2.00    50.0%"


@pytest.mark.parametrize(("ratio", "wins"), [(0.5, "  PyTorch wins"), (0.99, "  PyTorch wins"), (1.0, ""), (2.5, "")])
def test_a_peer_that_is_faster_is_named_as_the_winner(ratio, wins):
    versus = f"  {'PyTorch, eager':<28} {2 * ratio:>9.2f} {ratio:>6.2f}x  0.40 to 3.00"
    assert line(row((ratio, 0.4, 3.0))) == line(row()) + versus + wins


def test_a_peer_whose_answers_differ_is_named_with_the_difference():
    liar = Contestant("Liar", "by heart", None, [], [], error=0.25)
    assert line(row(wrong=[liar])) == f"{line(row())}\n       not timed: Liar, by heart: its answers differ by 2.5e-01"


def test_the_heading_says_what_the_peak_would_allow(small):
    text = heading("small", small, row(threads=2), 1e8, False)
    assert text.startswith("\nsmall: 1x6x6, 224 multiply-adds, 2 threads, ")
    assert "(at the peak of 0.1 billion/s a core: 1.1 us/image)" in text
    assert "best peer" not in text
    assert "best peer" in heading("small", small, row(), 1e8, True)


def test_missing_peers_are_named_with_their_install_line(rivals):
    assert missing(["oracle"]) == ""
    assert missing(["oracle", "absent"]) == 'not installed: Absent; pip install "lenet-fast[bench]" brings them'
