"""bench/plot.py: the fastest way of each runtime, under the machine's peak."""

from __future__ import annotations

from pathlib import Path

import pytest
from lenet_fast.bench.contest import Contestant, Row, multiply_adds
from lenet_fast.bench.plot import write_plot


def test_the_fastest_way_of_each_runtime_under_the_peak_of_its_threads(small, monkeypatch):
    pytest.importorskip("matplotlib", reason="drawing needs matplotlib")
    drawn = []
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, *_, **__: drawn.append(figure))
    rows = []
    for threads, batch in ((1, 1), (1, 8), (2, 8)):
        ours = Contestant("lenet_fast", "uint8", None, [], [1e-6 / batch])
        ways = [Contestant("PyTorch", name, None, [], [cost / batch]) for name, cost in (("a", 3e-6), ("b", 2e-6))]
        rows.append(Row(threads, batch, ours, ways, [], (2.0, 2.0, 2.0), 0.5))
    write_plot(Path("plot.png"), {"small": (small, rows)}, 5e9)
    panels = drawn[0].axes
    assert [panel.get_title() for panel in panels] == ["small, 1 thread", "small, 2 threads"]
    assert [panel.get_ylim() for panel in panels] == [(0, 5), (0, 10)]
    speeds = {line.get_label(): list(line.get_ydata()) for line in panels[0].lines}
    work = multiply_adds(small) / 1e9
    assert speeds["lenet_fast"] == pytest.approx([work / 1e-6, work / 1e-6 * 8])
    assert speeds["PyTorch"] == pytest.approx([work / 2e-6, work / 2e-6 * 8])
