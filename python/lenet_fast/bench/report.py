"""The rows of a contest as a table to read and as JSON to keep."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import machine
from ..model import Model
from .contest import Contestant, Row, multiply_adds
from .peers import PEERS

_HEADER = f"{'batch':>6} {'images/s':>10} {'us/image':>9} {'of peak':>8}"
_VERSUS = f"  {'best peer':<28} {'us/image':>9} {'ratio':>7}  {'range'}"


def heading(name: str, model: Model, row: Row, peak: float, versus: bool) -> str:
    """The lines above the rows of one network and thread count."""
    size = "x".join(map(str, model.network.input))
    work = multiply_adds(model)
    threads = f"{row.threads} thread" + "s" * (row.threads > 1)
    bound = work / peak / row.threads * 1e6
    title = f"{name}: {size}, {work:,} multiply-adds, {threads}, {machine.info()['isa']}"
    floor = f"at the peak of {peak / 1e9:.1f} billion/s a core: {bound:.1f} us/image"
    return f"\n{title} ({floor})\n{_HEADER}{_VERSUS if versus else ''}"


def line(row: Row) -> str:
    """One row of the table; a peer that wins, and one whose answers differ, is named as such."""
    own = row.ours.median
    text = f"{row.batch:>6} {1 / own:>10,.0f} {own * 1e6:>9.2f} {row.share_of_peak:>8.1%}"
    if row.ratios:
        ratio, low, high = row.ratios
        best = f"{row.peers[0].title}, {row.peers[0].name}"
        text += f"  {best:<28} {row.peers[0].median * 1e6:>9.2f} {ratio:>6.2f}x  {low:.2f} to {high:.2f}"
        text += f"  {row.peers[0].title} wins" if ratio < 1 else ""
    for peer in row.wrong:
        text += f"\n       not timed: {peer.title}, {peer.name}: its answers differ by {peer.error:.1e}"
    return text


def missing(names: Sequence[str]) -> str:
    """One line on the peers that are not installed, empty if all are."""
    absent = [PEERS[name].title for name in names if PEERS[name].version() is None]
    return f'not installed: {", ".join(absent)}; pip install "lenet-fast[bench]" brings them' if absent else ""


def write_json(path: Path, tables: Mapping[str, tuple[Model, list[Row]]], names: Iterable[str]) -> None:
    """Every contestant's figures, with machine, compiler and commit beside them."""
    networks = {
        name: {"multiply_adds": multiply_adds(model), "rows": [_row(row) for row in rows]}
        for name, (model, rows) in tables.items()
    }
    peers = {PEERS[name].title: PEERS[name].version() for name in names}
    path.write_text(json.dumps({"machine": _machine(), "peers": peers, "networks": networks}, indent=1) + "\n")


def _row(row: Row) -> dict[str, Any]:
    facts: dict[str, Any] = {"threads": row.threads, "batch": row.batch, "share_of_peak": round(row.share_of_peak, 4)}
    if row.ratios:
        facts["best_peer"] = f"{row.peers[0].title}, {row.peers[0].name}"
        facts["ratio"], facts["lowest"], facts["highest"] = (round(ratio, 3) for ratio in row.ratios)
    return facts | {"contestants": [_contestant(c) for c in (row.ours, *row.peers, *row.wrong)]}


def _contestant(contestant: Contestant) -> dict[str, Any]:
    microseconds = [round(seconds * 1e6, 3) for seconds in contestant.seconds]
    return {
        "name": f"{contestant.title}, {contestant.name}",
        "microseconds_per_image": microseconds,
        "error": float(f"{contestant.error:.2e}"),
        "other_labels": contestant.other_labels,
    }


def _machine() -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [text.partition(": ")[2] for text in lines if text.startswith(("model name", "Model"))]
    facts = {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    return facts | {name: value for name, value in machine.info().items() if name != "threads"}
