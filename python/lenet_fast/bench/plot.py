"""Speed over batch size, one panel per network and thread count; the top edge of a panel is the machine's peak."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..model import Model
from .contest import Row, multiply_adds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {
    "lenet_fast": "#c1272d",
    "ONNX Runtime": "#0072b2",
    "OpenVINO": "#009e73",
    "PyTorch": "#e69f00",
    "LiteRT": "#7b52ab",
    "ncnn": "#555555",
}


def require_matplotlib() -> None:
    """Raise an ImportError that names the extra where matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise ImportError("--plot needs matplotlib, which is not installed: pip install matplotlib")


def write_plot(path: Path, tables: Mapping[str, tuple[Model, list[Row]]], peak: float) -> None:
    """Write the figure; the suffix of `path`, .png, .svg or .pdf, says in which format."""
    from matplotlib.figure import Figure

    threads = sorted({row.threads for _, rows in tables.values() for row in rows})
    figure = Figure(figsize=(4.6 * len(tables), 3.9 * len(threads)), layout="constrained")
    grid = figure.subplots(len(threads), len(tables), squeeze=False)
    for column, (name, (model, rows)) in enumerate(tables.items()):
        for line, count in enumerate(threads):
            if chosen := [row for row in rows if row.threads == count]:
                _panel(grid[line][column], name, multiply_adds(model), chosen, peak * count)
    for line in grid:
        line[0].set_ylabel("billion multiply-adds per second")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
    figure.savefig(path, dpi=150)


def _panel(axes: Axes, name: str, work: int, rows: list[Row], peak: float) -> None:
    fastest: dict[str, dict[int, float]] = {}
    for row in rows:
        for contestant in (row.ours, *row.peers):
            speeds = fastest.setdefault(contestant.title, {})
            speeds[row.batch] = max(speeds.get(row.batch, 0.0), work / contestant.median / 1e9)
    for title, speeds in fastest.items():
        ours = title == "lenet_fast"
        axes.plot(
            list(speeds),
            list(speeds.values()),
            marker="o",
            markersize=4 if ours else 3,
            linewidth=2.2 if ours else 1.2,
            color=_COLOURS[title],
            label=title,
            zorder=3 if ours else 2,
        )
    axes.set_title(f"{name}, {rows[0].threads} thread" + "s" * (rows[0].threads > 1), fontsize=10)
    axes.set_xscale("log", base=2)
    axes.set_xticks([row.batch for row in rows], [f"{row.batch:,}" for row in rows], fontsize=7)
    axes.set_xlabel("batch (top edge: the multiply-add peak)", fontsize=9)
    axes.set_ylim(0, peak / 1e9)
    axes.grid(axis="y", linewidth=0.4, alpha=0.5)
